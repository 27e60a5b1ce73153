/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Looking at a queue that was just emptied, before its driver has to kick again: a kick is an
 * exit of the guest and the waking of a thread, which is more than many requests are. Who
 * looks in vain looks less often. */
#include "vdev.h"

#include <time.h>

#define VAIN_MAX 64u
#define LOOKS 32u /* for a look at the clock, which is a system call on some hosts */

static uint64_t
now_us (void)
{
  struct timespec now;

  clock_gettime (CLOCK_MONOTONIC, &now);
  return (uint64_t) now.tv_sec * 1000000 + (uint64_t) now.tv_nsec / 1000;
}

static bool
comes_in_time (struct vdev *dev, unsigned q)
{
  uint64_t began = now_us ();

  do
    for (unsigned i = 0; i < LOOKS; i++)
      {
        if (virtq_has_more (&dev->queues[q].ring))
          return true;
        __builtin_ia32_pause ();
      }
  while (!vdev_is_wanted (dev, q) && now_us () - began < dev->poll_us);
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
  queue->polls_in_vain = queue->polls_in_vain == 0           ? 1
                         : queue->polls_in_vain < VAIN_MAX ? 2 * queue->polls_in_vain
                                                             : VAIN_MAX;
  queue->polls_left_out = queue->polls_in_vain;
  return false;
}
