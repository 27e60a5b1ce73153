/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Looking at a queue that was just emptied, before its driver has to kick again: a kick is an
 * exit of the guest and the waking of a thread, which is more than many requests are. Who
 * looks in vain looks less often. */
#include "vdev.h"

#include "host-side/vmm/core/clock.h"

#define VAIN_MAX 64u
#define LOOKS 32u /* for a look at the clock, which is a system call on some hosts */

static bool
comes_in_time (struct vdev *dev, unsigned q)
{
  uint64_t began = clock_ns ();

  do
    for (unsigned i = 0; i < LOOKS; i++)
      {
        if (virtq_has_more (&dev->queues[q].ring))
          return true;
        __builtin_ia32_pause ();
      }
  while (!vdev_is_wanted (dev, q) && clock_ns () - began < UINT64_C (1000) * dev->poll_us);
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
  if (comes_in_time (dev, q))
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
