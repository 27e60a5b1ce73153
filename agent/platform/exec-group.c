/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "exec-group.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "root.h"

#define GROUPS "/sys/fs/cgroup"
#define UNIT "pvtools-exec.service"

char *
pvt_exec_group_beside (const char *own)
{
  /* cgroups(7): the line of version 2 has the hierarchy 0 and no controllers. */
  const char *path = g_str_has_prefix (own, "0::/") ? own : strstr (own, "\n0::/");
  const char *end, *slash;

  if (path == NULL)
    return NULL;
  path = strchr (path, '/');
  end = path + strcspn (path, "\n");
  slash = g_strrstr_len (path, end - path, "/");
  if (end - slash <= 9 || strncmp (end - 8, ".service", 8) != 0)
    return NULL;
  return g_strdup_printf (GROUPS "%.*s/" UNIT, (int) (slash - path), path);
}

#if defined SYS_clone3 && defined CLONE_INTO_CGROUP

static GMutex lock;
static char *directory; /* of the group; "" where there can be none */
static int group = -1;

static char *
find_directory (void)
{
  char text[4096];
  char *found = pvt_read_at (AT_FDCWD, "/proc/self/cgroup", text, sizeof text) > 0
                    ? pvt_exec_group_beside (text)
                    : NULL;

  return found ? found : g_strdup ("");
}

/* @gone: the descriptor whose group is no more, as somebody stopped the unit. A
 * descriptor of the caller's own comes back, or -1. */
static int
take_group (gboolean gone)
{
  int fd = -1;

  g_mutex_lock (&lock);
  if (directory == NULL)
    directory = find_directory ();
  if (gone && group >= 0)
    {
      close (group);
      group = -1;
    }
  if (group < 0 && *directory)
    group = open (directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (group >= 0)
    fd = fcntl (group, F_DUPFD_CLOEXEC, 3);
  g_mutex_unlock (&lock);
  return fd;
}

static pid_t
fork_into (int fd)
{
  struct clone_args args = { .flags = CLONE_INTO_CGROUP, .exit_signal = SIGCHLD };

  args.cgroup = (guint64) fd;
  return (pid_t) syscall (SYS_clone3, &args, sizeof args);
}

pid_t
pvt_exec_group_fork (void)
{
  for (int attempt = 0; attempt < 2; attempt++)
    {
      int fd = take_group (attempt > 0);
      pid_t pid;

      if (fd < 0)
        break;
      pid = fork_into (fd);
      if (pid == 0)
        return 0; /* the descriptor closes when the program is run */
      close (fd);
      if (pid > 0)
        return pid;
    }
  return fork ();
}

#else

pid_t
pvt_exec_group_fork (void)
{
  return fork ();
}

#endif
