/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The auditor's own walk through a split ring (2.7). */
#include "private.h"

#include <stdatomic.h>

#include <virtio/ring.h>

#define CHAIN_BYTES_MAX (UINT64_C (1) << 32)

struct walk
{
  struct audit *audit;
  int q;
  const struct virtq *ring;
  int head;
  uint64_t bytes;
  bool writable;
  unsigned steps;
};

static void
check_index (struct audit *audit, unsigned q, const struct virtq *ring, uint16_t idx)
{
  struct audit_queue *queue = audit->queues[q];

  AUDIT (audit, S8, (int) q, idx, (uint16_t) (idx - queue->last_avail) <= queue->size,
         "it went from %u to %u", queue->last_avail, idx);
  queue->last_avail = idx;
}

/* One descriptor's bytes: their place, order and number. */
static bool
check_bytes (struct walk *walk, const struct virtio_desc *desc)
{
  bool writable = desc->flags & VIRTIO_DESC_F_WRITE;
  struct iovec pieces[8];

  if (!AUDIT (walk->audit, S3, walk->q, walk->head, writable || !walk->writable,
              "something readable comes behind something writable")
      || !AUDIT (walk->audit, S5, walk->q, walk->head, walk->bytes + desc->len <= CHAIN_BYTES_MAX,
                 "more than 4 GiB in one chain")
      || !AUDIT (walk->audit, F3, walk->q, walk->head,
                 guest_memory_iov (walk->ring->memory, desc->addr, desc->len, pieces, 8) >= 0,
                 "%u bytes at %#llx", desc->len, (unsigned long long) desc->addr))
    return false;
  walk->writable = writable;
  walk->bytes += desc->len;
  return true;
}

/* The table's own descriptor; the table, or NULL. */
static const struct virtio_desc *
check_table (struct walk *walk, const struct virtio_desc *desc, bool nested)
{
  unsigned count = desc->len / 16;
  const struct virtio_desc *table;

  if (!AUDIT (walk->audit, S6, walk->q, walk->head, walk->audit->queues[walk->q]->indirect,
              "a table though none was negotiated")
      || !AUDIT (walk->audit, S6, walk->q, walk->head, !nested, "a table in a table")
      || !AUDIT (walk->audit, S6, walk->q, walk->head, !(desc->flags & VIRTIO_DESC_F_NEXT),
                 "INDIRECT together with NEXT")
      || !AUDIT (walk->audit, S6, walk->q, walk->head, count > 0 && desc->len % 16 == 0,
                 "a table of %u bytes", desc->len))
    return NULL;
  table = guest_memory_at (walk->ring->memory, desc->addr, desc->len);
  AUDIT (walk->audit, F3, walk->q, walk->head, table, "a table at %#llx",
         (unsigned long long) desc->addr);
  return table;
}

/* Follows NEXT through one table of @count descriptors; false where it must stop. */
static bool
follow (struct walk *walk, const struct virtio_desc *table, unsigned count, unsigned index,
        bool inside)
{
  struct audit_queue *queue = walk->audit->queues[walk->q];
  struct virtio_desc desc;

  do
    {
      if (!AUDIT (walk->audit, S5, walk->q, walk->head, index < count,
                  "descriptor %u of a table of %u", index, count)
          || !AUDIT (walk->audit, S6, walk->q, walk->head, walk->steps < queue->size,
                     "a chain longer than the queue, or a loop"))
        return false;
      walk->steps++;
      if (!inside && !AUDIT (walk->audit, C19, walk->q, walk->head,
                             !audit_has_place (queue, &table[index]),
                             "descriptor %u is given while the device has it", index))
        return false;
      if (!audit_keep (queue, &table[index], !inside))
        return false;
      desc = table[index];
      if (desc.flags & VIRTIO_DESC_F_INDIRECT)
        {
          const struct virtio_desc *other = check_table (walk, &desc, inside);

          walk->steps--; /* a table's own descriptor is not one of the chain's */
          return other && follow (walk, other, desc.len / 16, 0, true);
        }
      if (!check_bytes (walk, &desc))
        return false;
      index = desc.next;
    }
  while (desc.flags & VIRTIO_DESC_F_NEXT);
  return true;
}

void
audit_split_look (struct audit *audit, unsigned q, const struct virtq *ring)
{
  struct audit_queue *queue = audit->queues[q];
  struct virtio_avail *avail = (struct virtio_avail *) ring->driver;
  uint16_t idx = atomic_load_explicit ((_Atomic uint16_t *) &avail->idx, memory_order_acquire);
  uint16_t flags = *(volatile uint16_t *) &avail->flags;
  struct walk walk = { .audit = audit, .q = (int) q, .ring = ring };

  AUDIT (audit, S9, (int) q, idx, queue->event ? flags == 0 : flags <= 1, "they are %#x%s", flags,
         queue->event ? " with EVENT_IDX" : "");
  check_index (audit, q, ring, idx);
  if (idx == ring->next_avail || (uint16_t) (idx - ring->next_avail) > ring->size)
    return;
  walk.head = *(volatile uint16_t *) &avail->ring[ring->next_avail & (ring->size - 1)];
  queue->next.id = (uint16_t) walk.head;
  queue->has_next = follow (&walk, (const struct virtio_desc *) ring->desc, ring->size,
                            (unsigned) walk.head, false);
}
