/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a driver says through registers, whatever their layout: the part that
 * virtio-mmio and virtio-pci have in common (2.1, 2.2, 3.1, 4.1.4.3, 4.2.2).
 *
 * The transport locks: processors are many. */
#pragma once

#include <stdatomic.h>

#include "vdev.h"

struct registers
{
  struct vdev *dev;
  int kick[VDEV_QUEUES_MAX]; /* doorbells: an eventfd a queue */
  uint32_t device_features_sel, driver_features_sel;
  uint64_t driver_features;
  uint32_t queue_sel;
  struct virtq_config queues[VDEV_QUEUES_MAX];
  bool ready[VDEV_QUEUES_MAX];
  _Atomic uint32_t status; /* workers set NEEDS_RESET */
};

/* Negative errno without descriptors for the doorbells; finish it anyway. */
int registers_init (struct registers *regs, struct vdev *dev);
void registers_finish (struct registers *regs);

/* The 32 feature bits that are selected. */
uint32_t registers_offered (const struct registers *regs);
void registers_accept (struct registers *regs, uint32_t value);
/* A write to the status: queues start with DRIVER_OK; 0 resets. */
void registers_set_status (struct registers *regs, uint32_t value);
void registers_reset (struct registers *regs);
/* What a read of the status sees. */
uint32_t registers_status (struct registers *regs);

/* The selected queue's configuration while it may be written; else NULL. */
struct virtq_config *registers_queue (struct registers *regs);
/* The selected queue, when there is one. */
void registers_enable (struct registers *regs);
void registers_disable (struct registers *regs);

/* A write of 1 to the selected queue's reset register: it is as new when this returns,
 * and what was under way was given back before (2.6.1). False when nothing was reset:
 * there is no such queue, RING_RESET was not negotiated, or somebody disturbs. */
bool registers_reset_queue (struct registers *regs);
/* What a read of that register sees. */
uint32_t registers_queue_resetting (const struct registers *regs);

/* For a device that gives up; true when the driver must be told (2.1.2). */
bool registers_break (struct registers *regs);

/* Half of a 64-bit register. */
void registers_set_half (uint64_t *whole, bool high, uint32_t value);
