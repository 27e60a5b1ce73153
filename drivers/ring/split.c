/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The split ring (2.7). A buffer's id is the index of its first descriptor.
 * Free descriptors are taken from the head of their list and returned to its
 * tail, so that with IN_ORDER they always follow each other (2.7.5.1).
 */
#include "ring.h"

static struct virtio_split *
ring_of (struct virtio_queue *queue)
{
  return &queue->split;
}

typedef virtio_le16 __attribute__ ((may_alias)) aliased_le16;

/* le16 behind the entries: used_event and avail_event (2.7.6, 2.7.8). */
static virtio_le16 *
used_event (struct virtio_queue *queue)
{
  return &queue->split.avail->ring[queue->size];
}

static aliased_le16 *
avail_event (struct virtio_queue *queue)
{
  return (aliased_le16 *) &queue->split.used->ring[queue->size];
}

static void
split_free (struct virtio_queue *queue)
{
  const struct virtio_hal *hal = queue->hal;
  struct virtio_split *ring = ring_of (queue);

  if (ring->desc)
    hal->ops->dma_free (hal->ctx, ring->desc, VIRTIO_DESC_BYTES (queue->size), ring->desc_dma);
  if (ring->avail)
    hal->ops->dma_free (hal->ctx, ring->avail, VIRTIO_AVAIL_BYTES (queue->size), ring->avail_dma);
  if (ring->used)
    hal->ops->dma_free (hal->ctx, ring->used, VIRTIO_USED_BYTES (queue->size), ring->used_dma);
  memset (ring, 0, sizeof *ring);
}

static int
split_alloc (struct virtio_queue *queue, struct virtio_queue_setup *setup)
{
  const struct virtio_hal *hal = queue->hal;
  struct virtio_split *ring = ring_of (queue);

  memset (ring, 0, sizeof *ring);
  ring->desc = hal->ops->dma_alloc (hal->ctx, VIRTIO_DESC_BYTES (queue->size), VIRTIO_DESC_ALIGN,
                                    &ring->desc_dma);
  ring->avail = hal->ops->dma_alloc (hal->ctx, VIRTIO_AVAIL_BYTES (queue->size), VIRTIO_AVAIL_ALIGN,
                                     &ring->avail_dma);
  ring->used = hal->ops->dma_alloc (hal->ctx, VIRTIO_USED_BYTES (queue->size), VIRTIO_USED_ALIGN,
                                    &ring->used_dma);
  if (!ring->desc || !ring->avail || !ring->used)
    {
      split_free (queue);
      return -VIRTIO_ENOMEM;
    }
  setup->desc = ring->desc_dma;
  setup->driver = ring->avail_dma;
  setup->device = ring->used_dma;
  return 0;
}

static uint16_t
desc_flags (const struct virtio_slot *slot, unsigned i)
{
  return (uint16_t) ((i + 1u < slot->n_segs ? VIRTIO_DESC_F_NEXT : 0)
                     | (i >= slot->n_out ? VIRTIO_DESC_F_WRITE : 0));
}

static void
write_desc (struct virtio_desc *desc, const struct virtio_mapping *map, uint16_t flags, uint16_t next)
{
  desc->addr = virtio_to_le64 (map->dma);
  desc->len = virtio_to_le32 (map->len);
  desc->flags = virtio_to_le16 (flags);
  desc->next = virtio_to_le16 ((flags & VIRTIO_DESC_F_NEXT) ? next : 0);
}

/* 2.7.5.3: one descriptor of the ring names a table of them. */
static void
write_table (struct virtio_queue *queue, uint16_t id)
{
  const struct virtio_slot *slot = &queue->slots[id];
  const struct virtio_mapping *maps = ring_maps (queue, id);
  struct virtio_desc *table = (struct virtio_desc *) queue->tables + (size_t) id * queue->max_segs;
  struct virtio_mapping whole = { .dma = queue->tables_dma + id * ring_table_bytes (queue),
                                  .len = (uint32_t) (slot->n_segs * sizeof *table) };

  for (unsigned i = 0; i < slot->n_segs; i++)
    write_desc (&table[i], &maps[i], desc_flags (slot, i), (uint16_t) (i + 1));
  write_desc (&queue->split.desc[id], &whole, VIRTIO_DESC_F_INDIRECT, 0);
}

static void
split_publish (struct virtio_queue *queue, uint16_t id)
{
  const struct virtio_slot *slot = &queue->slots[id];
  const struct virtio_mapping *maps = ring_maps (queue, id);
  struct virtio_split *ring = ring_of (queue);
  uint16_t at = id;

  if (ring_uses_table (queue, slot))
    write_table (queue, id);
  else
    for (unsigned i = 0; i < slot->n_segs; i++, at = queue->slots[at].next)
      write_desc (&ring->desc[at], &maps[i], desc_flags (slot, i), queue->slots[at].next);
  RING_WRITE (ring->avail->ring[ring->avail_idx & (queue->size - 1)], virtio_to_le16 (id));
  ring->avail_idx++;
  ring_platform_barrier (queue); /* 2.7.13.3.1: entry before index */
  RING_WRITE_RELEASE (ring->avail->idx, virtio_to_le16 (ring->avail_idx));
  queue->added++;
}

static int
split_peek (struct virtio_queue *queue, uint32_t *id, uint32_t *len, uint16_t *ready)
{
  struct virtio_split *ring = ring_of (queue);
  struct virtio_used_elem *elem = &ring->used->ring[ring->used_idx & (queue->size - 1)];
  uint16_t idx = virtio_from_le16 (RING_READ_ACQUIRE (ring->used->idx));

  *ready = (uint16_t) (idx - ring->used_idx);
  if (*ready == 0)
    return 0;
  if (*ready > queue->in_flight)
    return -1;
  ring_platform_barrier (queue);
  *id = virtio_from_le32 (RING_READ (elem->id));
  *len = virtio_from_le32 (RING_READ (elem->len));
  return 1;
}

static void
split_advance (struct virtio_queue *queue, const struct virtio_slot *slot)
{
  (void) slot; /* one entry a buffer, however many descriptors it has */
  queue->split.used_idx++;
}

/* 2.7.10: with EVENT_IDX the flag is to be ignored, without it avail_event is. */
static bool
split_kick_needed (struct virtio_queue *queue, uint32_t *position)
{
  struct virtio_split *ring = ring_of (queue);

  *position = ring->avail_idx;
  if (!queue->event_idx)
    return !(virtio_from_le16 (RING_READ (ring->used->flags)) & VIRTIO_USED_F_NO_NOTIFY);
  if (queue->added > queue->size) /* the device went round since: its event is old */
    return true;
  return virtio_need_event (virtio_from_le16 (RING_READ (*avail_event (queue))), ring->avail_idx,
                            (uint16_t) (ring->avail_idx - queue->added));
}

static void
split_arm (struct virtio_queue *queue)
{
  struct virtio_split *ring = ring_of (queue);

  if (queue->event_idx)
    RING_WRITE (*used_event (queue), virtio_to_le16 (ring->used_idx));
  else
    RING_WRITE (ring->avail->flags, 0);
}

/* 2.7.7.1: with EVENT_IDX the flags stay 0; an event just behind us is a whole
 * round of 65536 away. */
static void
split_disarm (struct virtio_queue *queue)
{
  struct virtio_split *ring = ring_of (queue);

  if (queue->event_idx)
    RING_WRITE (*used_event (queue), virtio_to_le16 ((uint16_t) (ring->used_idx - 1)));
  else
    RING_WRITE (ring->avail->flags, virtio_to_le16 (VIRTIO_AVAIL_F_NO_INTERRUPT));
}

const struct virtio_ring_ops virtio_split_ops = {
  .alloc = split_alloc,
  .free = split_free,
  .publish = split_publish,
  .peek = split_peek,
  .advance = split_advance,
  .kick_needed = split_kick_needed,
  .arm = split_arm,
  .disarm = split_disarm,
};
