/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What others may know of a balloon and do with it; any thread. */
#pragma once

#include "vdev.h"

/* As the tags of 5.5.6.3 count. */
#define BALLOON_STATS 10u

/* "stat-free-memory", QEMU's name of the statistic @index. */
const char *balloon_stat_name (unsigned index);

struct balloon_stats
{
  uint64_t value[BALLOON_STATS]; /* bytes, or times; UINT64_MAX: the guest does not tell */
  int64_t updated;               /* seconds of CLOCK_REALTIME; 0: never */
};
void balloon_describe (struct vdev *dev, struct balloon_stats *stats);

/* What the guest shall have of its memory, in bytes; more than there is means all. */
void balloon_set_target (struct vdev *dev, uint64_t bytes);
/* What it has now, as its driver tells. */
uint64_t balloon_actual (struct vdev *dev);

#define BALLOON_INTERVAL_MAX UINT32_MAX
/* Asks for statistics every @seconds from now on; 0: no more. -EINVAL beyond the limit. */
int balloon_set_interval (struct vdev *dev, uint64_t seconds);
uint64_t balloon_interval (struct vdev *dev);

/* @changed is called from the device's worker when balloon_actual() is another, at most
 * four times a second: a guest does not flood whoever listens. */
void balloon_on_change (struct vdev *dev, void (*changed) (void *data, uint64_t actual), void *data);
