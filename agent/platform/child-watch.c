/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "child-watch.h"

#include <glib-unix.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

typedef struct
{
  pid_t pid;
  PvtChildEnded ended;
  gpointer user_data;
} Watch;

static gboolean
pidfd_ready (gint fd, GIOCondition condition G_GNUC_UNUSED, gpointer data)
{
  Watch *watch = data;
  int status = 0;

  if (waitpid (watch->pid, &status, WNOHANG) == 0)
    return G_SOURCE_CONTINUE;
  close (fd);
  watch->ended (watch->pid, status, watch->user_data);
  return G_SOURCE_REMOVE;
}

static void
glib_watch (GPid pid, gint status, gpointer data)
{
  Watch *watch = data;

  watch->ended (pid, status, watch->user_data);
}

void
pvt_child_watch (pid_t pid, PvtChildEnded ended, gpointer user_data)
{
  Watch *watch = g_new (Watch, 1);
  int fd = (int) syscall (SYS_pidfd_open, pid, 0);

  *watch = (Watch){ pid, ended, user_data };
  if (fd >= 0)
    g_unix_fd_add_full (G_PRIORITY_DEFAULT, fd, G_IO_IN, pidfd_ready, watch, g_free);
  else
    g_child_watch_add_full (G_PRIORITY_DEFAULT, pid, glib_watch, watch, g_free);
}
