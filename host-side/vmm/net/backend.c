/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "backend.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "host-side/vmm/core/log.h"

static int
adopt (const char *text, long fd)
{
  int flags = fd >= 0 && fd <= INT32_MAX ? fcntl ((int) fd, F_GETFL) : -1;

  if (flags < 0 || fcntl ((int) fd, F_SETFL, flags | O_NONBLOCK) < 0
      || fcntl ((int) fd, F_SETFD, FD_CLOEXEC) < 0)
    {
      vmm_log ("net: '%s' names a file descriptor that is not open", text);
      return -EINVAL;
    }
  return (int) fd;
}

int
net_backend_take_fds (const char *text, int fds[NET_PAIRS_MAX])
{
  const char *at = text;
  unsigned n = 0;

  for (;;)
    {
      char *end;
      long fd = strtol (at, &end, 10);

      if (end == at || (*end && *end != ':') || n == NET_PAIRS_MAX)
        {
          vmm_log ("net: '%s' is no list of at most %u numbers like 3:4", text, NET_PAIRS_MAX);
          return -EINVAL;
        }
      fds[n] = adopt (text, fd);
      if (fds[n++] < 0)
        return -EINVAL;
      if (*end == '\0')
        return (int) n;
      at = end + 1;
    }
}

/* epoll takes a file once for each number it has. */
int
net_backend_split_fds (struct net_backend *backend)
{
  for (unsigned i = 0; i < backend->n_pairs; i++)
    {
      backend->send_fds[i] = fcntl (backend->fds[i], F_DUPFD_CLOEXEC, 3);
      if (backend->send_fds[i] < 0)
        return -errno;
    }
  return 0;
}

void
net_backend_close_fds (struct net_backend *backend)
{
  for (unsigned i = 0; i < NET_PAIRS_MAX; i++)
    {
      if (backend->fds[i] > 0)
        close (backend->fds[i]);
      if (backend->send_fds[i] > 0)
        close (backend->send_fds[i]);
    }
}
