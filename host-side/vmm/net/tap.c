/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A tap of the host (Linux: Documentation/networking/tuntap.rst). With IFF_VNET_HDR
 * frames carry virtio's own header, so checksums and segmentation pass through to
 * the host's stack and card. */
#include "backend.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <virtio/net.h>

#include "host-side/vmm/core/log.h"
#include "host-side/vmm/core/sandbox.h"

struct tap
{
  struct net_backend backend;
  bool multi_queue; /* queues can be taken out */
};

static struct tap *
tap_of (struct net_backend *backend)
{
  return (struct tap *) backend;
}

static ssize_t
tap_send (struct net_backend *backend, unsigned pair, const struct iovec *iov, unsigned n)
{
  ssize_t done;

  do
    done = writev (backend->fds[pair], iov, (int) n);
  while (done < 0 && errno == EINTR);
  return done < 0 ? -errno : done;
}

static ssize_t
tap_receive (struct net_backend *backend, unsigned pair, const struct iovec *iov, unsigned n)
{
  ssize_t done;

  do
    done = readv (backend->fds[pair], iov, (int) n);
  while (done < 0 && errno == EINTR);
  return done < 0 ? -errno : done;
}

/* The host spreads flows over all queues that are in: one that nobody serves goes out. */
static void
set_active (struct net_backend *backend, unsigned pair, bool active)
{
  struct ifreq request = { .ifr_flags = active ? IFF_ATTACH_QUEUE : IFF_DETACH_QUEUE };

  if (tap_of (backend)->multi_queue)
    ioctl (backend->fds[pair], TUNSETQUEUE, &request);
}

static void
set_offloads (struct net_backend *backend, uint64_t features)
{
  unsigned flags = 0;

  if (features >> VIRTIO_NET_F_GUEST_CSUM & 1)
    {
      flags |= TUN_F_CSUM;
      flags |= features >> VIRTIO_NET_F_GUEST_TSO4 & 1 ? TUN_F_TSO4 : 0;
      flags |= features >> VIRTIO_NET_F_GUEST_TSO6 & 1 ? TUN_F_TSO6 : 0;
      if (flags & (TUN_F_TSO4 | TUN_F_TSO6) && features >> VIRTIO_NET_F_GUEST_ECN & 1)
        flags |= TUN_F_TSO_ECN;
      flags |= features >> VIRTIO_NET_F_GUEST_UFO & 1 ? TUN_F_UFO : 0;
    }
  /* It holds for the interface, whichever of its queues it is said to. */
  if (ioctl (backend->fds[0], TUNSETOFFLOAD, flags) < 0)
    vmm_log ("net: the tap refuses offloads 0x%x: %s", flags, strerror (errno));
}

static void
tap_free (struct net_backend *backend)
{
  net_backend_close_fds (backend);
  free (backend);
}

static const struct net_backend_ops tap_ops = {
  .send = tap_send,
  .receive = tap_receive,
  .set_active = set_active,
  .set_offloads = set_offloads,
  .free = tap_free,
};

static int
attach (int fd, const char *name, int flags)
{
  struct ifreq request = { .ifr_flags = (short) (IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | flags) };

  strcpy (request.ifr_name, name);
  return ioctl (fd, TUNSETIFF, &request) < 0 ? -errno : 0;
}

static int
open_queue (struct tap *tap, const char *name)
{
  int fd = open ("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
  int ret;

  if (fd < 0)
    return -errno;
  ret = attach (fd, name, tap->multi_queue ? IFF_MULTI_QUEUE : 0);
  /* One that was made with several queues is not taken as one without. */
  if (ret == -EINVAL && !tap->multi_queue)
    ret = attach (fd, name, IFF_MULTI_QUEUE);
  if (ret < 0)
    {
      close (fd);
      return ret;
    }
  tap->backend.fds[tap->backend.n_pairs++] = fd;
  return 0;
}

static int
open_by_name (struct tap *tap, const char *name, unsigned n_pairs)
{
  int ret = strlen (name) < IFNAMSIZ ? 0 : -ENAMETOOLONG;

  tap->multi_queue = n_pairs > 1;
  for (unsigned i = 0; i < n_pairs && ret == 0; i++)
    ret = open_queue (tap, name);
  if (ret < 0)
    vmm_log ("net: tap %s: %s", name, strerror (-ret));
  return ret;
}

static int
take_fds (struct tap *tap, const char *text, unsigned n_pairs)
{
  int ret = net_backend_take_fds (text, tap->backend.fds);

  if (ret < 0)
    return ret;
  tap->backend.n_pairs = (unsigned) ret;
  tap->multi_queue = ret > 1;
  if ((unsigned) ret == n_pairs)
    return 0;
  vmm_log ("net: %d file descriptors for %u queues", ret, n_pairs);
  return -EINVAL;
}

static unsigned
mtu_of (const char *name)
{
  struct ifreq request = { 0 };
  int fd = socket (AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  int ret;

  strcpy (request.ifr_name, name);
  ret = fd < 0 ? -1 : ioctl (fd, SIOCGIFMTU, &request);
  if (fd >= 0)
    close (fd);
  return ret == 0 && request.ifr_mtu > 0 ? (unsigned) request.ifr_mtu : 0;
}

static int
prepare (struct tap *tap)
{
  int size = sizeof (struct virtio_net_hdr);
  struct ifreq request = { 0 };

  for (unsigned i = 0; i < tap->backend.n_pairs; i++)
    if (ioctl (tap->backend.fds[i], TUNGETIFF, &request) < 0 || !(request.ifr_flags & IFF_VNET_HDR)
        || ioctl (tap->backend.fds[i], TUNSETVNETHDRSZ, &size) < 0)
      {
        vmm_log ("net: file descriptor %d is no tap with IFF_VNET_HDR", tap->backend.fds[i]);
        return -EINVAL;
      }
  tap->backend.mtu = mtu_of (request.ifr_name);
  set_offloads (&tap->backend, 0);
  for (unsigned i = 0; i < tap->backend.n_pairs; i++)
    set_active (&tap->backend, i, false);
  return net_backend_split_fds (&tap->backend);
}

int
net_tap_new (const struct options *options, unsigned n_pairs, struct net_backend **backend)
{
  const char *name = options_get (options, "tap", NULL), *fds = options_get (options, "fds", NULL);
  struct tap *tap = calloc (1, sizeof *tap);
  int ret;

  if (tap == NULL)
    return -ENOMEM;
  tap->backend.ops = &tap_ops;
  tap->backend.kind = "tap";
  tap->backend.threads = SANDBOX_TAP;
  tap->backend.header = true;
  tap->backend.features = VIRTIO_BIT (VIRTIO_NET_F_CSUM) | VIRTIO_BIT (VIRTIO_NET_F_GUEST_CSUM)
                          | VIRTIO_BIT (VIRTIO_NET_F_HOST_TSO4) | VIRTIO_BIT (VIRTIO_NET_F_HOST_TSO6)
                          | VIRTIO_BIT (VIRTIO_NET_F_HOST_ECN) | VIRTIO_BIT (VIRTIO_NET_F_HOST_UFO)
                          | VIRTIO_BIT (VIRTIO_NET_F_GUEST_TSO4)
                          | VIRTIO_BIT (VIRTIO_NET_F_GUEST_TSO6)
                          | VIRTIO_BIT (VIRTIO_NET_F_GUEST_ECN) | VIRTIO_BIT (VIRTIO_NET_F_GUEST_UFO);
  ret = fds ? take_fds (tap, fds, n_pairs) : open_by_name (tap, name, n_pairs);
  if (ret == 0)
    ret = prepare (tap);
  if (ret < 0)
    {
      tap_free (&tap->backend);
      return ret;
    }
  *backend = &tap->backend;
  return 0;
}
