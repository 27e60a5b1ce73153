/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What both rings have in common: the records of the buffers in flight. */
#include "ring.h"

#define NO_ID 0xffffu

static int
breach (struct virtio_queue *queue)
{
  queue->broken = true;
  virtio_device_fail (queue->dev);
  return -VIRTIO_EIO;
}

static bool
usable (const struct virtio_queue *queue)
{
  return queue->slots && !queue->broken && !queue->stopped && !queue->dev->failed;
}

/* ---- start and end ---- */

/* 2.7: a split ring's size is a power of two; a smaller one may always be asked for. */
static uint16_t
choose_size (uint32_t most, uint16_t offered, bool packed)
{
  uint32_t size = offered < most ? offered : most;

  if (size > VIRTIO_QUEUE_SIZE_MAX)
    size = VIRTIO_QUEUE_SIZE_MAX;
  while (!packed && (size & (size - 1)))
    size &= size - 1;
  return (uint16_t) size;
}

static void
configure (struct virtio_queue *queue, struct virtio_device *dev)
{
  queue->dev = dev;
  queue->hal = dev->hal;
  queue->indirect = virtio_device_has (dev, VIRTIO_F_INDIRECT_DESC);
  queue->event_idx = virtio_device_has (dev, VIRTIO_F_EVENT_IDX);
  queue->in_order = virtio_device_has (dev, VIRTIO_F_IN_ORDER);
  queue->notify_data = virtio_device_has (dev, VIRTIO_F_NOTIFICATION_DATA);
  queue->platform_order = virtio_device_has (dev, VIRTIO_F_ORDER_PLATFORM);
  queue->ops = virtio_device_has (dev, VIRTIO_F_RING_PACKED) ? &virtio_packed_ops : &virtio_split_ops;
}

static int
alloc_records (struct virtio_queue *queue)
{
  const struct virtio_hal *hal = queue->hal;
  size_t slots = queue->size * sizeof *queue->slots;
  size_t maps = (size_t) queue->size * queue->max_segs * sizeof *queue->maps;
  size_t order = queue->size * sizeof *queue->order;

  queue->slots = hal->ops->alloc (hal->ctx, slots, _Alignof (struct virtio_slot));
  queue->maps = hal->ops->alloc (hal->ctx, maps, _Alignof (struct virtio_mapping));
  queue->order = hal->ops->alloc (hal->ctx, order, _Alignof (uint16_t));
  if (!queue->slots || !queue->maps || !queue->order)
    return -VIRTIO_ENOMEM;
  if (queue->indirect && queue->max_segs > 1)
    {
      queue->tables = hal->ops->dma_alloc (hal->ctx, queue->size * ring_table_bytes (queue),
                                           VIRTIO_DESC_ALIGN, &queue->tables_dma);
      if (!queue->tables)
        return -VIRTIO_ENOMEM;
    }
  for (uint16_t i = 0; i < queue->size; i++)
    queue->slots[i].next = (uint16_t) (i + 1u < queue->size ? i + 1u : NO_ID);
  queue->free_tail = (uint16_t) (queue->size - 1);
  queue->free_ids = queue->free_descs = queue->size;
  return 0;
}

int
virtio_queue_start (struct virtio_queue *queue, struct virtio_device *dev, uint16_t index,
                    uint16_t size, uint16_t max_segs, enum virtio_len_policy policy)
{
  struct virtio_queue_setup setup = { .vector = VIRTIO_NO_VECTOR };
  uint16_t most = dev->transport->ops->queue_max (dev->transport, index);
  int error;

  memset (queue, 0, sizeof *queue);
  if (dev->failed || (dev->live && !virtio_device_has (dev, VIRTIO_F_RING_RESET)))
    return -VIRTIO_EINVAL;
  if (most == 0)
    return -VIRTIO_ENODEV;
  configure (queue, dev);
  queue->index = index;
  queue->policy = policy;
  queue->size = choose_size (size ? size : dev->options.queue_size, most,
                             queue->ops == &virtio_packed_ops);
  queue->max_segs = max_segs < queue->size ? max_segs : queue->size; /* 2.7.5.3.1 */
  error = queue->ops->alloc (queue, &setup);
  if (!error)
    error = alloc_records (queue);
  if (!error)
    {
      queue->ops->disarm (queue);
      setup.size = queue->size;
      error = dev->transport->ops->queue_enable (dev->transport, index, &setup);
    }
  if (error)
    virtio_queue_free (queue);
  return error;
}

static void
free_private (const struct virtio_hal *hal, void *mem, size_t bytes)
{
  if (mem)
    hal->ops->free (hal->ctx, mem, bytes);
}

void
virtio_queue_free (struct virtio_queue *queue)
{
  const struct virtio_hal *hal = queue->hal;

  if (!hal) /* never started */
    return;
  queue->ops->free (queue);
  if (queue->tables)
    hal->ops->dma_free (hal->ctx, queue->tables, queue->size * ring_table_bytes (queue),
                        queue->tables_dma);
  free_private (hal, queue->slots, queue->size * sizeof *queue->slots);
  free_private (hal, queue->maps, (size_t) queue->size * queue->max_segs * sizeof *queue->maps);
  free_private (hal, queue->order, queue->size * sizeof *queue->order);
  memset (queue, 0, sizeof *queue);
}

/* ---- ids ---- */

/* A split buffer takes an id for each descriptor, a packed one a single id. */
static uint16_t
ids_of (const struct virtio_queue *queue, uint16_t count)
{
  return queue->ops == &virtio_split_ops ? count : 1;
}

static uint16_t
take_ids (struct virtio_queue *queue, uint16_t count)
{
  uint16_t ids = ids_of (queue, count);
  uint16_t head = queue->free_head;
  uint16_t last = head;

  for (uint16_t i = 1; i < ids; i++)
    last = queue->slots[last].next;
  queue->free_head = queue->slots[last].next;
  queue->slots[head].last = last;
  queue->slots[head].count = count;
  queue->free_ids -= ids;
  queue->free_descs -= count;
  return head;
}

static void
return_ids (struct virtio_queue *queue, uint16_t head)
{
  struct virtio_slot *slot = &queue->slots[head];

  if (queue->free_ids == 0)
    queue->free_head = head;
  else
    queue->slots[queue->free_tail].next = head;
  queue->free_tail = slot->last;
  queue->slots[slot->last].next = NO_ID;
  queue->free_ids += ids_of (queue, slot->count);
  queue->free_descs += slot->count;
}

/* ---- giving ---- */

static void
unshare (struct virtio_queue *queue, uint16_t id, unsigned n)
{
  const struct virtio_mapping *maps = ring_maps (queue, id);

  for (unsigned i = 0; i < n; i++)
    queue->hal->ops->unshare (queue->hal->ctx, maps[i].addr, maps[i].len,
                              i < queue->slots[id].n_out ? VIRTIO_TO_DEVICE : VIRTIO_FROM_DEVICE,
                              maps[i].dma);
}

static int
share (struct virtio_queue *queue, uint16_t id, const struct virtio_seg *segs)
{
  struct virtio_slot *slot = &queue->slots[id];
  struct virtio_mapping *maps = ring_maps (queue, id);

  slot->writable = 0;
  for (unsigned i = 0; i < slot->n_segs; i++)
    {
      enum virtio_dir dir = i < slot->n_out ? VIRTIO_TO_DEVICE : VIRTIO_FROM_DEVICE;
      int error = queue->hal->ops->share (queue->hal->ctx, segs[i].addr, segs[i].len, dir,
                                          &maps[i].dma);

      if (error)
        {
          unshare (queue, id, i);
          return error;
        }
      maps[i].addr = segs[i].addr;
      maps[i].len = segs[i].len;
      if (dir == VIRTIO_FROM_DEVICE)
        slot->writable += segs[i].len;
    }
  return 0;
}

static bool
sensible (const struct virtio_queue *queue, const struct virtio_seg *segs, unsigned n)
{
  uint64_t total = 0;

  if (n == 0 || n > queue->max_segs)
    return false;
  for (unsigned i = 0; i < n; i++)
    {
      if (segs[i].len == 0)
        return false;
      total += segs[i].len;
    }
  return total <= UINT32_MAX; /* 2.7.5.1: less than 2^32 in all */
}

int
virtio_queue_add (struct virtio_queue *queue, const struct virtio_seg *segs, unsigned n_out,
                  unsigned n_in, void *token)
{
  unsigned n = n_out + n_in;
  uint16_t count, id;
  int error;

  if (!usable (queue))
    return -VIRTIO_EIO;
  if (n_out > queue->max_segs || n_in > queue->max_segs || !sensible (queue, segs, n))
    return -VIRTIO_EINVAL;
  count = (uint16_t) (queue->indirect && n > 1 ? 1 : n);
  if (count > queue->free_descs)
    return -VIRTIO_EAGAIN;
  id = take_ids (queue, count);
  queue->slots[id].n_out = (uint16_t) n_out;
  queue->slots[id].n_segs = (uint16_t) n;
  error = share (queue, id, segs);
  if (error)
    {
      return_ids (queue, id);
      return error;
    }
  queue->slots[id].token = token;
  queue->slots[id].in_flight = true;
  queue->order[(queue->order_head + queue->in_flight) % queue->size] = id;
  queue->in_flight++;
  queue->ops->publish (queue, id);
  return 0;
}

bool
virtio_queue_kick (struct virtio_queue *queue)
{
  uint32_t position, data = queue->index;
  bool needed;

  if (!usable (queue) || !queue->dev->live || queue->added == 0)
    return false;
  ring_full_barrier (queue); /* 2.7.13.4.1: what was added, before the event is read */
  needed = queue->ops->kick_needed (queue, &position);
  queue->added = 0;
  if (!needed)
    return false;
  if (queue->notify_data)
    data |= position << 16;
  queue->dev->transport->ops->notify (queue->dev->transport, queue->index, data);
  return true;
}

/* ---- taking ---- */

static int
complete (struct virtio_queue *queue, uint16_t id, uint32_t used, void **token, uint32_t *len)
{
  struct virtio_slot *slot = &queue->slots[id];

  if (used > slot->writable)
    {
      if (queue->policy == VIRTIO_LEN_STRICT)
        return breach (queue);
      used = (uint32_t) slot->writable;
    }
  unshare (queue, id, slot->n_segs);
  slot->in_flight = false;
  queue->order_head = (uint16_t) ((queue->order_head + 1u) % queue->size);
  queue->in_flight--;
  queue->ops->advance (queue, slot);
  return_ids (queue, id);
  *token = slot->token;
  *len = used;
  return 1;
}

/* 6, IN_ORDER: one used entry may stand for all buffers up to the one it names.
 * How many that are; 0 when it names none of ours. */
static uint16_t
batch_size (const struct virtio_queue *queue, uint16_t id)
{
  for (uint16_t i = 0; i < queue->in_flight; i++)
    if (queue->order[(queue->order_head + i) % queue->size] == id)
      return (uint16_t) (i + 1);
  return 0;
}

static int
complete_batched (struct virtio_queue *queue, void **token, uint32_t *len)
{
  uint16_t id = queue->order[queue->order_head];
  uint64_t all = queue->slots[id].writable;
  uint32_t used = --queue->batch == 0 ? queue->batch_len : all < UINT32_MAX ? (uint32_t) all : UINT32_MAX;

  return complete (queue, id, used, token, len);
}

int
virtio_queue_get (struct virtio_queue *queue, void **token, uint32_t *len)
{
  uint32_t id, used;
  uint16_t ready;
  int got;

  if (!usable (queue))
    return -VIRTIO_EIO;
  if (queue->batch > 0)
    return complete_batched (queue, token, len);
  got = queue->ops->peek (queue, &id, &used, &ready);
  if (got == 0)
    return 0;
  if (got < 0 || id >= queue->size || !queue->slots[id].in_flight)
    return breach (queue);
  if (!queue->in_order)
    return complete (queue, (uint16_t) id, used, token, len);
  queue->batch = batch_size (queue, (uint16_t) id);
  queue->batch_len = used;
  if (queue->batch == 0 || queue->batch > ready)
    return breach (queue);
  return complete_batched (queue, token, len);
}

int
virtio_queue_wait (struct virtio_queue *queue, void **token, uint32_t *len)
{
  struct virtio_wait wait;

  virtio_wait_begin (&wait, queue->dev);
  for (;;)
    {
      int got = virtio_queue_get (queue, token, len);
      int error;

      if (got)
        return got;
      error = virtio_wait_more (&wait);
      if (error)
        return error;
    }
}

bool
virtio_queue_arm (struct virtio_queue *queue)
{
  uint32_t id, len;
  uint16_t ready;

  if (!usable (queue))
    return false;
  queue->ops->arm (queue);
  ring_full_barrier (queue); /* 2.7.7: a completion before this would not interrupt */
  return queue->batch == 0 && queue->ops->peek (queue, &id, &len, &ready) == 0;
}

void
virtio_queue_disarm (struct virtio_queue *queue)
{
  if (queue->slots && !queue->stopped)
    queue->ops->disarm (queue);
}

bool
virtio_queue_drain (struct virtio_queue *queue, void **token)
{
  if (!queue->slots || (queue->dev->live && !queue->stopped))
    return false;
  for (uint16_t id = 0; queue->in_flight && id < queue->size; id++)
    if (queue->slots[id].in_flight)
      {
        unshare (queue, id, queue->slots[id].n_segs);
        queue->slots[id].in_flight = false;
        queue->in_flight--;
        *token = queue->slots[id].token;
        return true;
      }
  return false;
}

void
virtio_queue_drain_and_free (struct virtio_queue *queue)
{
  void *token;

  while (virtio_queue_drain (queue, &token))
    ;
  virtio_queue_free (queue);
}
