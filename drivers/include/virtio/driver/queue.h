/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A virtqueue, split or packed behind one interface.
 *
 * The device is not trusted. Whatever the driver wrote is also kept in private
 * memory and never read back from the ring; of what the device writes each field
 * is read once. A completion must name a buffer that is in flight and may not be
 * longer than what was posted. The first breach marks the queue broken: every
 * later call returns -VIRTIO_EIO until the device was reset.
 */
#pragma once

#include <virtio/driver/device.h>
#include <virtio/ring.h>

/* What to do with a used length beyond what was posted. */
enum virtio_len_policy
{
  VIRTIO_LEN_STRICT, /* the queue is broken */
  VIRTIO_LEN_CLAMP,  /* for requests whose length nobody uses: devices err there */
};

struct virtio_seg
{
  void *addr;
  uint32_t len;
};

struct virtio_mapping
{
  void *addr;
  uint64_t dma;
  uint32_t len;
};

/* All we know of a buffer, by its id. */
struct virtio_slot
{
  void *token;
  uint64_t writable; /* bytes the device may write */
  uint16_t n_out;
  uint16_t n_segs;
  uint16_t count; /* ring descriptors it takes */
  uint16_t last;  /* of the ids it takes */
  uint16_t next;  /* id after this one in its chain or in the free list */
  bool in_flight;
};

struct virtio_queue;

struct virtio_ring_ops
{
  int (*alloc) (struct virtio_queue *queue, struct virtio_queue_setup *setup);
  void (*free) (struct virtio_queue *queue);
  void (*publish) (struct virtio_queue *queue, uint16_t id);
  /* 1 and what the device says, 0 for nothing, -1 for an index that cannot be.
   * @ready: how many buffers at most it has used. */
  int (*peek) (struct virtio_queue *queue, uint32_t *id, uint32_t *len, uint16_t *ready);
  void (*advance) (struct virtio_queue *queue, const struct virtio_slot *slot);
  bool (*kick_needed) (struct virtio_queue *queue, uint32_t *position);
  void (*arm) (struct virtio_queue *queue);
  void (*disarm) (struct virtio_queue *queue);
};

struct virtio_split
{
  struct virtio_desc *desc;
  struct virtio_avail *avail;
  struct virtio_used *used;
  uint64_t desc_dma, avail_dma, used_dma;
  uint16_t avail_idx;
  uint16_t used_idx;
};

struct virtio_packed
{
  struct virtio_packed_desc *desc;
  struct virtio_packed_event *driver;
  struct virtio_packed_event *device;
  uint64_t desc_dma, driver_dma, device_dma;
  uint16_t avail_at;
  uint16_t used_at;
  bool avail_wrap;
  bool used_wrap;
};

struct virtio_queue
{
  struct virtio_device *dev;
  struct virtio_hal *hal;
  const struct virtio_ring_ops *ops;
  uint16_t index;
  uint16_t size;
  uint16_t max_segs;
  enum virtio_len_policy policy;
  bool broken;
  bool stopped; /* reset by itself: its memory is ours again */
  bool indirect;
  bool event_idx;
  bool in_order;
  bool notify_data;
  bool platform_order;

  struct virtio_slot *slots;
  struct virtio_mapping *maps; /* max_segs for each slot */
  uint16_t *order;             /* ids in flight, oldest first (IN_ORDER) */
  void *tables;                /* indirect: max_segs descriptors for each slot */
  uint64_t tables_dma;
  uint16_t free_head, free_tail, free_ids;
  uint16_t free_descs;
  uint16_t in_flight;
  uint16_t order_head;
  uint16_t batch; /* buffers a used entry completed that were not handed out yet */
  uint32_t batch_len;
  uint32_t added; /* descriptors (packed) or buffers (split) since the last kick */

  union
  {
    struct virtio_split split;
    struct virtio_packed packed;
  };
};

/**
 * Makes queue @index of @dev, between virtio_device_begin and _ready, or later when it was
 * reset and freed (2.6.1.2: with any other size), of at most @size entries (0: as the options say), each buffer of at most @max_segs segments.
 * -VIRTIO_ENODEV when the device has no such queue, -VIRTIO_ENOMEM, -VIRTIO_EIO.
 */
int virtio_queue_start (struct virtio_queue *queue, struct virtio_device *dev, uint16_t index,
                        uint16_t size, uint16_t max_segs, enum virtio_len_policy policy);

/**
 * Resets this queue alone, while the others go on (2.6.1); RING_RESET must have been asked
 * for (virtio_options.queue_reset) and offered, else -VIRTIO_ENOTSUP. After 0 take back what
 * was in flight (virtio_queue_drain), free the queue, and start it again when it is to go on.
 * After -VIRTIO_ETIMEDOUT, or another error, the device is given up: its memory is its own
 * until the device was reset.
 */
int virtio_queue_reset (struct virtio_queue *queue);

/** Frees the queue's memory: only after a reset, its own or the device's, that succeeded. */
void virtio_queue_free (struct virtio_queue *queue);

/**
 * Hands a buffer to the device: @n_out segments it reads, then @n_in it writes.
 * The memory is the device's until virtio_queue_get returns @token.
 * -VIRTIO_EAGAIN when the ring is full, -VIRTIO_EINVAL, -VIRTIO_EIO when broken.
 */
int virtio_queue_add (struct virtio_queue *queue, const struct virtio_seg *segs, unsigned n_out,
                      unsigned n_in, void *token);

/** Notifies the device of what was added, if it asked for that. True when it
 * was notified. Nothing happens before virtio_device_ready. */
bool virtio_queue_kick (struct virtio_queue *queue);

/** 1 and the @token and bytes written of a used buffer, 0 when there is none,
 * -VIRTIO_EIO when the queue is broken. */
int virtio_queue_get (struct virtio_queue *queue, void **token, uint32_t *len);

/** Waits until virtio_queue_get has something: 1, or a negated error. */
int virtio_queue_wait (struct virtio_queue *queue, void **token, uint32_t *len);

/** Asks for an interrupt at the next completion. False when there is one already:
 * then get it first. Queues start disarmed, for polling. */
bool virtio_queue_arm (struct virtio_queue *queue);
void virtio_queue_disarm (struct virtio_queue *queue);

/** After a reset, the queue's or the device's: gives the buffers in flight back, one a call; false at the end. */
bool virtio_queue_drain (struct virtio_queue *queue, void **token);

/** The same for whoever knows its buffers without their tokens, and the end of the queue. */
void virtio_queue_drain_and_free (struct virtio_queue *queue);

/** The wrapping test of 2.7.10: did going from @old to @now step over @event? */
static inline bool
virtio_need_event (uint16_t event, uint16_t now, uint16_t old)
{
  return (uint16_t) (now - event - 1) < (uint16_t) (now - old);
}
