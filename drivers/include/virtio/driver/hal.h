/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a platform gives the library: memory, registers, time. Everything is
 * called from the thread that uses the device; the library has no locks.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum virtio_dir
{
  VIRTIO_TO_DEVICE = 1,
  VIRTIO_FROM_DEVICE = 2,
};

struct virtio_hal_ops
{
  /* Private memory, zeroed; NULL when there is none. Only called by *_start. */
  void *(*alloc) (void *ctx, size_t bytes, size_t align);
  void (*free) (void *ctx, void *mem, size_t bytes);

  /* Zeroed memory the device may access until it is freed, contiguous for it;
   * its address for the device goes to @dma. Only called by *_start. */
  void *(*dma_alloc) (void *ctx, size_t bytes, size_t align, uint64_t *dma);
  void (*dma_free) (void *ctx, void *mem, size_t bytes, uint64_t dma);

  /* Lets the device access the caller's memory in one direction until unshare
   * (which copies back what a bounce buffer received). 0 or a negated error. */
  int (*share) (void *ctx, void *mem, size_t bytes, enum virtio_dir dir, uint64_t *dma);
  void (*unshare) (void *ctx, void *mem, size_t bytes, enum virtio_dir dir, uint64_t dma);

  /* Makes @bytes of registers at a physical address reachable: *@base is what
   * read and write take, plus an offset. 0 or a negated error. */
  int (*map) (void *ctx, uint64_t address, uint64_t bytes, uint64_t *base);
  /* One naturally aligned access of 1, 2 or 4 bytes, value in host order. */
  uint32_t (*read) (void *ctx, uint64_t at, unsigned width);
  void (*write) (void *ctx, uint64_t at, unsigned width, uint32_t value);

  uint64_t (*now_us) (void *ctx); /* monotonic */
  void (*relax) (void *ctx);      /* in a loop that waits; may be NULL */
  void (*barrier) (void *ctx);    /* full barrier towards real hardware (6,
                                     ORDER_PLATFORM); NULL: a CPU fence will do */
};

struct virtio_hal
{
  const struct virtio_hal_ops *ops;
  void *ctx;
};

static inline uint64_t
virtio_hal_now (const struct virtio_hal *hal)
{
  return hal->ops->now_us (hal->ctx);
}

static inline void
virtio_hal_relax (const struct virtio_hal *hal)
{
  if (hal->ops->relax)
    hal->ops->relax (hal->ctx);
}
