/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon.h"

#include "agent/platform/root.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define DEFAULT_PIDFILE "/run/pvtools-agent.pid"

static gboolean
write_pidfile (const char *path, GError **error)
{
  int fd = open (path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
  char text[24];
  int len = g_snprintf (text, sizeof text, "%d\n", (int) getpid ());

  /* The lock lives as long as the process; the descriptor is left open for it. */
  if (fd < 0 || lockf (fd, F_TLOCK, 0) < 0)
    return pvt_errno_fail (error, "lock the pid file", path);
  if (ftruncate (fd, 0) < 0 || write (fd, text, (gsize) len) != len)
    return pvt_errno_fail (error, "write the pid file", path);
  return TRUE;
}

static gboolean
go_to_background (GError **error)
{
  pid_t pid = fork ();
  int null;

  if (pid < 0)
    return pvt_errno_fail (error, "fork", "the daemon");
  if (pid > 0)
    _exit (EXIT_SUCCESS);
  umask (0077);
  if (setsid () < 0 || chdir ("/") < 0)
    return pvt_errno_fail (error, "leave", "the session");
  null = open ("/dev/null", O_RDWR | O_CLOEXEC);
  if (null < 0)
    return pvt_errno_fail (error, "open", "/dev/null");
  for (int fd = 0; fd < 3; fd++)
    dup2 (null, fd);
  close (null);
  return TRUE;
}

static const char *
pidfile (const PvtConfig *config)
{
  return config->pidfile ? config->pidfile : config->daemon ? DEFAULT_PIDFILE : NULL;
}

gboolean
pvt_daemon_start (const PvtConfig *config, GError **error)
{
  if (g_mkdir_with_parents (config->statedir, 0755) < 0)
    return pvt_errno_fail (error, "make the state directory", config->statedir);
  if (config->daemon && !go_to_background (error))
    return FALSE;
  return pidfile (config) == NULL || write_pidfile (pidfile (config), error);
}

void
pvt_daemon_stop (const PvtConfig *config)
{
  if (pidfile (config))
    unlink (pidfile (config));
}
