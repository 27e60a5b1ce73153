/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mmio.h"

#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <virtio/device.h>
#include <virtio/mmio.h>

#include "host-side/vmm/core/log.h"
#include "host-side/vmm/machine/layout.h"

#define VENDOR 0x4c545650u /* "PVTL" */

/* ---- what the device calls ---- */

static void
interrupt (struct virtio_mmio *mmio, uint32_t bit)
{
  atomic_fetch_or (&mmio->interrupts, bit);
  eventfd_write (mmio->irq_fd, 1);
}

static void
notify (void *data, unsigned q)
{
  interrupt (data, VIRTIO_MMIO_INT_QUEUE);
}

static void
config_changed (void *data)
{
  interrupt (data, VIRTIO_MMIO_INT_CONFIG);
}

/* Given up: the driver learns it by a change of the configuration (2.1.2). */
static void
broken (void *data)
{
  struct virtio_mmio *mmio = data;
  uint32_t before = atomic_fetch_or (&mmio->status, VIRTIO_STATUS_NEEDS_RESET);

  if (before & VIRTIO_STATUS_DRIVER_OK && !(before & VIRTIO_STATUS_NEEDS_RESET))
    interrupt (mmio, VIRTIO_MMIO_INT_CONFIG);
}

static const struct vdev_transport transport = { notify, config_changed, broken };

/* ---- what the driver does ---- */

static void
reset (struct virtio_mmio *mmio)
{
  vdev_reset (mmio->dev);
  memset (mmio->queues, 0, sizeof mmio->queues);
  memset (mmio->ready, 0, sizeof mmio->ready);
  mmio->device_features_sel = mmio->driver_features_sel = mmio->queue_sel = 0;
  mmio->driver_features = 0;
  atomic_store (&mmio->status, 0);
  atomic_store (&mmio->interrupts, 0);
}

/* Queues run from DRIVER_OK on, with what was configured then (2.1: no buffer is
 * consumed before). */
static void
start_queue (struct virtio_mmio *mmio, unsigned q)
{
  mmio->queues[q].features = mmio->dev->accepted;
  if (vdev_queue_start (mmio->dev, q, &mmio->queues[q], NULL, mmio->kick[q]) < 0)
    {
      vmm_log_guest ("%s: queue %u has a bad configuration", mmio->dev->kind, q);
      broken (mmio);
    }
}

static void
write_status (struct virtio_mmio *mmio, uint32_t value)
{
  uint32_t now = atomic_load (&mmio->status), gained;

  if (value == 0)
    {
      reset (mmio);
      return;
    }
  gained = value & 0xff & ~now & ~VIRTIO_STATUS_NEEDS_RESET;
  if (gained & VIRTIO_STATUS_FEATURES_OK && vdev_accept (mmio->dev, mmio->driver_features) < 0)
    gained &= ~VIRTIO_STATUS_FEATURES_OK;
  /* DRIVER_OK means nothing without agreed features. */
  if (gained & VIRTIO_STATUS_DRIVER_OK && !((now | gained) & VIRTIO_STATUS_FEATURES_OK))
    gained &= ~VIRTIO_STATUS_DRIVER_OK;
  atomic_fetch_or (&mmio->status, gained);
  if (gained & VIRTIO_STATUS_DRIVER_OK)
    for (unsigned q = 0; q < mmio->dev->n_queues; q++)
      if (mmio->ready[q])
        start_queue (mmio, q);
}

static void
write_ready (struct virtio_mmio *mmio, unsigned q, uint32_t value)
{
  if (value == 1 && !mmio->ready[q])
    {
      mmio->ready[q] = true;
      if (atomic_load (&mmio->status) & VIRTIO_STATUS_DRIVER_OK)
        start_queue (mmio, q);
    }
  else if (value == 0 && mmio->ready[q])
    {
      vdev_queue_stop (mmio->dev, q);
      mmio->ready[q] = false;
    }
}

static void
set_half (uint64_t *whole, bool high, uint32_t value)
{
  unsigned shift = high ? 32 : 0;

  *whole = (*whole & ~(UINT64_C (0xffffffff) << shift)) | (uint64_t) value << shift;
}

/* The selected queue's registers: frozen from READY on, so that nothing changes
 * behind what was checked. */
static void
write_queue (struct virtio_mmio *mmio, uint64_t offset, uint32_t value)
{
  uint32_t q = mmio->queue_sel;
  struct virtq_config *config;

  if (q >= mmio->dev->n_queues)
    return;
  config = &mmio->queues[q];
  if (offset == VIRTIO_MMIO_QUEUE_READY)
    write_ready (mmio, q, value);
  else if (mmio->ready[q])
    return;
  else if (offset == VIRTIO_MMIO_QUEUE_SIZE)
    config->size = value <= mmio->dev->queues[q].size_max ? (uint16_t) value : 0;
  else if (offset == VIRTIO_MMIO_QUEUE_DESC_LOW || offset == VIRTIO_MMIO_QUEUE_DESC_HIGH)
    set_half (&config->desc, offset == VIRTIO_MMIO_QUEUE_DESC_HIGH, value);
  else if (offset == VIRTIO_MMIO_QUEUE_DRIVER_LOW || offset == VIRTIO_MMIO_QUEUE_DRIVER_HIGH)
    set_half (&config->driver, offset == VIRTIO_MMIO_QUEUE_DRIVER_HIGH, value);
  else if (offset == VIRTIO_MMIO_QUEUE_DEVICE_LOW || offset == VIRTIO_MMIO_QUEUE_DEVICE_HIGH)
    set_half (&config->device, offset == VIRTIO_MMIO_QUEUE_DEVICE_HIGH, value);
}

static void
write_register (struct virtio_mmio *mmio, uint64_t offset, uint32_t value)
{
  switch (offset)
    {
    case VIRTIO_MMIO_DEVICE_FEATURES_SEL:
      mmio->device_features_sel = value;
      break;
    case VIRTIO_MMIO_DRIVER_FEATURES_SEL:
      mmio->driver_features_sel = value;
      break;
    case VIRTIO_MMIO_DRIVER_FEATURES:
      if (mmio->driver_features_sel < 2
          && !(atomic_load (&mmio->status) & VIRTIO_STATUS_FEATURES_OK))
        set_half (&mmio->driver_features, mmio->driver_features_sel == 1, value);
      break;
    case VIRTIO_MMIO_QUEUE_SEL:
      mmio->queue_sel = value;
      break;
    case VIRTIO_MMIO_QUEUE_NOTIFY: /* a doorbell that no ioeventfd caught */
      vdev_kick (mmio->dev, value & 0xffff);
      break;
    case VIRTIO_MMIO_INTERRUPT_ACK:
      atomic_fetch_and (&mmio->interrupts, ~value);
      break;
    case VIRTIO_MMIO_STATUS:
      write_status (mmio, value);
      break;
    default:
      write_queue (mmio, offset, value);
    }
}

static uint32_t
read_register (struct virtio_mmio *mmio, uint64_t offset)
{
  bool queue = mmio->queue_sel < mmio->dev->n_queues;

  switch (offset)
    {
    case VIRTIO_MMIO_MAGIC_VALUE:
      return VIRTIO_MMIO_MAGIC;
    case VIRTIO_MMIO_VERSION:
      return VIRTIO_MMIO_VERSION_MODERN;
    case VIRTIO_MMIO_DEVICE_ID:
      return mmio->dev->id;
    case VIRTIO_MMIO_VENDOR_ID:
      return VENDOR;
    case VIRTIO_MMIO_DEVICE_FEATURES:
      return mmio->device_features_sel < 2
               ? (uint32_t) (mmio->dev->features >> 32 * mmio->device_features_sel)
               : 0;
    case VIRTIO_MMIO_QUEUE_SIZE_MAX:
      return queue ? mmio->dev->queues[mmio->queue_sel].size_max : 0;
    case VIRTIO_MMIO_QUEUE_READY:
      return queue && mmio->ready[mmio->queue_sel];
    case VIRTIO_MMIO_INTERRUPT_STATUS:
      return atomic_load (&mmio->interrupts);
    case VIRTIO_MMIO_STATUS:
      return atomic_load (&mmio->status);
    case VIRTIO_MMIO_CONFIG_GENERATION:
      return mmio->dev->config_generation;
    case VIRTIO_MMIO_SHM_LEN_LOW: /* no shared memory: all ones (4.2.2) */
    case VIRTIO_MMIO_SHM_LEN_HIGH:
    case VIRTIO_MMIO_SHM_BASE_LOW:
    case VIRTIO_MMIO_SHM_BASE_HIGH:
      return UINT32_MAX;
    default:
      return 0;
    }
}

static void
access_registers (void *device, uint64_t offset, void *bytes, unsigned len, bool write)
{
  struct virtio_mmio *mmio = device;
  uint32_t value;

  pthread_mutex_lock (&mmio->lock);
  if (offset >= VIRTIO_MMIO_CONFIG && write)
    vdev_write_config (mmio->dev, (unsigned) (offset - VIRTIO_MMIO_CONFIG), bytes, len);
  else if (offset >= VIRTIO_MMIO_CONFIG)
    vdev_read_config (mmio->dev, (unsigned) (offset - VIRTIO_MMIO_CONFIG), bytes, len);
  else if (len == 4 && offset % 4 == 0 && write)
    {
      memcpy (&value, bytes, 4);
      write_register (mmio, offset, value);
    }
  else if (len == 4 && offset % 4 == 0)
    {
      value = read_register (mmio, offset);
      memcpy (bytes, &value, 4);
    }
  pthread_mutex_unlock (&mmio->lock);
}

int
virtio_mmio_init (struct virtio_mmio *mmio, struct vm *vm, struct vdev *dev, unsigned slot)
{
  int ret;

  mmio->dev = dev;
  mmio->vm = vm;
  mmio->base = MAP_VIRTIO_MMIO + slot * MAP_VIRTIO_MMIO_STEP;
  for (unsigned q = 0; q < dev->n_queues; q++)
    mmio->kick[q] = -1;
  pthread_mutex_init (&mmio->lock, NULL);
  vdev_attach (dev, &vm->memory, &transport, mmio);
  ret = mmio->irq_fd = vm_irqfd (vm, GSI_VIRTIO + slot);
  for (unsigned q = 0; q < dev->n_queues && ret >= 0; q++)
    {
      ret = mmio->kick[q] = eventfd (0, EFD_CLOEXEC | EFD_NONBLOCK);
      if (ret >= 0)
        ret = vm_ioeventfd (vm, mmio->base + VIRTIO_MMIO_QUEUE_NOTIFY, q, mmio->kick[q]);
    }
  if (ret < 0)
    return ret;
  return bus_add (&vm->mmio, mmio->base, MAP_VIRTIO_MMIO_STEP, access_registers, mmio);
}

void
virtio_mmio_finish (struct virtio_mmio *mmio)
{
  vdev_reset (mmio->dev);
  vdev_attach (mmio->dev, NULL, NULL, NULL);
  for (unsigned q = 0; q < mmio->dev->n_queues; q++)
    if (mmio->kick[q] >= 0)
      close (mmio->kick[q]);
  if (mmio->irq_fd >= 0)
    close (mmio->irq_fd);
  pthread_mutex_destroy (&mmio->lock);
}
