/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* virtio over MMIO (4.2), version 2: a register file on the machine's bus. */
#pragma once

#include <stdatomic.h>

#include "host-side/vmm/machine/vm.h"
#include "vdev.h"

struct virtio_mmio
{
  struct vdev *dev;
  struct vm *vm;
  uint64_t base;
  int irq_fd;
  int kick[VDEV_QUEUES_MAX];
  pthread_mutex_t lock; /* of the registers: vCPUs are many */
  uint32_t device_features_sel, driver_features_sel;
  uint64_t driver_features;
  uint32_t queue_sel;
  struct virtq_config queues[VDEV_QUEUES_MAX];
  bool ready[VDEV_QUEUES_MAX];
  _Atomic uint32_t status; /* workers set NEEDS_RESET */
  _Atomic uint32_t interrupts;
};

/* Puts a device into a slot; it stays the caller's. */
int virtio_mmio_init (struct virtio_mmio *mmio, struct vm *vm, struct vdev *dev, unsigned slot);
/* The device is at rest; memory may go. */
void virtio_mmio_finish (struct virtio_mmio *mmio);
