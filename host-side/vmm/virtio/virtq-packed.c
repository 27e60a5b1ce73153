/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Packed virtqueues (2.8): one ring of descriptors that both sides write. */
#include "virtq-private.h"

#include <errno.h>
#include <stdatomic.h>

#include <virtio/ring.h>

static struct virtio_packed_desc *
desc_of (const struct virtq *ring)
{
  return (struct virtio_packed_desc *) ring->desc;
}

int
virtq_packed_start (struct virtq *ring, const struct virtq_config *config)
{
  if (config->desc % VIRTIO_PACKED_RING_ALIGN || config->driver % VIRTIO_PACKED_EVENT_ALIGN
      || config->device % VIRTIO_PACKED_EVENT_ALIGN)
    return -EINVAL;
  ring->desc = guest_memory_at (ring->memory, config->desc, VIRTIO_DESC_BYTES (ring->size));
  ring->driver = guest_memory_at (ring->memory, config->driver,
                                  sizeof (struct virtio_packed_event));
  ring->device = guest_memory_at (ring->memory, config->device,
                                  sizeof (struct virtio_packed_event));
  return ring->desc && ring->driver && ring->device ? 0 : -EINVAL;
}

static void
advance (const struct virtq *ring, uint16_t *index, bool *wrap, uint16_t by)
{
  *index += by;
  if (*index >= ring->size)
    {
      *index -= ring->size;
      *wrap = !*wrap;
    }
}

static bool
is_available (const struct virtq *ring, uint16_t index, bool wrap)
{
  uint16_t flags = atomic_load_explicit ((_Atomic uint16_t *) &desc_of (ring)[index].flags,
                                         memory_order_acquire);

  return !!(flags & VIRTIO_PACKED_F_AVAIL) == wrap && !!(flags & VIRTIO_PACKED_F_USED) != wrap;
}

static struct virtio_packed_desc
snapshot (const struct virtio_packed_desc *place)
{
  const volatile struct virtio_packed_desc *from = place;

  return (struct virtio_packed_desc){ from->addr, from->len, from->id, from->flags };
}

/* All entries of an indirect table belong to the chain, in their order (2.8.7). */
static int
walk_indirect (struct virtq *ring, struct virtq_chain *chain, const struct virtio_packed_desc *desc)
{
  unsigned count = desc->len / sizeof *desc;
  const struct virtio_packed_desc *table;

  if (!ring->indirect || chain->slots > 0 || desc->flags & VIRTIO_DESC_F_NEXT)
    return virtq_break (ring, "an indirect descriptor where none may be");
  if (count == 0 || desc->len % sizeof *desc || count > ring->size)
    return virtq_break (ring, "an indirect table of a wrong size");
  table = guest_memory_at (ring->memory, desc->addr, desc->len);
  if (table == NULL || desc->addr % 8)
    return virtq_break (ring, "an indirect table outside memory");
  for (unsigned i = 0; i < count; i++)
    {
      struct virtio_packed_desc entry = snapshot (&table[i]);
      struct virtq_piece piece = { entry.addr, entry.len, entry.flags };
      int ret;

      if (entry.flags & VIRTIO_DESC_F_INDIRECT)
        return virtq_break (ring, "an indirect table in another");
      ret = virtq_add_piece (ring, chain, &piece);
      if (ret < 0)
        return ret;
    }
  return 0;
}

int
virtq_packed_pop (struct virtq *ring, struct virtq_chain *chain)
{
  uint16_t index = ring->next_avail;
  bool wrap = ring->avail_wrap;
  struct virtio_packed_desc desc;
  int ret;

  if (!is_available (ring, index, wrap))
    return 0;
  do
    {
      struct virtq_piece piece;

      if (chain->slots == ring->size)
        return virtq_break (ring, "a chain longer than the queue");
      desc = snapshot (&desc_of (ring)[index]);
      piece = (struct virtq_piece){ desc.addr, desc.len, desc.flags };
      if (desc.flags & VIRTIO_DESC_F_INDIRECT)
        ret = walk_indirect (ring, chain, &desc);
      else
        ret = virtq_add_piece (ring, chain, &piece);
      if (ret < 0)
        return ret;
      chain->slots++;
      advance (ring, &index, &wrap, 1);
    }
  while (desc.flags & VIRTIO_DESC_F_NEXT);
  chain->id = desc.id;
  ring->next_avail = index;
  ring->avail_wrap = wrap;
  return 1;
}

/* Writes a used descriptor but for its flags, which it returns. */
static uint16_t
fill (struct virtio_packed_desc *desc, const struct virtq_used *used, bool wrap)
{
  uint16_t flags = wrap ? VIRTIO_PACKED_F_AVAIL | VIRTIO_PACKED_F_USED : 0;

  WRITE_ONCE (desc->id, used->id);
  WRITE_ONCE (desc->len, used->written);
  return used->written > 0 ? flags | VIRTIO_DESC_F_WRITE : flags;
}

static void
publish (struct virtio_packed_desc *desc, uint16_t flags)
{
  atomic_store_explicit ((_Atomic uint16_t *) &desc->flags, flags, memory_order_release);
}

/* The driver looks at them in their order: the first one's flags come last. */
void
virtq_packed_push_many (struct virtq *ring, const struct virtq_used *used, unsigned n)
{
  struct virtio_packed_desc *first = &desc_of (ring)[ring->next_used];
  uint16_t first_flags = 0;

  for (unsigned i = 0; i < n; i++)
    {
      struct virtio_packed_desc *desc = &desc_of (ring)[ring->next_used];
      uint16_t flags = fill (desc, &used[i], ring->used_wrap);

      if (i == 0)
        first_flags = flags;
      else
        publish (desc, flags);
      advance (ring, &ring->next_used, &ring->used_wrap, used[i].slots);
      ring->unsignalled += used[i].slots;
    }
  publish (first, first_flags);
}

void
virtq_packed_push (struct virtq *ring, const struct virtq_chain *chain, uint32_t written)
{
  struct virtq_used used = { chain->id, chain->slots, written };

  virtq_packed_push_many (ring, &used, 1);
}

bool
virtq_packed_must_notify (struct virtq *ring)
{
  const struct virtio_packed_event *event = (const struct virtio_packed_event *) ring->driver;
  uint16_t flags = READ_ONCE (event->flags) & VIRTIO_PACKED_EVENT_MASK;
  uint16_t off_wrap = READ_ONCE (event->off_wrap);
  uint16_t at = off_wrap & 0x7fff;

  if (flags == VIRTIO_PACKED_EVENT_DISABLE)
    return false;
  if (flags != VIRTIO_PACKED_EVENT_DESC || !ring->event_idx || ring->unsignalled >= ring->size)
    return true;
  /* An offset of the other round lies a ring's length back. */
  if (!!(off_wrap & VIRTIO_PACKED_EVENT_WRAP) != ring->used_wrap)
    at -= ring->size;
  return virtq_crossed (at, ring->next_used, (uint16_t) (ring->next_used - ring->unsignalled));
}

static void
set_event (const struct virtq *ring, uint16_t off_wrap, uint16_t flags)
{
  struct virtio_packed_event *event = (struct virtio_packed_event *) ring->device;

  WRITE_ONCE (event->off_wrap, off_wrap);
  /* The offset is valid before the flags say that it counts. */
  atomic_store_explicit ((_Atomic uint16_t *) &event->flags, flags, memory_order_release);
}

void
virtq_packed_disarm (struct virtq *ring)
{
  set_event (ring, 0, VIRTIO_PACKED_EVENT_DISABLE);
}

bool
virtq_packed_has_more (const struct virtq *ring)
{
  return is_available (ring, ring->next_avail, ring->avail_wrap);
}

bool
virtq_packed_arm (struct virtq *ring)
{
  uint16_t off_wrap = ring->next_avail | (uint16_t) (ring->avail_wrap ? 0x8000 : 0);

  set_event (ring, ring->event_idx ? off_wrap : 0,
             ring->event_idx ? VIRTIO_PACKED_EVENT_DESC : VIRTIO_PACKED_EVENT_ENABLE);
  atomic_thread_fence (memory_order_seq_cst);
  return is_available (ring, ring->next_avail, ring->avail_wrap);
}
