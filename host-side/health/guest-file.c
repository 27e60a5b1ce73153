/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest-file.h"

/* Files of /proc and /sys are read in one piece or not at all by some. */
#define CHUNK (64 * 1024)

/* @timeout_ms is for all of it: a guest may send a byte at a time. */
static gboolean
read_chunks (PvtClient *client, gint64 handle, gsize max, int timeout_ms, GByteArray *bytes,
             GError **error)
{
  gint64 end = g_get_monotonic_time () + (gint64) timeout_ms * 1000;
  PvtGuestFileReadArgs args = { handle, TRUE, CHUNK };
  gboolean eof = FALSE;

  while (!eof && bytes->len < max)
    {
      int left = (int) CLAMP ((end - g_get_monotonic_time ()) / 1000, 1, timeout_ms);
      g_autoptr (PvtGuestFileRead) part
          = pvt_client_guest_file_read (client, &args, left, NULL, error);
      gconstpointer data = NULL;
      gsize len = 0;

      if (part == NULL)
        return FALSE;
      if (part->buf_b64)
        data = g_bytes_get_data (part->buf_b64, &len);
      g_byte_array_append (bytes, data, (guint) MIN (len, max - bytes->len));
      /* One that says neither would be asked for ever. */
      eof = part->eof || len == 0;
    }
  return TRUE;
}

GBytes *
pvt_guest_file_fetch (PvtClient *client, const char *path, gsize max, int timeout_ms,
                      GError **error)
{
  PvtGuestFileOpenArgs open = { (char *) path, NULL };
  g_autoptr (GByteArray) bytes = g_byte_array_new ();
  PvtGuestFileCloseArgs close;
  gboolean ok;

  if (!pvt_client_guest_file_open (client, &open, &close.handle, timeout_ms, NULL, error))
    return NULL;
  ok = read_chunks (client, close.handle, max, timeout_ms, bytes, error);
  pvt_client_guest_file_close (client, &close, timeout_ms, NULL, NULL);
  return ok ? g_byte_array_free_to_bytes (g_steal_pointer (&bytes)) : NULL;
}
