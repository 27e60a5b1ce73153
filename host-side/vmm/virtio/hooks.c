/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hooks.h"

#include "vdev.h"

#define EACH(dev, hook, op) \
  for (struct vdev_hook *hook = (dev)->hooks; hook; hook = hook->next) \
    if (hook->ops->op)

void
vdev_hook_add (struct vdev *dev, struct vdev_hook *hook)
{
  struct vdev_hook **at = &dev->hooks;

  while (*at)
    at = &(*at)->next;
  hook->dev = dev;
  hook->next = NULL;
  *at = hook;
}

void
vdev_hooks_access (struct vdev *dev, enum vdev_bus bus, uint64_t offset, unsigned len,
                   uint64_t value, bool write)
{
  EACH (dev, hook, access)
    hook->ops->access (hook, bus, offset, len, value, write);
}

uint32_t
vdev_hooks_status (struct vdev *dev, uint32_t status)
{
  EACH (dev, hook, status)
    status = hook->ops->status (hook, status);
  return status;
}

void
vdev_hooks_accepted (struct vdev *dev, uint64_t features)
{
  EACH (dev, hook, accepted)
    hook->ops->accepted (hook, features);
}

void
vdev_hooks_queue_start (struct vdev *dev, unsigned q, const struct virtq_config *config,
                        const uint32_t *base, int kick)
{
  EACH (dev, hook, queue_start)
    hook->ops->queue_start (hook, q, config, base, kick);
}

void
vdev_hooks_queue_stop (struct vdev *dev, unsigned q)
{
  EACH (dev, hook, queue_stop)
    hook->ops->queue_stop (hook, q);
}

void
vdev_hooks_reset (struct vdev *dev)
{
  EACH (dev, hook, reset)
    hook->ops->reset (hook);
}

bool
vdev_hooks_reset_queue (struct vdev *dev, unsigned q)
{
  bool done = false;

  EACH (dev, hook, reset_queue)
    done |= hook->ops->reset_queue (hook, q);
  return done;
}

bool
vdev_hooks_resetting (struct vdev *dev, unsigned q)
{
  bool resetting = false;

  EACH (dev, hook, resetting)
    resetting |= hook->ops->resetting (hook, q);
  return resetting;
}

void
vdev_hooks_kicked (struct vdev *dev, unsigned q)
{
  EACH (dev, hook, kicked)
    hook->ops->kicked (hook, q);
}

bool
vdev_hooks_notify (struct vdev *dev, unsigned q, bool must)
{
  EACH (dev, hook, notify)
    must = hook->ops->notify (hook, q, must);
  return must;
}

void
vdev_hooks_read_config (struct vdev *dev, unsigned offset, uint8_t *data, unsigned len)
{
  EACH (dev, hook, read_config)
    hook->ops->read_config (hook, offset, data, len);
}

void
vdev_hooks_look (struct vdev_queue *queue)
{
  EACH (queue->dev, hook, look)
    hook->ops->look (hook, queue->index);
}

void
vdev_hooks_took (struct vdev_queue *queue, const struct virtq_chain *chain)
{
  EACH (queue->dev, hook, took)
    hook->ops->took (hook, queue->index, chain);
}

void
vdev_hooks_put_back (struct vdev_queue *queue, const struct virtq_chain *chain)
{
  EACH (queue->dev, hook, put_back)
    hook->ops->put_back (hook, queue->index, chain);
}

bool
vdev_hooks_push (struct vdev_queue *queue, const struct virtq_chain *chain, uint32_t *written)
{
  bool done = false;

  EACH (queue->dev, hook, push)
    done |= hook->ops->push (hook, queue->index, chain, written);
  return done;
}
