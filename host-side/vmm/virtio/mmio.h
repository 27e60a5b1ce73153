/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* virtio over MMIO (4.2), version 2: a register file on the machine's bus. */
#pragma once

#include "host-side/vmm/machine/vm.h"
#include "registers.h"

struct virtio_mmio
{
  struct registers regs;
  struct vm *vm;
  uint64_t base;
  int irq_fd;
  pthread_mutex_t lock; /* of the registers: vCPUs are many */
  _Atomic uint32_t interrupts;
};

/* Puts a device into a slot; it stays the caller's. */
int virtio_mmio_init (struct virtio_mmio *mmio, struct vm *vm, struct vdev *dev, unsigned slot);
/* As after power-on. */
void virtio_mmio_reset (struct virtio_mmio *mmio);
/* The device is at rest; memory may go. */
void virtio_mmio_finish (struct virtio_mmio *mmio);
