/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vsock-mux.h"

#include "protocol/transport/transport.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define ANSWER_MAX 32

gboolean
pvt_vsock_mux_parse (const char *text, char *path, guint32 *port)
{
  const char *colon = strrchr (text, ':');
  guint64 value;

  if (colon == NULL || colon == text || colon - text > PVT_VSOCK_MUX_PATH_MAX
      || !g_ascii_string_to_unsigned (colon + 1, 10, 0, G_MAXUINT32 - 1, &value, NULL))
    return FALSE;
  memcpy (path, text, (size_t) (colon - text));
  path[colon - text] = '\0';
  *port = (guint32) value;
  return TRUE;
}

/* The next byte; FALSE when there is none within the time, or no more. */
static gboolean
read_byte (int fd, char *byte, gint64 deadline)
{
  for (;;)
    {
      struct pollfd waiting = { .fd = fd, .events = POLLIN };
      ssize_t n = recv (fd, byte, 1, 0);
      gint64 left = deadline - g_get_monotonic_time ();

      if (n >= 0)
        return n == 1;
      if (errno != EAGAIN && errno != EINTR)
        return FALSE;
      if (left <= 0)
        return FALSE;
      poll (&waiting, 1, (int) (left / 1000) + 1);
    }
}

/* Byte by byte: what is behind the line is the guest's. */
static gboolean
read_answer (int fd, gint64 deadline)
{
  char line[ANSWER_MAX];

  for (gsize len = 0; len < sizeof line; len++)
    {
      if (!read_byte (fd, &line[len], deadline))
        return FALSE;
      if (line[len] == '\n')
        return len >= 3 && strncmp (line, "OK ", 3) == 0;
    }
  return FALSE;
}

int
pvt_vsock_mux_connect (const char *path, guint32 port, int timeout_ms, GError **error)
{
  gint64 deadline = g_get_monotonic_time () + (gint64) timeout_ms * 1000;
  g_autofree char *line = g_strdup_printf ("CONNECT %u\n", port);
  int fd = pvt_transport_connect_unix (path, error);

  if (fd < 0)
    return -1;
  if (send (fd, line, strlen (line), MSG_NOSIGNAL) == (ssize_t) strlen (line)
      && read_answer (fd, deadline))
    return fd;
  close (fd);
  g_set_error (error, G_FILE_ERROR, G_FILE_ERROR_IO,
               "cannot connect by %s: nobody in the guest answers on vsock port %u", path, port);
  return -1;
}
