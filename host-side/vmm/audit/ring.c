/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What both ring formats have: requests under way, which the driver must leave
 * alone, and the last states for findings. */
#include "private.h"

#include <stdlib.h>
#include <string.h>

#include <virtio/device.h>
#include <virtio/ring.h>

void
audit_ring_state (struct audit_queue *queue, const struct virtq *ring, char what)
{
  struct audit_state *state = &queue->states[queue->n_states++ % AUDIT_HISTORY];

  *state = (struct audit_state){ .what = what, .used = ring->next_used };
  if (queue->packed)
    {
      const volatile struct virtio_packed_event *event = (const void *) ring->driver;

      state->avail = ring->next_avail;
      state->flags = event->flags;
      state->event = event->off_wrap;
    }
  else
    {
      const volatile struct virtio_avail *avail = (const void *) ring->driver;

      state->avail = avail->idx;
      state->flags = avail->flags;
      state->event = avail->ring[ring->size];
    }
}

static struct audit_queue *
make (struct audit *audit, unsigned q)
{
  if (audit->queues[q] == NULL)
    audit->queues[q] = calloc (1, sizeof *audit->queues[q]);
  return audit->queues[q];
}

static void
forget_flights (struct audit_queue *queue)
{
  for (unsigned i = 0; i < queue->n_flights; i++)
    free (queue->flights[i].copies);
  free (queue->flights);
  queue->flights = NULL;
  queue->n_flights = 0;
  queue->has_next = false;
}

/* Addresses as the driver gave them, before the device looks at them (2.7, 2.8). */
static void
check_areas (struct audit *audit, unsigned q, const struct virtq_config *config, bool packed,
             bool begins)
{
  unsigned size = config->size;
  const struct guest_memory *memory = audit->hook.dev->memory;

  if (packed)
    AUDIT (audit, P1, (int) q, -1,
           size > 0 && config->desc % VIRTIO_PACKED_RING_ALIGN == 0
             && config->driver % VIRTIO_PACKED_EVENT_ALIGN == 0
             && config->device % VIRTIO_PACKED_EVENT_ALIGN == 0,
           "size %u, ring %#llx, events %#llx %#llx", size, (unsigned long long) config->desc,
           (unsigned long long) config->driver, (unsigned long long) config->device);
  else
    AUDIT (audit, S1, (int) q, -1,
           size > 0 && (size & (size - 1)) == 0 && config->desc % VIRTIO_DESC_ALIGN == 0
             && config->driver % VIRTIO_AVAIL_ALIGN == 0 && config->device % VIRTIO_USED_ALIGN == 0,
           "size %u, table %#llx, rings %#llx %#llx", size, (unsigned long long) config->desc,
           (unsigned long long) config->driver, (unsigned long long) config->device);
  AUDIT (audit, F3, (int) q, -1, guest_memory_at (memory, config->desc, VIRTIO_DESC_BYTES (size)),
         "the ring at %#llx lies outside", (unsigned long long) config->desc);
  if (!packed && begins)
    {
      const volatile struct virtio_used *used
        = guest_memory_at (memory, config->device, sizeof *used);

      AUDIT (audit, S13, (int) q, -1, used && used->flags == 0, "they are %#x",
             used ? used->flags : 0);
    }
}

void
audit_ring_start (struct audit *audit, unsigned q, const struct virtq_config *config,
                  const uint32_t *base)
{
  bool packed = config->features >> VIRTIO_F_RING_PACKED & 1;
  struct audit_queue *queue = make (audit, q);

  if (queue == NULL)
    return;
  check_areas (audit, q, config, packed, base == NULL || *base == 0);
  forget_flights (queue);
  queue->size = config->size;
  queue->packed = packed;
  queue->event = config->features >> VIRTIO_F_EVENT_IDX & 1;
  queue->indirect = config->features >> VIRTIO_F_INDIRECT_DESC & 1;
  queue->last_avail = base ? (uint16_t) *base : 0;
  queue->n_states = 0;
  queue->stats_out = false;
  queue->flights = calloc (queue->size ? queue->size : 1, sizeof *queue->flights);
  queue->n_flights = queue->flights ? queue->size : 0;
  queue->running = queue->flights != NULL;
}

void
audit_ring_stop (struct audit *audit, unsigned q)
{
  if (audit->queues[q])
    {
      audit->queues[q]->running = false;
      forget_flights (audit->queues[q]);
    }
}

void
audit_ring_free (struct audit *audit, unsigned q)
{
  if (audit->queues[q] == NULL)
    return;
  forget_flights (audit->queues[q]);
  free (audit->queues[q]->next.copies);
  free (audit->queues[q]);
  audit->queues[q] = NULL;
}

bool
audit_keep (struct audit_queue *queue, const void *desc, bool in_ring)
{
  struct audit_flight *next = &queue->next;

  if (next->n == next->room)
    {
      unsigned room = next->room ? 2 * next->room : 16;
      struct audit_copy *copies = realloc (next->copies, room * sizeof *copies);

      if (copies == NULL)
        return false;
      next->copies = copies;
      next->room = room;
    }
  next->copies[next->n].place = desc;
  memcpy (next->copies[next->n].bytes, desc, sizeof next->copies[0].bytes);
  next->n++;
  next->in_ring += in_ring;
  return true;
}

bool
audit_has_id (const struct audit_queue *queue, uint16_t id)
{
  for (unsigned i = 0; i < queue->n_flights; i++)
    if (queue->flights[i].busy && queue->flights[i].id == id)
      return true;
  return false;
}

bool
audit_has_place (const struct audit_queue *queue, const void *place)
{
  for (unsigned i = 0; i < queue->n_flights; i++)
    for (unsigned k = 0; queue->flights[i].busy && k < queue->flights[i].in_ring; k++)
      if (queue->flights[i].copies[k].place == place)
        return true;
  return false;
}

void
audit_ring_look (struct audit *audit, unsigned q)
{
  struct audit_queue *queue = audit->queues[q];
  const struct virtq *ring = &audit->hook.dev->queues[q].ring;

  if (queue == NULL || !queue->running)
    return;
  queue->has_next = false;
  queue->next.n = queue->next.in_ring = 0;
  audit_ring_state (queue, ring, 'l');
  if (queue->packed)
    audit_packed_look (audit, q, ring);
  else
    audit_split_look (audit, q, ring);
}

static struct audit_flight *
find_flight (struct audit_queue *queue, uint16_t id)
{
  for (unsigned i = 0; i < queue->n_flights; i++)
    if (queue->flights[i].busy && queue->flights[i].id == id)
      return &queue->flights[i];
  return NULL;
}

void
audit_ring_took (struct audit *audit, unsigned q, const struct virtq_chain *chain)
{
  struct audit_queue *queue = audit->queues[q];
  unsigned i = 0;

  if (queue == NULL || !queue->has_next || queue->next.id != chain->id)
    return;
  audit_ring_state (queue, &audit->hook.dev->queues[q].ring, 't');
  while (i < queue->n_flights && queue->flights[i].busy)
    i++;
  if (i < queue->n_flights)
    {
      struct audit_flight free_one = queue->flights[i];

      queue->flights[i] = queue->next;
      queue->flights[i].busy = true;
      queue->next = free_one; /* its room is used again */
    }
  queue->has_next = false;
}

void
audit_ring_put_back (struct audit *audit, unsigned q, const struct virtq_chain *chain)
{
  struct audit_queue *queue = audit->queues[q];
  struct audit_flight *flight = queue ? find_flight (queue, chain->id) : NULL;

  if (flight == NULL)
    return;
  flight->busy = false;
  queue->stats_out = false;
}

/* The used descriptor of a packed ring goes where another's may lie. */
static void
overwrite (struct audit_queue *queue, const uint8_t *place)
{
  for (unsigned i = 0; i < queue->n_flights; i++)
    for (unsigned k = 0; queue->flights[i].busy && k < queue->flights[i].n; k++)
      if (queue->flights[i].copies[k].place == place)
        queue->flights[i].copies[k].place = NULL;
}

void
audit_ring_used (struct audit *audit, unsigned q, const struct virtq_chain *chain)
{
  struct audit_queue *queue = audit->queues[q];
  const struct virtq *ring = &audit->hook.dev->queues[q].ring;
  struct audit_flight *flight = queue ? find_flight (queue, chain->id) : NULL;
  bool same = true;

  if (flight == NULL)
    return;
  for (unsigned k = 0; k < flight->n && same; k++)
    same = flight->copies[k].place == NULL
           || memcmp (flight->copies[k].place, flight->copies[k].bytes, 16) == 0;
  if (queue->packed)
    AUDIT (audit, P4, (int) q, chain->id, same, "a descriptor of buffer %u was", chain->id);
  else
    AUDIT (audit, C19, (int) q, chain->id, same, "a descriptor of the chain at %u is another now",
           chain->id);
  flight->busy = false;
  queue->stats_out = false;
  if (queue->packed)
    overwrite (queue, ring->desc + 16u * ring->next_used);
  audit_ring_state (queue, ring, 'u');
}
