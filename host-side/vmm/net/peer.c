/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Back to back: a frame is a datagram on a unix socket. Another of our devices, QEMU's
 * "-netdev dgram" or a program of the host is at the other end. With offload=on on
 * both ends virtio's header is in front of each frame, and no checksum is computed
 * on the way from guest to guest.
 *
 * Nothing is lost while both ends are there: a datagram for which the receiver has no
 * room waits in the sender's ring. */
#include "backend.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <virtio/net.h>

#include "host-side/vmm/core/log.h"
#include "host-side/vmm/core/sandbox.h"

struct peer
{
  struct net_backend backend;
  struct sockaddr_un to; /* family AF_UNSPEC: the descriptor came connected */
  bool connected;
  bool ends; /* its frames come to an end when the peer goes: SOCK_SEQPACKET */
};

static struct peer *
peer_of (struct net_backend *backend)
{
  return (struct peer *) backend;
}

static bool
reach (struct peer *peer)
{
  if (!peer->connected)
    peer->connected = connect (peer->backend.send_fds[0], (struct sockaddr *) &peer->to,
                               sizeof peer->to) == 0;
  return peer->connected;
}

/* A peer that has gone: the next attempt looks for its successor. */
static bool
is_gone (const struct peer *peer, int error)
{
  return peer->to.sun_family == AF_UNIX
         && (error == ECONNREFUSED || error == ECONNRESET || error == ENOTCONN || error == EPIPE);
}

static ssize_t
peer_send (struct net_backend *backend, unsigned pair, const struct iovec *iov, unsigned n)
{
  struct msghdr message = { .msg_iov = (struct iovec *) iov, .msg_iovlen = n };
  struct peer *peer = peer_of (backend);

  for (unsigned attempt = 0;; attempt++)
    {
      ssize_t done;

      if (!reach (peer))
        return -ENOTCONN;
      done = sendmsg (backend->send_fds[0], &message, MSG_NOSIGNAL | MSG_DONTWAIT);
      if (done >= 0 || (errno != EINTR && !is_gone (peer, errno)) || attempt > 2)
        return done < 0 ? -errno : done;
      if (errno != EINTR)
        peer->connected = false;
    }
}

static ssize_t
peer_receive (struct net_backend *backend, unsigned pair, const struct iovec *iov, unsigned n)
{
  struct msghdr message = { .msg_iov = (struct iovec *) iov, .msg_iovlen = n };
  ssize_t done;

  do
    done = recvmsg (backend->fds[0], &message, MSG_DONTWAIT);
  while (done < 0 && errno == EINTR);
  if (done == 0 && peer_of (backend)->ends) /* it would be read for ever */
    return -ENOTCONN;
  return done < 0 ? -errno : done;
}

static void
peer_free (struct net_backend *backend)
{
  net_backend_close_fds (backend);
  free (backend);
}

static const struct net_backend_ops peer_ops = {
  .send = peer_send,
  .receive = peer_receive,
  .free = peer_free,
};

static int
new_socket (void)
{
  return socket (AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
}

/* One socket has the address and takes frames from anybody; the other one is connected,
 * so that it can be waited for. With one for both, a peer that was started again could
 * not say anything before we do. */
static int
open_sockets (struct peer *peer, const char *local, const char *to)
{
  struct sockaddr_un address = { .sun_family = AF_UNIX };
  struct stat st;

  if (strlen (local) >= sizeof address.sun_path || strlen (to) >= sizeof address.sun_path)
    return -ENAMETOOLONG;
  strcpy (address.sun_path, local);
  peer->to.sun_family = AF_UNIX;
  strcpy (peer->to.sun_path, to);
  peer->backend.fds[0] = new_socket ();
  peer->backend.send_fds[0] = new_socket ();
  if (peer->backend.fds[0] < 0 || peer->backend.send_fds[0] < 0)
    return -errno;
  if (lstat (local, &st) == 0 && S_ISSOCK (st.st_mode))
    unlink (local);
  if (bind (peer->backend.fds[0], (struct sockaddr *) &address, sizeof address) < 0)
    return -errno;
  return 0;
}

static int
take_fd (struct peer *peer, const char *text)
{
  int fds[NET_PAIRS_MAX], type = 0;
  int ret = net_backend_take_fds (text, fds);
  socklen_t len = sizeof type;

  if (ret != 1 || getsockopt (fds[0], SOL_SOCKET, SO_TYPE, &type, &len) < 0
      || (type != SOCK_DGRAM && type != SOCK_SEQPACKET))
    return -EINVAL;
  peer->backend.fds[0] = fds[0];
  peer->connected = true;
  peer->ends = type == SOCK_SEQPACKET;
  return net_backend_split_fds (&peer->backend);
}

int
net_peer_new (const struct options *options, struct net_backend **backend)
{
  const char *local = options_get (options, "local", NULL);
  const char *to = options_get (options, "peer", NULL);
  const char *fd = options_get (options, "socket-fd", NULL);
  bool offload = false;
  struct peer *peer;
  int ret = options_get_bool (options, "offload", &offload);

  if (ret < 0)
    return ret;
  peer = calloc (1, sizeof *peer);
  if (peer == NULL)
    return -ENOMEM;
  peer->backend = (struct net_backend){ .ops = &peer_ops, .kind = "peer", .n_pairs = 1,
                                        .threads = SANDBOX_PEER, .header = offload };
  if (offload)
    peer->backend.features = VIRTIO_BIT (VIRTIO_NET_F_CSUM) | VIRTIO_BIT (VIRTIO_NET_F_GUEST_CSUM)
                             | VIRTIO_BIT (VIRTIO_NET_F_HOST_TSO4)
                             | VIRTIO_BIT (VIRTIO_NET_F_HOST_TSO6)
                             | VIRTIO_BIT (VIRTIO_NET_F_GUEST_TSO4)
                             | VIRTIO_BIT (VIRTIO_NET_F_GUEST_TSO6);
  if (fd)
    ret = take_fd (peer, fd);
  else
    ret = local && to ? open_sockets (peer, local, to) : -EINVAL;
  if (ret == 0)
    {
      *backend = &peer->backend;
      return 0;
    }
  vmm_log ("net: %s: %s", fd ? fd : local ? local : "local=PATH and peer=PATH are needed",
           strerror (-ret));
  peer_free (&peer->backend);
  return ret;
}
