/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Programs that are run with a deadline, and back-ends that run beside them. */
#include "verify.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define STEP_US 20000
#define START_SECONDS 30

static GPid
spawn (char **argv, int fd, GError **error)
{
  int null = open ("/dev/null", O_RDWR | O_CLOEXEC);
  GPid pid = 0;

  if (!g_spawn_async_with_fds (NULL, argv, NULL, G_SPAWN_DO_NOT_REAP_CHILD | G_SPAWN_SEARCH_PATH, NULL,
                               NULL, &pid, null, fd >= 0 ? fd : null, fd >= 0 ? fd : null, error))
    pid = 0;
  close (null);
  return pid;
}

int
verify_run (char **argv, const char *output, unsigned seconds, GError **error)
{
  int fd = open (output, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600), status = 0;
  gint64 end = g_get_monotonic_time () + (gint64) seconds * G_USEC_PER_SEC;
  GPid pid = spawn (argv, fd, error);

  close (fd);
  if (pid == 0)
    return -1;
  while (waitpid (pid, &status, WNOHANG) == 0)
    {
      if (g_get_monotonic_time () > end)
        {
          verify_stop (pid);
          g_set_error (error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT, "did not end within %u s", seconds);
          return -1;
        }
      g_usleep (STEP_US);
    }
  return WIFEXITED (status) ? WEXITSTATUS (status) : 128 + WTERMSIG (status);
}

static gboolean
listens (const char *path)
{
  struct sockaddr_un address = { .sun_family = AF_UNIX };
  int fd = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  gboolean good;

  g_strlcpy (address.sun_path, path, sizeof address.sun_path);
  good = connect (fd, (struct sockaddr *) &address, sizeof address) == 0;
  close (fd);
  return good;
}

GPid
verify_start (char **argv, const char *socket, GError **error)
{
  gint64 end = g_get_monotonic_time () + (gint64) START_SECONDS * G_USEC_PER_SEC;
  GPid pid = spawn (argv, -1, error);

  while (pid && !listens (socket))
    {
      if (g_get_monotonic_time () > end || waitpid (pid, NULL, WNOHANG) != 0)
        {
          verify_stop (pid);
          g_set_error (error, G_IO_ERROR, G_IO_ERROR_FAILED, "%s %s does not listen", argv[0], argv[1]);
          return 0;
        }
      g_usleep (STEP_US);
    }
  return pid;
}

void
verify_stop (GPid pid)
{
  if (pid > 0 && kill (pid, SIGKILL) == 0)
    waitpid (pid, NULL, 0);
}
