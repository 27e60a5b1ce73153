/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The auditor's own walk through a packed ring (2.8). */
#include "private.h"

#include <stdatomic.h>

#include <virtio/ring.h>

#define RING_FLAGS (VIRTIO_PACKED_F_AVAIL | VIRTIO_PACKED_F_USED)

static void
check_event (struct audit *audit, unsigned q, const struct virtq *ring)
{
  const volatile struct virtio_packed_event *event = (const void *) ring->driver;
  uint16_t flags = event->flags, place = event->off_wrap & 0x7fff;

  AUDIT (audit, P11, (int) q, ring->next_used,
         flags <= VIRTIO_PACKED_EVENT_DISABLE
           || (flags == VIRTIO_PACKED_EVENT_DESC && audit->queues[q]->event && place < ring->size),
         "flags %#x, offset %u", flags, place);
}

static bool
is_available (uint16_t flags, bool wrap)
{
  return !!(flags & VIRTIO_PACKED_F_AVAIL) == wrap && !!(flags & VIRTIO_PACKED_F_USED) != wrap;
}

static bool
check_bytes (struct audit *audit, unsigned q, int at, const struct virtio_packed_desc *desc,
             bool *writable)
{
  bool write = desc->flags & VIRTIO_DESC_F_WRITE;
  struct iovec pieces[8];

  if (!AUDIT (audit, P6, (int) q, at, write || !*writable,
              "something readable comes behind something writable"))
    return false;
  *writable = write;
  return AUDIT (audit, F3, (int) q, at,
                guest_memory_iov (audit->hook.dev->memory, desc->addr, desc->len, pieces, 8) >= 0,
                "%u bytes at %#llx", desc->len, (unsigned long long) desc->addr);
}

static bool
check_table (struct audit *audit, unsigned q, int at, const struct virtio_packed_desc *desc,
             bool in_list)
{
  struct audit_queue *queue = audit->queues[q];
  unsigned count = desc->len / 16;
  const struct virtio_packed_desc *table;
  bool good, writable = false;

  if (!AUDIT (audit, P8, (int) q, at, queue->indirect, "a table though none was negotiated")
      || !AUDIT (audit, P8, (int) q, at, !in_list && !(desc->flags & VIRTIO_DESC_F_NEXT),
                 "a table in a list of descriptors")
      || !AUDIT (audit, P8, (int) q, at, count > 0 && desc->len % 16 == 0 && count <= queue->size,
                 "a table of %u bytes", desc->len))
    return false;
  table = guest_memory_at (audit->hook.dev->memory, desc->addr, desc->len);
  good = AUDIT (audit, F3, (int) q, at, table, "a table at %#llx", (unsigned long long) desc->addr);
  for (unsigned i = 0; good && i < count; i++)
    {
      struct virtio_packed_desc entry = table[i];

      good = AUDIT (audit, P8, (int) q, at,
                    (entry.flags & ~(VIRTIO_DESC_F_WRITE | RING_FLAGS)) == 0,
                    "entry %u of the table has flags %#x", i, entry.flags)
             && audit_keep (queue, &table[i], false)
             && check_bytes (audit, q, at, &entry, &writable);
    }
  return good;
}

/* From the place that became available; whether all of the list is well. */
static bool
follow (struct audit *audit, unsigned q, const struct virtq *ring)
{
  const struct virtio_packed_desc *descs = (const struct virtio_packed_desc *) ring->desc;
  struct audit_queue *queue = audit->queues[q];
  uint16_t index = ring->next_avail;
  bool wrap = ring->avail_wrap, writable = false;

  for (unsigned n = 0;; n++)
    {
      struct virtio_packed_desc desc = descs[index];

      if (!AUDIT (audit, P6, (int) q, index, n < queue->size, "a list longer than the queue")
          || !AUDIT (audit, P6, (int) q, index, is_available (desc.flags, wrap),
                     "the list's descriptor %u is not available, but its head is", n)
          || !audit_keep (queue, &descs[index], true))
        return false;
      if (desc.flags & VIRTIO_DESC_F_INDIRECT
            ? !check_table (audit, q, index, &desc, n > 0)
            : !check_bytes (audit, q, index, &desc, &writable))
        return false;
      queue->next.id = desc.id;
      if (!(desc.flags & VIRTIO_DESC_F_NEXT))
        return AUDIT (audit, C19, (int) q, index, !audit_has_id (queue, desc.id),
                      "buffer %u is given while the device has it", desc.id);
      if (++index == ring->size)
        {
          index = 0;
          wrap = !wrap;
        }
    }
}

void
audit_packed_look (struct audit *audit, unsigned q, const struct virtq *ring)
{
  struct virtio_packed_desc *descs = (struct virtio_packed_desc *) ring->desc;
  uint16_t flags = atomic_load_explicit ((_Atomic uint16_t *) &descs[ring->next_avail].flags,
                                         memory_order_acquire);

  check_event (audit, q, ring);
  if (is_available (flags, ring->avail_wrap))
    audit->queues[q]->has_next = follow (audit, q, ring);
}
