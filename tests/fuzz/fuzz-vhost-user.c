/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A front-end that says anything: messages with lengths and descriptors made of
 * the input, then the connection ends. The device has its workers, and the memory
 * it is given, rings and all, has the input in it, too. */
#include "fuzz.h"

#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "host-side/vmm/vhost-user/backend.h"
#include "host-side/vmm/vhost-user/shrink.h"
#include "host-side/vmm/vhost-user/wire.h"
#include "tests/support/guest-ram.h"

#define MEMORY 0x10000
#define DEVICES 5u

/* Sends up to @len bytes with @n copies of a descriptor. */
static void
send_with (int to, const void *data, size_t len, int fd, unsigned n)
{
  union
  {
    struct cmsghdr header;
    char space[CMSG_SPACE (VHOST_USER_FDS_MAX * sizeof (int))];
  } control = { 0 };
  struct iovec iov = { (void *) data, len };
  struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1 };

  if (n > 0)
    {
      int fds[VHOST_USER_FDS_MAX];

      for (unsigned i = 0; i < n; i++)
        fds[i] = fd;
      message.msg_control = &control;
      message.msg_controllen = CMSG_SPACE (n * sizeof (int));
      control.header.cmsg_level = SOL_SOCKET;
      control.header.cmsg_type = SCM_RIGHTS;
      control.header.cmsg_len = CMSG_LEN (n * sizeof (int));
      memcpy (CMSG_DATA (&control.header), fds, n * sizeof (int));
    }
  if (sendmsg (to, &message, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
    return;
}

static struct vdev *
make (unsigned which)
{
  struct options nic = { 0 }, reports = { 0 }, none = { 0 };
  struct vdev *dev = NULL;
  char text[16];
  int pair[2];

  if (which == 0)
    rng_create (&none, &dev);
  else if (which < 3)
    dev = ram_disk_by (MEMORY, "off", which == 1 ? "threads" : "io_uring");
  else if (which == 3 && socketpair (AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, pair) == 0)
    {
      snprintf (text, sizeof text, "%d", pair[0]);
      options_add (&nic, "socket-fd", text);
      net_create (&nic, &dev);
    }
  else
    {
      options_add (&reports, "free-page-reporting", "on");
      balloon_create (&reports, &dev);
    }
  if (dev == NULL || vdev_start_workers (dev) < 0)
    abort ();
  return dev;
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  static struct vdev *devices[DEVICES];
  static int memory, event;
  unsigned which = size > 1 ? data[1] / 48 % DEVICES : 0;
  int pair[2];

  if (event == 0)
    {
      memory = memfd_create ("memory", MFD_CLOEXEC);
      event = eventfd (0, EFD_CLOEXEC | EFD_NONBLOCK);
      if (memory < 0 || event < 0 || ftruncate (memory, MEMORY) < 0)
        abort ();
      shrink_survive ();
    }
  if (devices[which] == NULL)
    devices[which] = make (which);
  for (unsigned at = 0; at < 0x4000; at += 0x1000)
    if (pwrite (memory, data, size < 0x1000 ? size : 0x1000, at) < 0)
      abort ();
  if (socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
    abort ();
  /* Each message: a byte for the descriptors, one for the request, one for the size. */
  while (size >= 3)
    {
      uint8_t what = data[0];
      struct vhost_user_header header = { data[1] % 48, VHOST_USER_VERSION | (what & 8), data[2] };
      size_t len;

      data += 3, size -= 3;
      len = header.size < size ? header.size : size;
      send_with (pair[0], &header, sizeof header, what & 0x10 ? memory : event, what & 7);
      send_with (pair[0], data, len, -1, 0);
      data += len, size -= len;
    }
  shutdown (pair[0], SHUT_WR);
  vhost_user_serve (devices[which], pair[1]);
  close (pair[0]);
  return 0;
}
