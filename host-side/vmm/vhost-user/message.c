/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vhost-user messages on their socket. */
#include "wire.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#define PAYLOAD_MAX (offsetof (struct vhost_user_message, n_fds) \
                     - offsetof (struct vhost_user_message, u64))

static void
take_fds (struct msghdr *msg, struct vhost_user_message *message)
{
  for (struct cmsghdr *cmsg = CMSG_FIRSTHDR (msg); cmsg; cmsg = CMSG_NXTHDR (msg, cmsg))
    if (cmsg->cmsg_level == SOL_SOCKET && cmsg->cmsg_type == SCM_RIGHTS)
      {
        message->n_fds = (unsigned) ((cmsg->cmsg_len - CMSG_LEN (0)) / sizeof (int));
        memcpy (message->fds, CMSG_DATA (cmsg), message->n_fds * sizeof (int));
      }
}

/* Descriptors come with the first byte of a message, so only the header may bring them. */
static int
receive_all (int fd, void *data, size_t len, struct vhost_user_message *message)
{
  union
  {
    struct cmsghdr align;
    char space[CMSG_SPACE (VHOST_USER_FDS_MAX * sizeof (int))];
  } control;

  for (size_t done = 0; done < len;)
    {
      struct iovec iov = { (char *) data + done, len - done };
      struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
      ssize_t n;

      if (message && done == 0)
        {
          msg.msg_control = &control;
          msg.msg_controllen = sizeof control;
        }
      n = recvmsg (fd, &msg, MSG_CMSG_CLOEXEC);
      if (n < 0 && errno == EINTR)
        continue;
      if (n < 0)
        return -errno;
      if (n == 0)
        return done == 0 ? 0 : -EPROTO;
      if (message && done == 0)
        take_fds (&msg, message);
      done += (size_t) n;
    }
  return 1;
}

int
vhost_user_receive (int fd, struct vhost_user_message *message)
{
  int ret;

  memset (message, 0, sizeof *message);
  ret = receive_all (fd, &message->header, sizeof message->header, message);
  if (ret == 1 && message->header.size > 0)
    {
      if (message->header.size > PAYLOAD_MAX
          || (message->header.flags & VHOST_USER_VERSION_MASK) != VHOST_USER_VERSION)
        ret = -EPROTO;
      else if (receive_all (fd, &message->u64, message->header.size, NULL) != 1)
        ret = -EPROTO;
    }
  if (ret != 1)
    vhost_user_close_fds (message);
  return ret;
}

int
vhost_user_reply (int fd, struct vhost_user_message *message, uint32_t size)
{
  size_t len = sizeof message->header + size;
  char wire[sizeof *message];
  ssize_t n;

  message->header.flags = VHOST_USER_VERSION | VHOST_USER_REPLY;
  message->header.size = size;
  /* The payload is aligned in memory but not on the wire. */
  memcpy (wire, &message->header, sizeof message->header);
  memcpy (wire + sizeof message->header, &message->u64, size);
  do
    n = send (fd, wire, len, MSG_NOSIGNAL);
  while (n < 0 && errno == EINTR);
  if (n < 0)
    return -errno;
  return (size_t) n == len ? 0 : -EPIPE;
}

void
vhost_user_close_fds (struct vhost_user_message *message)
{
  for (unsigned i = 0; i < message->n_fds; i++)
    if (message->fds[i] >= 0)
      close (message->fds[i]);
  message->n_fds = 0;
}
