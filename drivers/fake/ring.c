/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The device's side of both rings, which also checks the driver's. */
#include "fake.h"

#include <string.h>

static void
wrong (struct fake_device *device, const char *what)
{
  device->platform->wrong = what;
}

static bool
is_packed (const struct fake_device *device)
{
  return fake_has (device, VIRTIO_F_RING_PACKED);
}

static void *
area (struct fake_device *device, uint64_t dma, size_t bytes)
{
  return fake_mem (device->platform, dma, bytes, VIRTIO_TO_DEVICE | VIRTIO_FROM_DEVICE);
}

static struct virtio_avail *
avail_of (struct fake_device *device, const struct fake_queue *queue)
{
  return area (device, queue->setup.driver, VIRTIO_AVAIL_BYTES (queue->setup.size));
}

static struct virtio_used *
used_of (struct fake_device *device, const struct fake_queue *queue)
{
  return area (device, queue->setup.device, VIRTIO_USED_BYTES (queue->setup.size));
}

static struct virtio_packed_desc *
packed_of (struct fake_device *device, const struct fake_queue *queue)
{
  return area (device, queue->setup.desc, VIRTIO_DESC_BYTES (queue->setup.size));
}

static void
add_seg (struct fake_device *device, struct fake_chain *chain, uint64_t dma, uint32_t len,
         bool writable)
{
  uint8_t *mem;

  if (chain->n == FAKE_SEGS)
    {
      wrong (device, "too many descriptors");
      return;
    }
  if (chain->n && chain->segs[chain->n - 1].writable && !writable)
    wrong (device, "something readable behind something writable");
  mem = fake_mem (device->platform, dma, len, writable ? VIRTIO_FROM_DEVICE : VIRTIO_TO_DEVICE);
  if (mem)
    chain->segs[chain->n++] = (struct fake_seg) { mem, dma, len, writable };
}

/* ---- split ---- */

static void
split_table (struct fake_device *device, struct fake_chain *chain, const struct virtio_desc *desc)
{
  const struct virtio_desc *table = fake_mem (device->platform, desc->addr, desc->len, VIRTIO_TO_DEVICE);
  uint32_t n = desc->len / 16;
  uint32_t steps = 0;

  if (!table || n == 0 || desc->len % 16 || desc->flags != VIRTIO_DESC_F_INDIRECT)
    {
      wrong (device, "a table that cannot be");
      return;
    }
  for (uint32_t i = 0;; i = table[i].next)
    {
      if (i >= n || ++steps > n || (table[i].flags & VIRTIO_DESC_F_INDIRECT))
        {
          wrong (device, "a chain that leaves its table");
          return;
        }
      add_seg (device, chain, table[i].addr, table[i].len, table[i].flags & VIRTIO_DESC_F_WRITE);
      if (!(table[i].flags & VIRTIO_DESC_F_NEXT))
        return;
    }
}

static bool
split_pop (struct fake_device *device, struct fake_queue *queue, struct fake_chain *chain)
{
  uint16_t size = queue->setup.size;
  struct virtio_avail *avail = avail_of (device, queue);
  struct virtio_desc *desc = area (device, queue->setup.desc, VIRTIO_DESC_BYTES (size));
  uint16_t at;

  if (!avail || !desc || avail->idx == queue->avail)
    return false;
  if ((uint16_t) (avail->idx - queue->avail) > size)
    {
      wrong (device, "more available than the ring has");
      return false;
    }
  at = avail->ring[queue->avail++ & (size - 1)];
  chain->id = at;
  for (;; at = desc[at].next)
    {
      if (at >= size || ++chain->count > size)
        {
          wrong (device, "a chain that does not end");
          return false;
        }
      if (desc[at].flags & VIRTIO_DESC_F_INDIRECT)
        split_table (device, chain, &desc[at]);
      else
        add_seg (device, chain, desc[at].addr, desc[at].len, desc[at].flags & VIRTIO_DESC_F_WRITE);
      if (!(desc[at].flags & VIRTIO_DESC_F_NEXT))
        return true;
      if (fake_has (device, VIRTIO_F_IN_ORDER) && desc[at].next != (at + 1) % size)
        wrong (device, "IN_ORDER and descriptors that do not follow each other");
    }
}

/* ---- packed ---- */

static void
packed_table (struct fake_device *device, struct fake_chain *chain,
              const struct virtio_packed_desc *desc)
{
  const struct virtio_packed_desc *table =
    fake_mem (device->platform, desc->addr, desc->len, VIRTIO_TO_DEVICE);

  if (!table || desc->len == 0 || desc->len % 16 || (desc->flags & VIRTIO_DESC_F_NEXT))
    {
      wrong (device, "a table that cannot be");
      return;
    }
  for (uint32_t i = 0; i < desc->len / 16; i++)
    {
      if (table[i].flags & ~VIRTIO_DESC_F_WRITE)
        wrong (device, "flags in a packed table");
      add_seg (device, chain, table[i].addr, table[i].len, table[i].flags & VIRTIO_DESC_F_WRITE);
    }
}

static void
step (uint16_t *at, bool *wrap, uint32_t by, uint16_t size)
{
  uint32_t to = *at + by;

  *wrap ^= to / size & 1;
  *at = (uint16_t) (to % size);
}

static bool
packed_pop (struct fake_device *device, struct fake_queue *queue, struct fake_chain *chain)
{
  struct virtio_packed_desc *ring = packed_of (device, queue);
  struct virtio_packed_desc *desc;

  do
    {
      bool avail, used;

      if (!ring)
        return false;
      desc = &ring[queue->avail];
      avail = desc->flags & VIRTIO_PACKED_F_AVAIL;
      used = desc->flags & VIRTIO_PACKED_F_USED;
      if (avail != queue->avail_wrap || used == queue->avail_wrap)
        {
          if (chain->count)
            wrong (device, "a list whose head was published first");
          return false;
        }
      if (++chain->count > queue->setup.size)
        {
          wrong (device, "a list longer than the ring");
          return false;
        }
      if (desc->flags & VIRTIO_DESC_F_INDIRECT)
        packed_table (device, chain, desc);
      else
        add_seg (device, chain, desc->addr, desc->len, desc->flags & VIRTIO_DESC_F_WRITE);
      step (&queue->avail, &queue->avail_wrap, 1, queue->setup.size);
    }
  while (desc->flags & VIRTIO_DESC_F_NEXT);
  chain->id = desc->id; /* 2.8.6: the last descriptor's counts */
  return true;
}

/* ---- both ---- */

bool
fake_pop (struct fake_device *device, uint16_t index, struct fake_chain *chain)
{
  struct fake_queue *queue = &device->queues[index];

  memset (chain, 0, sizeof *chain);
  if (!queue->enabled)
    return false;
  return is_packed (device) ? packed_pop (device, queue, chain) : split_pop (device, queue, chain);
}

void
fake_push_raw (struct fake_device *device, uint16_t index, uint32_t id, uint32_t len, uint16_t skip)
{
  struct fake_queue *queue = &device->queues[index];
  uint16_t size = queue->setup.size;

  if (is_packed (device))
    {
      struct virtio_packed_desc *desc = &packed_of (device, queue)[queue->used];

      desc->id = (uint16_t) id;
      desc->len = len;
      __atomic_store_n (&desc->flags,
                        queue->used_wrap ? VIRTIO_PACKED_F_AVAIL | VIRTIO_PACKED_F_USED : 0,
                        __ATOMIC_RELEASE);
      step (&queue->used, &queue->used_wrap, skip, size);
    }
  else
    {
      struct virtio_used *used = used_of (device, queue);

      used->ring[queue->used & (size - 1)] = (struct virtio_used_elem) { id, len };
      queue->used += skip;
      __atomic_store_n (&used->idx, queue->used, __ATOMIC_RELEASE);
    }
  device->interrupts |= VIRTIO_INT_QUEUE;
}

void
fake_push (struct fake_device *device, uint16_t index, const struct fake_chain *chain, uint32_t len)
{
  fake_push_raw (device, index, chain->id, len, is_packed (device) ? chain->count : 1);
}

void
fake_want (struct fake_device *device, uint16_t index, bool wanted)
{
  struct fake_queue *queue = &device->queues[index];
  bool event = fake_has (device, VIRTIO_F_EVENT_IDX);

  if (is_packed (device))
    {
      struct virtio_packed_event *at = area (device, queue->setup.device, sizeof *at);

      at->off_wrap = (uint16_t) (queue->avail | (queue->avail_wrap ? VIRTIO_PACKED_EVENT_WRAP : 0));
      at->flags = !wanted ? VIRTIO_PACKED_EVENT_DISABLE
                          : event ? VIRTIO_PACKED_EVENT_DESC : VIRTIO_PACKED_EVENT_ENABLE;
      return;
    }
  used_of (device, queue)->flags = wanted || event ? 0 : VIRTIO_USED_F_NO_NOTIFY;
  if (event)
    memcpy (&used_of (device, queue)->ring[queue->setup.size],
            &(uint16_t) { (uint16_t) (wanted ? queue->avail : queue->avail - 1) }, 2);
}

bool
fake_interrupt_wanted (struct fake_device *device, uint16_t index, uint16_t old)
{
  struct fake_queue *queue = &device->queues[index];
  bool event = fake_has (device, VIRTIO_F_EVENT_IDX);

  if (is_packed (device))
    {
      struct virtio_packed_event *at = area (device, queue->setup.driver, sizeof *at);

      if (at->flags != VIRTIO_PACKED_EVENT_DESC)
        return at->flags == VIRTIO_PACKED_EVENT_ENABLE;
      return (at->off_wrap & 0x7fff) == old; /* one completion at a time */
    }
  if (event)
    return virtio_need_event (avail_of (device, queue)->ring[queue->setup.size], queue->used, old);
  return !(avail_of (device, queue)->flags & VIRTIO_AVAIL_F_NO_INTERRUPT);
}
