/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The packed ring (2.8). A position is an offset and a wrap counter that flips
 * each time the offset passes the end; sizes need be no power of two. A buffer
 * takes one id and as many descriptors in a row as it has segments.
 */
#include "ring.h"

/* Both halves of an event structure in one access. */
typedef virtio_le32 __attribute__ ((may_alias)) event_word;

static void
step (uint16_t *at, bool *wrap, uint16_t by, uint16_t size)
{
  uint32_t to = (uint32_t) *at + by;

  if (to >= size)
    {
      to -= size;
      *wrap = !*wrap;
    }
  *at = (uint16_t) to;
}

static void
packed_free (struct virtio_queue *queue)
{
  const struct virtio_hal *hal = queue->hal;
  struct virtio_packed *ring = &queue->packed;

  if (ring->desc)
    hal->ops->dma_free (hal->ctx, ring->desc, VIRTIO_DESC_BYTES (queue->size), ring->desc_dma);
  if (ring->driver)
    hal->ops->dma_free (hal->ctx, ring->driver, sizeof *ring->driver, ring->driver_dma);
  if (ring->device)
    hal->ops->dma_free (hal->ctx, ring->device, sizeof *ring->device, ring->device_dma);
  memset (ring, 0, sizeof *ring);
}

static int
packed_alloc (struct virtio_queue *queue, struct virtio_queue_setup *setup)
{
  const struct virtio_hal *hal = queue->hal;
  struct virtio_packed *ring = &queue->packed;

  memset (ring, 0, sizeof *ring);
  ring->desc = hal->ops->dma_alloc (hal->ctx, VIRTIO_DESC_BYTES (queue->size),
                                    VIRTIO_PACKED_RING_ALIGN, &ring->desc_dma);
  ring->driver = hal->ops->dma_alloc (hal->ctx, sizeof *ring->driver, VIRTIO_PACKED_EVENT_ALIGN,
                                      &ring->driver_dma);
  ring->device = hal->ops->dma_alloc (hal->ctx, sizeof *ring->device, VIRTIO_PACKED_EVENT_ALIGN,
                                      &ring->device_dma);
  if (!ring->desc || !ring->driver || !ring->device)
    {
      packed_free (queue);
      return -VIRTIO_ENOMEM;
    }
  ring->avail_wrap = ring->used_wrap = true; /* 2.8.1 */
  setup->desc = ring->desc_dma;
  setup->driver = ring->driver_dma;
  setup->device = ring->device_dma;
  return 0;
}

/* 2.8.1: AVAIL as our wrap counter, USED its inverse. */
static uint16_t
avail_flags (bool wrap)
{
  return wrap ? VIRTIO_PACKED_F_AVAIL : VIRTIO_PACKED_F_USED;
}

static void
write_desc (struct virtio_packed_desc *desc, const struct virtio_mapping *map, uint16_t id)
{
  desc->addr = virtio_to_le64 (map->dma);
  desc->len = virtio_to_le32 (map->len);
  desc->id = virtio_to_le16 (id);
}

/* 2.8.7: in a table only WRITE means anything, and the order is the order. */
static struct virtio_mapping
write_table (struct virtio_queue *queue, uint16_t id)
{
  const struct virtio_slot *slot = &queue->slots[id];
  const struct virtio_mapping *maps = ring_maps (queue, id);
  struct virtio_packed_desc *table =
    (struct virtio_packed_desc *) queue->tables + (size_t) id * queue->max_segs;

  for (unsigned i = 0; i < slot->n_segs; i++)
    {
      write_desc (&table[i], &maps[i], 0);
      table[i].flags = virtio_to_le16 (i >= slot->n_out ? VIRTIO_DESC_F_WRITE : 0);
    }
  return (struct virtio_mapping) { .dma = queue->tables_dma + id * ring_table_bytes (queue),
                                   .len = (uint32_t) (slot->n_segs * sizeof *table) };
}

/* 2.8.6: the head's flags are written last, they make the whole list available. */
static void
packed_publish (struct virtio_queue *queue, uint16_t id)
{
  const struct virtio_slot *slot = &queue->slots[id];
  const struct virtio_mapping *maps = ring_maps (queue, id);
  struct virtio_packed *ring = &queue->packed;
  struct virtio_packed_desc *head = &ring->desc[ring->avail_at];
  struct virtio_mapping whole;
  uint16_t head_flags = 0;
  bool table = ring_uses_table (queue, slot);

  if (table)
    {
      whole = write_table (queue, id);
      maps = &whole;
    }
  for (unsigned i = 0; i < slot->count; i++)
    {
      uint16_t flags = avail_flags (ring->avail_wrap);

      if (table)
        flags |= VIRTIO_DESC_F_INDIRECT;
      else
        flags |= (uint16_t) ((i + 1u < slot->n_segs ? VIRTIO_DESC_F_NEXT : 0)
                             | (i >= slot->n_out ? VIRTIO_DESC_F_WRITE : 0));
      write_desc (&ring->desc[ring->avail_at], &maps[i], id);
      if (i == 0)
        head_flags = flags;
      else
        RING_WRITE (ring->desc[ring->avail_at].flags, virtio_to_le16 (flags));
      step (&ring->avail_at, &ring->avail_wrap, 1, queue->size);
    }
  ring_platform_barrier (queue);
  RING_WRITE_RELEASE (head->flags, virtio_to_le16 (head_flags));
  queue->added += slot->count;
}

static int
packed_peek (struct virtio_queue *queue, uint32_t *id, uint32_t *len, uint16_t *ready)
{
  struct virtio_packed *ring = &queue->packed;
  struct virtio_packed_desc *desc = &ring->desc[ring->used_at];
  uint16_t flags = virtio_from_le16 (RING_READ_ACQUIRE (desc->flags));
  bool avail = flags & VIRTIO_PACKED_F_AVAIL;
  bool used = flags & VIRTIO_PACKED_F_USED;

  if (avail != used || used != ring->used_wrap)
    return 0;
  if (queue->in_flight == 0) /* nothing was there to be used */
    return -1;
  ring_platform_barrier (queue);
  *id = virtio_from_le16 (RING_READ (desc->id));
  *len = virtio_from_le32 (RING_READ (desc->len));
  *ready = queue->in_flight;
  return 1;
}

static void
packed_advance (struct virtio_queue *queue, const struct virtio_slot *slot)
{
  step (&queue->packed.used_at, &queue->packed.used_wrap, slot->count, queue->size);
}

/* Positions as numbers modulo twice the size, so that distances can be taken. */
static uint32_t
position (uint16_t at, bool wrap, uint16_t size)
{
  return at + (wrap ? 0u : size);
}

/* 2.8.14: does the event lie in what was added? A device that asks for something
 * that cannot be is notified: too often does no harm. */
static bool
packed_kick_needed (struct virtio_queue *queue, uint32_t *data)
{
  struct virtio_packed *ring = &queue->packed;
  uint32_t round = 2u * queue->size;
  uint32_t now = position (ring->avail_at, ring->avail_wrap, queue->size);
  uint32_t raw = virtio_from_le32 (RING_READ (*(event_word *) ring->device));
  uint16_t off_wrap = (uint16_t) raw;
  uint16_t offset = off_wrap & (VIRTIO_PACKED_EVENT_WRAP - 1);
  uint32_t event, ahead;

  *data = ring->avail_at | (uint32_t) ring->avail_wrap << 15;
  switch (raw >> 16 & VIRTIO_PACKED_EVENT_MASK)
    {
    case VIRTIO_PACKED_EVENT_DISABLE:
      return false;
    case VIRTIO_PACKED_EVENT_DESC:
      if (!queue->event_idx || offset >= queue->size || queue->added > queue->size)
        return true;
      event = position (offset, off_wrap & VIRTIO_PACKED_EVENT_WRAP, queue->size);
      ahead = (event + 2 * round - (now + round - queue->added)) % round;
      return ahead < queue->added;
    default:
      return true;
    }
}

static void
packed_event (struct virtio_queue *queue, uint16_t off_wrap, uint16_t flags)
{
  RING_WRITE (*(event_word *) queue->packed.driver,
              virtio_to_le32 ((uint32_t) flags << 16 | off_wrap));
}

static void
packed_arm (struct virtio_queue *queue)
{
  const struct virtio_packed *ring = &queue->packed;

  if (queue->event_idx)
    packed_event (queue, (uint16_t) (ring->used_at | (ring->used_wrap ? VIRTIO_PACKED_EVENT_WRAP : 0)),
                  VIRTIO_PACKED_EVENT_DESC);
  else
    packed_event (queue, 0, VIRTIO_PACKED_EVENT_ENABLE);
}

static void
packed_disarm (struct virtio_queue *queue)
{
  packed_event (queue, 0, VIRTIO_PACKED_EVENT_DISABLE);
}

const struct virtio_ring_ops virtio_packed_ops = {
  .alloc = packed_alloc,
  .free = packed_free,
  .publish = packed_publish,
  .peek = packed_peek,
  .advance = packed_advance,
  .kick_needed = packed_kick_needed,
  .arm = packed_arm,
  .disarm = packed_disarm,
};
