/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "rcu.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

int
pvt_rcu_open (const PvtRoot *root, const char *value)
{
  int fd = openat (root->fd, "sys/kernel/rcu_expedited", O_RDWR | O_CLOEXEC | O_NOCTTY);
  char now[2] = "";

  if (fd < 0)
    return -1;
  if (pread (fd, now, 1, 0) == 1 && strcmp (now, value) == 0)
    return fd;
  close (fd);
  return -1;
}
