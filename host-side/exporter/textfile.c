/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "textfile.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <stdio.h>
#include <unistd.h>

/* For all guests together, whatever they do. */
#define ALL_MS 60000

static gboolean
fail (const char *what, const char *path, GError **error)
{
  int code = errno;

  g_set_error (error, G_FILE_ERROR, g_file_error_from_errno (code), "cannot %s %s: %s", what, path,
               g_strerror (code));
  return FALSE;
}

static gboolean
write_all (int fd, const GString *text)
{
  gsize done = 0;

  while (done < text->len)
    {
      gssize n = write (fd, text->str + done, text->len - done);

      if (n < 0 && errno != EINTR)
        return FALSE;
      done += n > 0 ? (gsize) n : 0;
    }
  return TRUE;
}

/* Others must be able to read it: node_exporter has a user of its own. */
static gboolean
replace (const char *path, const GString *text, GError **error)
{
  g_autofree char *temporary = g_strdup_printf ("%s.%d.tmp", path, (int) getpid ());
  gboolean ok;
  int fd;

  /* One that was killed may have had the same number, as in a container it has. */
  g_unlink (temporary);
  fd = g_open (temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);

  if (fd < 0)
    return fail ("create", temporary, error);
  ok = write_all (fd, text) || fail ("write", temporary, error);
  ok = (close (fd) == 0 || !ok || fail ("write", temporary, error)) && ok;
  ok = ok && (g_rename (temporary, path) == 0 || fail ("replace", path, error));
  if (!ok)
    g_unlink (temporary);
  return ok;
}

/* libvirt is asked in the background: the list may lack it at first. */
static GPtrArray *
list (PvtExporter *exporter, gint64 deadline)
{
  GPtrArray *found = pvt_targets_list (exporter->targets);

  while (!pvt_targets_settled (exporter->targets) && g_get_monotonic_time () < deadline)
    {
      g_usleep (20000);
      g_ptr_array_unref (found);
      found = pvt_targets_list (exporter->targets);
    }
  return found;
}

gboolean
pvt_textfile_write (PvtExporter *exporter, const char *path, int timeout_ms, GError **error)
{
  gint64 now = g_get_monotonic_time ();
  g_autoptr (GPtrArray) found = list (exporter, now + (gint64) timeout_ms * 1000);
  g_autofree const char **addresses = pvt_page_addresses (found);
  g_autoptr (PvtGather) gather
      = pvt_gather_new (exporter->guests, addresses, found->len, now + ALL_MS * 1000);
  GString *text;
  gboolean ok;

  pvt_gather_wait (gather);
  text = pvt_page_textfile (gather, found);
  ok = replace (path, text, error);
  g_string_free (text, TRUE);
  return ok;
}
