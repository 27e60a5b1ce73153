/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Our drivers on our device models in one process: a transport of a few functions
 * between them, a guest's memory with nothing mapped around it, a clock that only
 * runs when somebody looks at it. */
#pragma once

#include <stdbool.h>
#include <virtio/driver/transport.h>

#include "host-side/vmm/virtio/devices.h"

#define LANE_RAM (4u << 20)
#define LANE_GPA 0x40000000u
#define LANE_UNIT 64u /* memory is given out in these */

/* In front of private memory: what a driver leaves to a device that does not
 * reset is found by it. */
struct lane_block
{
  struct lane_block *next, **at;
};

struct lane
{
  struct virtio_transport transport;
  struct virtio_hal hal;
  struct vdev *dev;
  struct guest_memory memory;
  uint8_t *ram;
  uint8_t taken[LANE_RAM / LANE_UNIT];
  struct lane_block *blocks; /* live private ones */
  unsigned allocs;
  unsigned shared;  /* live shares and dma_allocs */
  unsigned looks;   /* at the clock */
  uint64_t now_us;
  uint32_t status;
  uint64_t driver_features;
  uint32_t interrupts;
  bool threads; /* the device has workers: they are kicked, and interrupts arrive at @heard */
  int heard, doorbells[VDEV_QUEUES_MAX];
  bool running[VDEV_QUEUES_MAX];
  struct virtq_config queues[VDEV_QUEUES_MAX];
};

/* @dev stays the caller's; it has no workers: what it does it does at once. */
void lane_init (struct lane *lane, struct vdev *dev);
/* The same with workers, as a machine has them. */
void lane_init_with_workers (struct lane *lane, struct vdev *dev);
/* Frees the memory, also what a driver left to a device that did not reset. */
void lane_finish (struct lane *lane);
