/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Resetting one queue of a device that runs (2.6.1). */
#include "ring.h"

/* 2.6.1.1.2: what the queue has is the device's until the reset was seen to be over. A
 * device that does not come to its end is given up with the queue's memory. */
int
virtio_queue_reset (struct virtio_queue *queue)
{
  struct virtio_device *dev = queue->dev;
  struct virtio_wait wait;

  if (!queue->slots || queue->stopped || !dev->live || dev->failed)
    return -VIRTIO_EIO;
  if (!virtio_device_has (dev, VIRTIO_F_RING_RESET))
    return -VIRTIO_ENOTSUP;
  dev->transport->ops->queue_reset (dev->transport, queue->index);
  virtio_wait_begin (&wait, dev);
  while (!dev->transport->ops->queue_is_reset (dev->transport, queue->index))
    {
      int error = virtio_wait_more (&wait);

      if (error)
        {
          virtio_device_fail (dev);
          return error;
        }
    }
  queue->stopped = true;
  return 0;
}
