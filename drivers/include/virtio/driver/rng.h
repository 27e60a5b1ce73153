/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A source of entropy: the host's, so mix it with others. */
#pragma once

#include <virtio/driver/queue.h>
#include <virtio/rng.h>

struct virtio_rng
{
  struct virtio_device dev;
  struct virtio_queue queue;
};

/** Starts the device behind @transport, which outlives it. 0 or a negated error. */
int virtio_rng_start (struct virtio_rng *rng, struct virtio_transport *transport,
                      const struct virtio_options *options);
int virtio_rng_stop (struct virtio_rng *rng);

/** Fills all @bytes of @to, which are zeroed first. -VIRTIO_EIO when the device
 * gives nothing several times, or is dead; -VIRTIO_ETIMEDOUT (then it is dead). */
int virtio_rng_read (struct virtio_rng *rng, void *to, size_t bytes);
