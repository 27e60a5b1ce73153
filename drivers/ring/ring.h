/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the two rings share: barriers, single accesses, the private records. */
#pragma once

#include <virtio/driver/mem.h>
#include <virtio/driver/queue.h>

extern const struct virtio_ring_ops virtio_split_ops;
extern const struct virtio_ring_ops virtio_packed_ops;

/* Shared fields are accessed once, whole, and in this order. */
#define RING_READ(field) __atomic_load_n (&(field), __ATOMIC_RELAXED)
#define RING_READ_ACQUIRE(field) __atomic_load_n (&(field), __ATOMIC_ACQUIRE)
#define RING_WRITE(field, value) __atomic_store_n (&(field), (value), __ATOMIC_RELAXED)
#define RING_WRITE_RELEASE(field, value) __atomic_store_n (&(field), (value), __ATOMIC_RELEASE)

/* Between a write of ours and a read of the device's (2.7.13.4.1): nothing less
 * than a full fence will do. */
static inline void
ring_full_barrier (const struct virtio_queue *queue)
{
  if (queue->platform_order && queue->hal->ops->barrier)
    queue->hal->ops->barrier (queue->hal->ctx);
  else
    __atomic_thread_fence (__ATOMIC_SEQ_CST);
}

/* Before and after the publishing access; on a CPU the release or acquire of the
 * access itself does it. */
static inline void
ring_platform_barrier (const struct virtio_queue *queue)
{
  if (queue->platform_order && queue->hal->ops->barrier)
    queue->hal->ops->barrier (queue->hal->ctx);
}

static inline struct virtio_mapping *
ring_maps (const struct virtio_queue *queue, uint16_t id)
{
  return queue->maps + (size_t) id * queue->max_segs;
}

static inline size_t
ring_table_bytes (const struct virtio_queue *queue)
{
  return (size_t) queue->max_segs * sizeof (struct virtio_desc);
}

static inline bool
ring_uses_table (const struct virtio_queue *queue, const struct virtio_slot *slot)
{
  return queue->indirect && slot->n_segs > 1;
}
