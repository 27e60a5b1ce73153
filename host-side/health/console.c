/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "console.h"

#include "protocol/transport/transport.h"

#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* More than a socket holds: its end is what counts in the end. */
#define TAIL_MAX (16 * PVT_CONSOLE_MAX)

struct _PvtConsole
{
  char *path; /* of a file; NULL: a socket */
  int fd;
  GSource *source;
  char ring[PVT_CONSOLE_MAX];
  gsize written; /* ever; the ring has the last ones */
};

static void
put (PvtConsole *console, const char *data, gsize len)
{
  for (gsize i = 0; i < len; i++)
    console->ring[console->written++ % PVT_CONSOLE_MAX] = data[i];
}

/* What is there now, at most @max: a guest that writes without end keeps nobody from other
 * guests. FALSE: the other side hung up. */
static gboolean
drain (PvtConsole *console, gsize max)
{
  char chunk[4096];
  gssize n = 0;

  for (gsize done = 0; done < max; done += (gsize) n)
    {
      n = read (console->fd, chunk, sizeof chunk);
      if (n <= 0)
        return n < 0 && (errno == EAGAIN || errno == EINTR);
      put (console, chunk, (gsize) n);
    }
  return TRUE;
}

static gboolean
readable (gint fd G_GNUC_UNUSED, GIOCondition condition G_GNUC_UNUSED, gpointer data)
{
  return drain (data, PVT_CONSOLE_MAX) ? G_SOURCE_CONTINUE : G_SOURCE_REMOVE;
}

PvtConsole *
pvt_console_new (const char *path, GError **error)
{
  g_autoptr (GMainContext) context = g_main_context_ref_thread_default ();
  PvtConsole *console = g_new0 (PvtConsole, 1);
  struct stat st;

  console->fd = -1;
  if (stat (path, &st) < 0 || !S_ISSOCK (st.st_mode))
    {
      console->path = g_strdup (path); /* one that is not there yet may come */
      return console;
    }
  console->fd = pvt_transport_connect_unix (path, error);
  if (console->fd < 0)
    {
      g_free (console);
      return NULL;
    }
  console->source = g_unix_fd_source_new (console->fd, G_IO_IN | G_IO_HUP);
  g_source_set_callback (console->source, G_SOURCE_FUNC (readable), console, NULL);
  g_source_attach (console->source, context);
  return console;
}

void
pvt_console_free (PvtConsole *console)
{
  if (console == NULL)
    return;
  if (console->source)
    g_source_destroy (console->source);
  g_clear_pointer (&console->source, g_source_unref);
  if (console->fd >= 0)
    close (console->fd);
  g_free (console->path);
  g_free (console);
}

static GBytes *
tail_of_file (const char *path)
{
  g_autofree char *data = g_malloc (PVT_CONSOLE_MAX);
  int fd = open (path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  struct stat st;
  gssize n = 0;

  if (fd >= 0 && fstat (fd, &st) == 0 && S_ISREG (st.st_mode))
    n = pread (fd, data, PVT_CONSOLE_MAX, MAX (st.st_size - PVT_CONSOLE_MAX, 0));
  if (fd >= 0)
    close (fd);
  return g_bytes_new (data, (gsize) MAX (n, 0));
}

GBytes *
pvt_console_tail (PvtConsole *console)
{
  gsize len, first;
  char *data;

  if (console->path)
    return tail_of_file (console->path);
  drain (console, TAIL_MAX);
  len = MIN (console->written, PVT_CONSOLE_MAX);
  first = console->written - len;
  data = g_malloc (len + 1);
  for (gsize i = 0; i < len; i++)
    data[i] = console->ring[(first + i) % PVT_CONSOLE_MAX];
  return g_bytes_new_take (data, len);
}
