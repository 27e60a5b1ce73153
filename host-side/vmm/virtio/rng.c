/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* virtio-rng (5.4): random bytes of the host's kernel, or of a file. */
#include "devices.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <virtio/device.h>
#include <virtio/rng.h>

#include "host-side/vmm/core/log.h"
#include "host-side/vmm/core/sandbox.h"

#define REQUEST_MAX (64u * 1024) /* a guest that asks for more gets this much */

struct rng
{
  struct vdev dev;
  int fd;
};

static uint32_t
serve (struct vdev *dev, unsigned q, struct virtq_chain *chain)
{
  struct rng *rng = (struct rng *) dev;
  uint32_t done = 0;

  for (unsigned i = chain->n_out; i < chain->n_out + chain->n_in && done < REQUEST_MAX; i++)
    {
      size_t want = chain->iov[i].iov_len;
      ssize_t got;

      if (want > REQUEST_MAX - done)
        want = REQUEST_MAX - done;
      do
        got = read (rng->fd, chain->iov[i].iov_base, want);
      while (got < 0 && errno == EINTR);
      if (got > 0)
        done += (uint32_t) got;
      if (got < (ssize_t) want)
        break;
    }
  return done;
}

static void
kick (struct vdev *dev, unsigned q)
{
  vdev_serve (dev, q, serve);
}

static void
rng_free (struct vdev *dev)
{
  close (((struct rng *) dev)->fd);
  free (dev);
}

static const struct vdev_ops rng_ops = { .kick = kick, .free = rng_free };

int
rng_create (const struct options *options, struct vdev **dev)
{
  static const char *const known[] = { "source", "packed", NULL };
  const char *source = options_get (options, "source", "/dev/urandom");
  bool packed = true;
  struct rng *rng;

  if (options_only (options, known) < 0 || options_get_bool (options, "packed", &packed) < 0)
    return -EINVAL;
  rng = calloc (1, sizeof *rng);
  if (rng == NULL)
    return -ENOMEM;
  rng->fd = open (source, O_RDONLY | O_CLOEXEC);
  if (rng->fd < 0)
    {
      int ret = -errno;

      vmm_log ("%s: %s", source, strerror (-ret));
      free (rng);
      return ret;
    }
  vdev_init (&rng->dev, &rng_ops, "rng", VIRTIO_ID_RNG, 1);
  rng->dev.threads = SANDBOX_RNG;
  if (!packed)
    rng->dev.features &= ~VIRTIO_BIT (VIRTIO_F_RING_PACKED);
  *dev = &rng->dev;
  return 0;
}
