/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vdev.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <virtio/device.h>
#include <virtio/types.h>

void
vdev_init (struct vdev *dev, const struct vdev_ops *ops, const char *kind, uint32_t id,
           unsigned n_queues)
{
  dev->ops = ops;
  dev->kind = kind;
  dev->id = id;
  dev->n_queues = n_queues;
  dev->n_workers = dev->worker_share = 1;
  dev->n_counted = n_queues;
  pthread_mutex_init (&dev->config_lock, NULL);
  dev->features = VIRTIO_BIT (VIRTIO_F_VERSION_1) | VIRTIO_BIT (VIRTIO_F_INDIRECT_DESC)
                  | VIRTIO_BIT (VIRTIO_F_EVENT_IDX) | VIRTIO_BIT (VIRTIO_F_RING_PACKED)
                  | VIRTIO_BIT (VIRTIO_F_RING_RESET);
  for (unsigned q = 0; q < n_queues; q++)
    {
      dev->queues[q].dev = dev;
      dev->queues[q].index = q;
      dev->queues[q].kick.fd = -1;
      dev->queues[q].size_max = 256;
    }
}

/* As virtq_pop(), and waits for what follows closely. */
static int
next (struct vdev *dev, unsigned q, struct virtq_chain *chain)
{
  struct virtq *ring = &dev->queues[q].ring;
  int ret = virtq_pop (ring, chain);

  return ret == 0 && vdev_follows (dev, q) ? virtq_pop (ring, chain) : ret;
}

void
vdev_serve (struct vdev *dev, unsigned q,
            uint32_t (*serve) (struct vdev *dev, unsigned q, struct virtq_chain *chain))
{
  struct vdev_queue *queue = &dev->queues[q];
  static _Thread_local struct virtq_chain chain;
  unsigned budget = 2u * queue->ring.size;
  uint32_t written;
  int ret = 0;

  do
    {
      virtq_disarm (&queue->ring);
      while (budget > 0 && (ret = next (dev, q, &chain)) == 1)
        {
          written = serve (dev, q, &chain);
          if (written == VDEV_UNDONE) /* whoever stops the queue is next */
            {
              virtq_unpop (&queue->ring, &chain);
              vdev_tell (dev, q);
              return;
            }
          virtq_push (&queue->ring, &chain, written);
          vdev_answered (dev, q);
          budget = vdev_is_wanted (dev, q) ? 0 : budget - 1;
        }
      vdev_tell (dev, q);
    }
  while (ret == 0 && (vdev_poll (dev, q) || virtq_arm (&queue->ring)) && budget > 0);
  if (ret < 0)
    vdev_break (dev);
  /* A guest that never stops asking does not keep the worker from others. */
  else if (budget == 0)
    vdev_kick_again (dev, q);
}

bool
vdev_is_wanted (const struct vdev *dev, unsigned q)
{
  return dev->queues[q].worker && worker_is_wanted (dev->queues[q].worker);
}

bool
vdev_is_stopping (const struct vdev *dev, unsigned q)
{
  return atomic_load_explicit (&dev->queues[q].stopping, memory_order_relaxed);
}

void
vdev_kick_again (struct vdev *dev, unsigned q)
{
  if (dev->queues[q].kick.fd >= 0)
    eventfd_write (dev->queues[q].kick.fd, 1);
}

void
vdev_notify (struct vdev *dev, unsigned q)
{
  bool must = virtq_must_notify (&dev->queues[q].ring);

  if (dev->hooks)
    must = vdev_hooks_notify (dev, q, must);
  if (must && dev->transport)
    dev->transport->notify (dev->transport_data, q);
}

/* The generation changes with the bytes: who reads in pieces sees that it must again. */
void
vdev_set_config (struct vdev *dev, unsigned offset, const void *data, unsigned len)
{
  pthread_mutex_lock (&dev->config_lock);
  memcpy (dev->config + offset, data, len);
  atomic_fetch_add (&dev->config_generation, 1);
  pthread_mutex_unlock (&dev->config_lock);
  if (dev->transport)
    dev->transport->config_changed (dev->transport_data);
}

void
vdev_break (struct vdev *dev)
{
  if (dev->transport)
    dev->transport->broken (dev->transport_data);
}

void
vdev_attach (struct vdev *dev, struct guest_memory *memory,
             const struct vdev_transport *transport, void *data)
{
  dev->memory = memory;
  dev->transport = transport;
  dev->transport_data = data;
}

static void
tell_started (void *data)
{
  struct vdev *dev = data;

  dev->ops->started (dev);
}

int
vdev_start_workers (struct vdev *dev)
{
  for (unsigned i = 0; i < dev->n_workers; i++)
    {
      char name[16];
      int ret;

      snprintf (name, sizeof name, "%s-%u", dev->kind, i % 1000);
      ret = worker_new (&dev->workers[i], name, dev->threads);
      if (ret < 0)
        return ret;
    }
  for (unsigned q = 0; q < dev->n_queues; q++)
    dev->queues[q].worker = dev->workers[q / dev->worker_share % dev->n_workers];
  if (dev->ops->started)
    worker_call (dev->workers[0], tell_started, dev);
  return 0;
}

int
vdev_accept (struct vdev *dev, uint64_t features)
{
  if (dev->hooks)
    vdev_hooks_accepted (dev, features);
  if (features & ~dev->features || !(features >> VIRTIO_F_VERSION_1 & 1))
    return -EINVAL;
  dev->accepted = features;
  if (dev->ops->negotiated)
    dev->ops->negotiated (dev);
  return 0;
}

static void
on_kick (void *data)
{
  struct vdev_queue *queue = data;
  eventfd_t count;

  if (eventfd_read (queue->kick.fd, &count) < 0 && errno != EAGAIN)
    return;
  if (queue->dev->hooks)
    vdev_hooks_kicked (queue->dev, queue->index);
  queue->dev->ops->kick (queue->dev, queue->index);
}

static void
tell_fresh (struct vdev_queue *queue)
{
  if (queue->fresh && queue->dev->ops->fresh)
    queue->dev->ops->fresh (queue->dev, queue->index);
}

/* In the queue's worker: looks at once, for what came before we listened. */
static void
start_watching (void *data)
{
  struct vdev_queue *queue = data;

  tell_fresh (queue);
  if (queue->kick.fd >= 0)
    worker_watch (queue->worker, &queue->kick, EPOLLIN);
  queue->dev->ops->kick (queue->dev, queue->index);
}

int
vdev_queue_start (struct vdev *dev, unsigned q, const struct virtq_config *config,
                  const uint32_t *base, int kick)
{
  struct vdev_queue *queue = &dev->queues[q];
  struct virtq ring;
  int ret;

  vdev_queue_stop (dev, q);
  if (dev->hooks)
    vdev_hooks_queue_start (dev, q, config, base, kick);
  if (config->size > queue->size_max)
    return -EINVAL;
  ret = virtq_start (&ring, dev->memory, config);
  if (ret == 0 && base)
    ret = virtq_set_base (&ring, *base);
  if (ret < 0)
    return ret;
  queue->ring = ring;
  queue->ring.hooked = dev->hooks ? queue : NULL;
  queue->kick = (struct watch){ kick, on_kick, queue };
  queue->fresh = base == NULL;
  if (queue->worker)
    worker_call (queue->worker, start_watching, queue);
  else
    tell_fresh (queue);
  return 0;
}

static void
stop_watching (void *data)
{
  struct vdev_queue *queue = data;

  if (queue->worker && queue->kick.fd >= 0)
    worker_unwatch (queue->worker, &queue->kick);
  queue->kick.fd = -1;
  if (queue->dev->ops->settle)
    queue->dev->ops->settle (queue->dev, queue->index);
  if (queue->ring.ready && queue->ring.hooked)
    vdev_hooks_queue_stop (queue->dev, queue->index);
  virtq_stop (&queue->ring);
  if (queue->dev->ops->stopped)
    queue->dev->ops->stopped (queue->dev, queue->index);
}

uint32_t
vdev_queue_stop (struct vdev *dev, unsigned q)
{
  struct vdev_queue *queue = &dev->queues[q];

  atomic_store (&queue->stopping, true);
  if (queue->worker)
    worker_call (queue->worker, stop_watching, queue);
  else
    stop_watching (queue);
  atomic_store (&queue->stopping, false);
  return virtq_base (&queue->ring);
}

void
vdev_kick (struct vdev *dev, unsigned q)
{
  struct vdev_queue *queue;

  if (q >= dev->n_queues)
    return;
  queue = &dev->queues[q];
  if (queue->worker == NULL && dev->hooks)
    vdev_hooks_kicked (dev, q);
  if (queue->worker == NULL)
    dev->ops->kick (dev, q);
  else if (queue->kick.fd >= 0)
    eventfd_write (queue->kick.fd, 1);
}

void
vdev_read_config (struct vdev *dev, unsigned offset, void *data, unsigned len)
{
  memset (data, 0, len);
  pthread_mutex_lock (&dev->config_lock);
  if (offset < dev->config_size)
    memcpy (data, dev->config + offset,
            len < dev->config_size - offset ? len : dev->config_size - offset);
  pthread_mutex_unlock (&dev->config_lock);
  if (dev->hooks)
    vdev_hooks_read_config (dev, offset, data, len);
}

void
vdev_write_config (struct vdev *dev, unsigned offset, const void *data, unsigned len)
{
  if (dev->ops->write_config && len > 0 && offset < dev->config_size
      && len <= dev->config_size - offset)
    dev->ops->write_config (dev, offset, data, len);
}

static void
forget (void *data)
{
  struct vdev *dev = data;

  dev->accepted = 0;
  if (dev->hooks)
    vdev_hooks_reset (dev);
  if (dev->ops->reset)
    dev->ops->reset (dev);
}

void
vdev_reset (struct vdev *dev)
{
  for (unsigned q = 0; q < dev->n_queues; q++)
    vdev_queue_stop (dev, q);
  if (dev->workers[0])
    worker_call (dev->workers[0], forget, dev);
  else
    forget (dev);
}

void
vdev_hold (struct vdev *dev)
{
  for (unsigned i = 0; i < dev->n_workers; i++)
    worker_hold (dev->workers[i]);
  /* Their threads stand still, so this one may touch what is theirs. */
  for (unsigned q = 0; q < dev->n_queues && dev->ops->settle; q++)
    dev->ops->settle (dev, q);
}

void
vdev_release (struct vdev *dev)
{
  for (unsigned i = 0; i < dev->n_workers; i++)
    worker_release (dev->workers[i]);
}

void
vdev_free (struct vdev *dev)
{
  if (dev == NULL)
    return;
  vdev_reset (dev);
  for (unsigned i = 0; i < dev->n_workers; i++)
    worker_free (dev->workers[i]);
  pthread_mutex_destroy (&dev->config_lock);
  dev->ops->free (dev);
}
