/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "notify.h"

#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

void
pvt_notify (const char *state)
{
  const char *path = g_getenv ("NOTIFY_SOCKET");
  struct sockaddr_un addr = { .sun_family = AF_UNIX };
  gsize len = path ? strlen (path) : 0;
  int fd;

  if (len < 2 || len >= sizeof addr.sun_path || (path[0] != '/' && path[0] != '@'))
    return;
  memcpy (addr.sun_path, path, len);
  if (path[0] == '@')
    addr.sun_path[0] = '\0'; /* abstract */
  fd = socket (AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0)
    return;
  sendto (fd, state, strlen (state), MSG_NOSIGNAL | MSG_DONTWAIT, (struct sockaddr *) &addr,
          (socklen_t) (G_STRUCT_OFFSET (struct sockaddr_un, sun_path) + len));
  close (fd);
}

static gboolean
ping (gpointer data G_GNUC_UNUSED)
{
  pvt_notify ("WATCHDOG=1");
  return G_SOURCE_CONTINUE;
}

void
pvt_notify_start_watchdog (void)
{
  const char *usec = g_getenv ("WATCHDOG_USEC"), *pid = g_getenv ("WATCHDOG_PID");
  guint64 period = usec ? g_ascii_strtoull (usec, NULL, 10) : 0;

  if (period < 2000 || period / 2000 > G_MAXUINT)
    return;
  if (pid && g_ascii_strtoull (pid, NULL, 10) != (guint64) getpid ())
    return;
  g_timeout_add ((guint) (period / 2000), ping, NULL);
}
