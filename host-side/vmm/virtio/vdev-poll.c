/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a queue's worker saves its driver. A kick is an exit of the guest and the waking of a
 * thread, an interrupt is an exit or two: both are more than many requests are.
 *
 * Before the driver has to kick, the worker looks at the emptied queue for a while; who looks
 * in vain looks less often. And answers that follow each other closely share an interrupt. */
#include "vdev.h"

#include "host-side/vmm/core/clock.h"

#define VAIN_MAX 64u
#define LOOKS 32u /* for a look at the clock, which is a system call on some hosts */
#define FOLLOWS_US 50u /* behind each other: a driver that puts one request after another */

static bool
comes_within (struct vdev *dev, unsigned q, unsigned us)
{
  uint64_t began = clock_ns ();

  do
    for (unsigned i = 0; i < LOOKS; i++)
      {
        if (virtq_has_more (&dev->queues[q].ring))
          return true;
        __builtin_ia32_pause ();
      }
  while (!vdev_is_wanted (dev, q) && clock_ns () - began < UINT64_C (1000) * us);
  return false;
}

bool
vdev_poll (struct vdev *dev, unsigned q)
{
  struct vdev_queue *queue = &dev->queues[q];

  if (dev->poll_us == 0 || queue->worker == NULL)
    return false;
  if (queue->polls_left_out > 0)
    {
      queue->polls_left_out--;
      return false;
    }
  if (comes_within (dev, q, dev->poll_us))
    {
      queue->polls_in_vain = 0;
      return true;
    }
  if (queue->polls_in_vain == 0)
    queue->polls_in_vain = 1;
  else if (queue->polls_in_vain < VAIN_MAX)
    queue->polls_in_vain *= 2;
  queue->polls_left_out = queue->polls_in_vain;
  return false;
}

/* A driver that was told of several answers at once puts as many requests, one after another.
 * One that waits for each answer is never kept waiting. */
bool
vdev_follows (struct vdev *dev, unsigned q)
{
  const struct vdev_queue *queue = &dev->queues[q];

  return dev->poll_us > 0 && queue->worker && queue->untold > 0 && queue->untold < queue->told
         && comes_within (dev, q, FOLLOWS_US);
}

void
vdev_answered (struct vdev *dev, unsigned q)
{
  struct vdev_queue *queue = &dev->queues[q];
  uint64_t now = dev->poll_us > 0 ? clock_ns () : 0;

  if (queue->untold++ == 0)
    queue->untold_since = now;
  if (now - queue->untold_since >= UINT64_C (1000) * dev->poll_us)
    vdev_tell (dev, q);
}

void
vdev_tell (struct vdev *dev, unsigned q)
{
  struct vdev_queue *queue = &dev->queues[q];

  if (queue->untold == 0)
    return;
  queue->told = queue->untold;
  queue->untold = 0;
  vdev_notify (dev, q);
}
