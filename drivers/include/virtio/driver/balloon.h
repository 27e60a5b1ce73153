/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A balloon: gives pages of 4 KiB to the host and takes them back. Which pages,
 * and how many at least to keep, is the caller's affair. */
#pragma once

#include <virtio/balloon.h>
#include <virtio/driver/queue.h>

/* Pages told to the device at a time. */
#define VIRTIO_BALLOON_BATCH 256u

struct virtio_balloon
{
  struct virtio_device dev;
  struct virtio_queue inflate, deflate;
  uint32_t actual;   /* pages the host has of ours */
  virtio_le32 *pfns; /* the batch under way */
};

/** Starts the balloon behind @transport, which outlives it. 0 or a negated error. */
int virtio_balloon_start (struct virtio_balloon *balloon, struct virtio_transport *transport,
                          const struct virtio_options *options);

/** Resets it: all pages are the guest's again, their contents lost. */
int virtio_balloon_stop (struct virtio_balloon *balloon);

/** How many pages the host wants in all; it may be more than there are. */
int virtio_balloon_target (struct virtio_balloon *balloon, uint32_t *pages);

/** Gives the @n pages with these frame numbers (address / 4096) to the host, which
 * has them when this returns 0: they are not to be touched. After an error they may
 * or may not be the host's. */
int virtio_balloon_inflate (struct virtio_balloon *balloon, const uint32_t *frames, uint32_t n);

/** Takes pages back that were given; usable when this returns 0, their contents lost.
 * -VIRTIO_EINVAL for more than were given. */
int virtio_balloon_deflate (struct virtio_balloon *balloon, const uint32_t *frames, uint32_t n);
