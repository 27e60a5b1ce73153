/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "registers.h"

#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <virtio/device.h>

#include "host-side/vmm/core/log.h"

int
registers_init (struct registers *regs, struct vdev *dev)
{
  regs->dev = dev;
  for (unsigned q = 0; q < dev->n_queues; q++)
    regs->kick[q] = -1;
  for (unsigned q = 0; q < dev->n_queues; q++)
    {
      regs->kick[q] = eventfd (0, EFD_CLOEXEC | EFD_NONBLOCK);
      if (regs->kick[q] < 0)
        return -errno;
    }
  return 0;
}

void
registers_finish (struct registers *regs)
{
  for (unsigned q = 0; q < regs->dev->n_queues; q++)
    if (regs->kick[q] >= 0)
      close (regs->kick[q]);
}

void
registers_set_half (uint64_t *whole, bool high, uint32_t value)
{
  unsigned shift = high ? 32 : 0;

  *whole = (*whole & ~(UINT64_C (0xffffffff) << shift)) | (uint64_t) value << shift;
}

uint32_t
registers_offered (const struct registers *regs)
{
  return regs->device_features_sel < 2
           ? (uint32_t) (regs->dev->features >> 32 * regs->device_features_sel)
           : 0;
}

/* Nothing is accepted any more once the device has agreed. */
void
registers_accept (struct registers *regs, uint32_t value)
{
  if (regs->driver_features_sel < 2 && !(atomic_load (&regs->status) & VIRTIO_STATUS_FEATURES_OK))
    registers_set_half (&regs->driver_features, regs->driver_features_sel == 1, value);
}

void
registers_reset (struct registers *regs)
{
  vdev_reset (regs->dev);
  memset (regs->queues, 0, sizeof regs->queues);
  memset (regs->ready, 0, sizeof regs->ready);
  regs->device_features_sel = regs->driver_features_sel = regs->queue_sel = 0;
  regs->driver_features = 0;
  atomic_store (&regs->status, 0);
}

bool
registers_break (struct registers *regs)
{
  uint32_t before = atomic_fetch_or (&regs->status, VIRTIO_STATUS_NEEDS_RESET);

  return before & VIRTIO_STATUS_DRIVER_OK && !(before & VIRTIO_STATUS_NEEDS_RESET);
}

/* Queues run from DRIVER_OK on, with what was configured then (2.1: no buffer is
 * consumed before). */
static void
start_queue (struct registers *regs, unsigned q)
{
  regs->queues[q].features = regs->dev->accepted;
  if (vdev_queue_start (regs->dev, q, &regs->queues[q], NULL, regs->kick[q]) < 0)
    {
      vmm_log_guest ("%s: queue %u has a bad configuration", regs->dev->kind, q);
      vdev_break (regs->dev);
    }
}

void
registers_set_status (struct registers *regs, uint32_t value)
{
  uint32_t now = atomic_load (&regs->status), gained;

  if (value == 0)
    {
      registers_reset (regs);
      return;
    }
  gained = value & 0xff & ~now & ~VIRTIO_STATUS_NEEDS_RESET;
  if (gained & VIRTIO_STATUS_FEATURES_OK && vdev_accept (regs->dev, regs->driver_features) < 0)
    gained &= ~VIRTIO_STATUS_FEATURES_OK;
  /* DRIVER_OK means nothing without agreed features. */
  if (gained & VIRTIO_STATUS_DRIVER_OK && !((now | gained) & VIRTIO_STATUS_FEATURES_OK))
    gained &= ~VIRTIO_STATUS_DRIVER_OK;
  atomic_fetch_or (&regs->status, gained);
  if (gained & VIRTIO_STATUS_DRIVER_OK)
    for (unsigned q = 0; q < regs->dev->n_queues; q++)
      if (regs->ready[q])
        start_queue (regs, q);
}

/* Frozen once it is enabled, so that nothing changes behind what was checked. */
struct virtq_config *
registers_queue (struct registers *regs)
{
  return regs->queue_sel < regs->dev->n_queues && !regs->ready[regs->queue_sel]
           ? &regs->queues[regs->queue_sel]
           : NULL;
}

void
registers_enable (struct registers *regs)
{
  uint32_t q = regs->queue_sel;

  if (q >= regs->dev->n_queues || regs->ready[q])
    return;
  regs->ready[q] = true;
  if (atomic_load (&regs->status) & VIRTIO_STATUS_DRIVER_OK)
    start_queue (regs, q);
}

void
registers_disable (struct registers *regs)
{
  uint32_t q = regs->queue_sel;

  if (q >= regs->dev->n_queues || !regs->ready[q])
    return;
  vdev_queue_stop (regs->dev, q);
  regs->ready[q] = false;
}

/* Its thread has let go of the queue when this returns, so that the register never has to
 * read 1 (4.1.4.3.1, 4.2.2.1). */
bool
registers_reset_queue (struct registers *regs)
{
  uint32_t q = regs->queue_sel;
  struct vdev *dev = regs->dev;

  if (q >= dev->n_queues || !(dev->accepted >> VIRTIO_F_RING_RESET & 1)
      || (dev->hooks && vdev_hooks_reset_queue (dev, q)))
    return false;
  vdev_queue_stop (dev, q);
  regs->ready[q] = false;
  memset (&regs->queues[q], 0, sizeof regs->queues[q]);
  return true;
}

uint32_t
registers_queue_resetting (const struct registers *regs)
{
  return regs->queue_sel < regs->dev->n_queues && regs->dev->hooks
         && vdev_hooks_resetting (regs->dev, regs->queue_sel);
}

uint32_t
registers_status (struct registers *regs)
{
  uint32_t status = atomic_load (&regs->status);

  return regs->dev->hooks ? vdev_hooks_status (regs->dev, status) : status;
}
