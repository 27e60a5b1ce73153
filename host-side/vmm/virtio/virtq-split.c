/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Split virtqueues (2.7): a descriptor table, an available and a used ring. */
#include "virtq-private.h"

#include <errno.h>
#include <stdatomic.h>

#include <virtio/ring.h>

_Static_assert (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "rings are read in place");

static struct virtio_avail *
avail_of (const struct virtq *ring)
{
  return (struct virtio_avail *) ring->driver;
}

static struct virtio_used *
used_of (const struct virtq *ring)
{
  return (struct virtio_used *) ring->device;
}

/* Behind the available ring's entries: when the driver wants to hear of us. */
static uint16_t *
used_event (const struct virtq *ring)
{
  return &avail_of (ring)->ring[ring->size];
}

/* Behind the used ring's entries: when we want to hear of the driver. */
static uint16_t *
avail_event (const struct virtq *ring)
{
  return (uint16_t *) &used_of (ring)->ring[ring->size];
}

int
virtq_split_start (struct virtq *ring, const struct virtq_config *config)
{
  if (config->size & (config->size - 1) || config->desc % VIRTIO_DESC_ALIGN
      || config->driver % VIRTIO_AVAIL_ALIGN || config->device % VIRTIO_USED_ALIGN)
    return -EINVAL;
  ring->desc = guest_memory_at (ring->memory, config->desc, VIRTIO_DESC_BYTES (ring->size));
  ring->driver = guest_memory_at (ring->memory, config->driver, VIRTIO_AVAIL_BYTES (ring->size));
  ring->device = guest_memory_at (ring->memory, config->device, VIRTIO_USED_BYTES (ring->size));
  return ring->desc && ring->driver && ring->device ? 0 : -EINVAL;
}

static uint16_t
avail_index (const struct virtq *ring)
{
  return atomic_load_explicit ((_Atomic uint16_t *) &avail_of (ring)->idx, memory_order_acquire);
}

/* One snapshot of a descriptor: the guest may change it while we read. */
static struct virtio_desc
snapshot (const struct virtio_desc *table, unsigned index)
{
  const volatile struct virtio_desc *place = &table[index];

  return (struct virtio_desc){ place->addr, place->len, place->flags, place->next };
}

/* Follows a chain through @table of @count entries from @index; at most @limit of them. */
static int
walk (struct virtq *ring, struct virtq_chain *chain, const struct virtio_desc *table,
      unsigned count, unsigned index, unsigned limit, bool may_indirect)
{
  for (unsigned steps = 0; steps < limit; steps++)
    {
      struct virtio_desc desc;
      struct virtq_piece piece;
      int ret;

      if (index >= count)
        return virtq_break (ring, "a descriptor beyond the table");
      desc = snapshot (table, index);
      if (desc.flags & VIRTIO_DESC_F_INDIRECT)
        {
          if (!may_indirect || !ring->indirect || desc.flags & VIRTIO_DESC_F_NEXT)
            return virtq_break (ring, "an indirect descriptor where none may be");
          if (desc.len == 0 || desc.len % sizeof desc || desc.len / sizeof desc > ring->size)
            return virtq_break (ring, "an indirect table of a wrong size");
          table = guest_memory_at (ring->memory, desc.addr, desc.len);
          if (table == NULL || desc.addr % 8)
            return virtq_break (ring, "an indirect table outside memory");
          return walk (ring, chain, table, desc.len / sizeof desc, 0, limit - steps, false);
        }
      piece = (struct virtq_piece){ desc.addr, desc.len, desc.flags };
      ret = virtq_add_piece (ring, chain, &piece);
      if (ret < 0 || !(desc.flags & VIRTIO_DESC_F_NEXT))
        return ret;
      index = desc.next;
    }
  return virtq_break (ring, "a chain longer than the queue");
}

int
virtq_split_pop (struct virtq *ring, struct virtq_chain *chain)
{
  uint16_t waiting = (uint16_t) (avail_index (ring) - ring->next_avail);
  int ret;

  if (waiting == 0)
    return 0;
  if (waiting > ring->size)
    return virtq_break (ring, "the available index jumped");
  chain->id = READ_ONCE (avail_of (ring)->ring[ring->next_avail & (ring->size - 1)]);
  ret = walk (ring, chain, (const struct virtio_desc *) ring->desc, ring->size, chain->id,
              ring->size, true);
  if (ret < 0)
    return ret;
  ring->next_avail++;
  return 1;
}

void
virtq_split_push (struct virtq *ring, const struct virtq_chain *chain, uint32_t written)
{
  struct virtio_used *used = used_of (ring);
  struct virtio_used_elem *elem = &used->ring[ring->next_used & (ring->size - 1)];

  WRITE_ONCE (elem->id, chain->id);
  WRITE_ONCE (elem->len, written);
  ring->next_used++;
  ring->unsignalled++;
  atomic_store_explicit ((_Atomic uint16_t *) &used->idx, ring->next_used, memory_order_release);
}

void
virtq_split_push_many (struct virtq *ring, const struct virtq_used *used, unsigned n)
{
  struct virtio_used *area = used_of (ring);

  for (unsigned i = 0; i < n; i++)
    {
      struct virtio_used_elem *elem = &area->ring[ring->next_used++ & (ring->size - 1)];

      WRITE_ONCE (elem->id, used[i].id);
      WRITE_ONCE (elem->len, used[i].written);
    }
  ring->unsignalled += n;
  atomic_store_explicit ((_Atomic uint16_t *) &area->idx, ring->next_used, memory_order_release);
}

bool
virtq_split_must_notify (struct virtq *ring)
{
  if (!ring->event_idx)
    return !(READ_ONCE (avail_of (ring)->flags) & VIRTIO_AVAIL_F_NO_INTERRUPT);
  return ring->unsignalled > UINT16_MAX
         || virtq_crossed (READ_ONCE (*used_event (ring)), ring->next_used,
                           (uint16_t) (ring->next_used - ring->unsignalled));
}

void
virtq_split_disarm (struct virtq *ring)
{
  if (!ring->event_idx)
    WRITE_ONCE (used_of (ring)->flags, VIRTIO_USED_F_NO_NOTIFY);
}

bool
virtq_split_has_more (const struct virtq *ring)
{
  return avail_index (ring) != ring->next_avail;
}

bool
virtq_split_arm (struct virtq *ring)
{
  if (ring->event_idx)
    WRITE_ONCE (*avail_event (ring), ring->next_avail);
  else
    WRITE_ONCE (used_of (ring)->flags, 0);
  atomic_thread_fence (memory_order_seq_cst);
  return avail_index (ring) != ring->next_avail;
}
