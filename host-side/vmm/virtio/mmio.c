/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mmio.h"

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

  if (registers_break (&mmio->regs))
    interrupt (mmio, VIRTIO_MMIO_INT_CONFIG);
}

static const struct vdev_transport transport = { notify, config_changed, broken };

/* ---- what the driver does ---- */

static void
write_queue (struct virtio_mmio *mmio, uint64_t offset, uint32_t value)
{
  struct registers *regs = &mmio->regs;
  struct virtq_config *config = registers_queue (regs);

  if (offset == VIRTIO_MMIO_QUEUE_READY && value == 0)
    registers_disable (regs);
  else if (offset == VIRTIO_MMIO_QUEUE_READY && value == 1)
    registers_enable (regs);
  else if (offset == VIRTIO_MMIO_QUEUE_RESET && value == 1)
    registers_reset_queue (regs);
  else if (config == NULL)
    return;
  else if (offset == VIRTIO_MMIO_QUEUE_SIZE)
    config->size = value <= regs->dev->queues[regs->queue_sel].size_max ? (uint16_t) value : 0;
  else if (offset == VIRTIO_MMIO_QUEUE_DESC_LOW || offset == VIRTIO_MMIO_QUEUE_DESC_HIGH)
    registers_set_half (&config->desc, offset == VIRTIO_MMIO_QUEUE_DESC_HIGH, value);
  else if (offset == VIRTIO_MMIO_QUEUE_DRIVER_LOW || offset == VIRTIO_MMIO_QUEUE_DRIVER_HIGH)
    registers_set_half (&config->driver, offset == VIRTIO_MMIO_QUEUE_DRIVER_HIGH, value);
  else if (offset == VIRTIO_MMIO_QUEUE_DEVICE_LOW || offset == VIRTIO_MMIO_QUEUE_DEVICE_HIGH)
    registers_set_half (&config->device, offset == VIRTIO_MMIO_QUEUE_DEVICE_HIGH, value);
}

static void
write_register (struct virtio_mmio *mmio, uint64_t offset, uint32_t value)
{
  struct registers *regs = &mmio->regs;

  switch (offset)
    {
    case VIRTIO_MMIO_DEVICE_FEATURES_SEL:
      regs->device_features_sel = value;
      break;
    case VIRTIO_MMIO_DRIVER_FEATURES_SEL:
      regs->driver_features_sel = value;
      break;
    case VIRTIO_MMIO_DRIVER_FEATURES:
      registers_accept (regs, value);
      break;
    case VIRTIO_MMIO_QUEUE_SEL:
      regs->queue_sel = value;
      break;
    case VIRTIO_MMIO_QUEUE_NOTIFY: /* a doorbell that no ioeventfd caught */
      vdev_kick (regs->dev, value); /* its number, for NOTIFICATION_DATA is not offered */
      break;
    case VIRTIO_MMIO_INTERRUPT_ACK:
      atomic_fetch_and (&mmio->interrupts, ~value);
      break;
    case VIRTIO_MMIO_STATUS:
      registers_set_status (regs, value);
      if (value == 0)
        atomic_store (&mmio->interrupts, 0);
      break;
    default:
      write_queue (mmio, offset, value);
    }
}

static uint32_t
read_register (struct virtio_mmio *mmio, uint64_t offset)
{
  struct registers *regs = &mmio->regs;
  bool queue = regs->queue_sel < regs->dev->n_queues;

  switch (offset)
    {
    case VIRTIO_MMIO_MAGIC_VALUE:
      return VIRTIO_MMIO_MAGIC;
    case VIRTIO_MMIO_VERSION:
      return VIRTIO_MMIO_VERSION_MODERN;
    case VIRTIO_MMIO_DEVICE_ID:
      return regs->dev->id;
    case VIRTIO_MMIO_VENDOR_ID:
      return VENDOR;
    case VIRTIO_MMIO_DEVICE_FEATURES:
      return registers_offered (regs);
    case VIRTIO_MMIO_QUEUE_SIZE_MAX:
      return queue ? regs->dev->queues[regs->queue_sel].size_max : 0;
    case VIRTIO_MMIO_QUEUE_READY:
      return queue && regs->ready[regs->queue_sel];
    case VIRTIO_MMIO_QUEUE_RESET:
      return registers_queue_resetting (regs);
    case VIRTIO_MMIO_INTERRUPT_STATUS:
      return atomic_load (&mmio->interrupts);
    case VIRTIO_MMIO_STATUS:
      return registers_status (regs);
    case VIRTIO_MMIO_CONFIG_GENERATION:
      return regs->dev->config_generation;
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
tell_hooks (struct virtio_mmio *mmio, uint64_t offset, const void *bytes, unsigned len, bool write)
{
  uint64_t value = 0;

  memcpy (&value, bytes, len < sizeof value ? len : sizeof value);
  vdev_hooks_access (mmio->regs.dev, VDEV_BUS_MMIO, offset, len, value, write);
}

static void
access_registers (void *device, uint64_t offset, void *bytes, unsigned len, bool write)
{
  struct virtio_mmio *mmio = device;
  uint32_t value;

  pthread_mutex_lock (&mmio->lock);
  if (write && mmio->regs.dev->hooks)
    tell_hooks (mmio, offset, bytes, len, true);
  if (offset >= VIRTIO_MMIO_CONFIG && write)
    vdev_write_config (mmio->regs.dev, (unsigned) (offset - VIRTIO_MMIO_CONFIG), bytes, len);
  else if (offset >= VIRTIO_MMIO_CONFIG)
    vdev_read_config (mmio->regs.dev, (unsigned) (offset - VIRTIO_MMIO_CONFIG), bytes, len);
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
  if (!write && mmio->regs.dev->hooks)
    tell_hooks (mmio, offset, bytes, len, false);
  pthread_mutex_unlock (&mmio->lock);
}

int
virtio_mmio_init (struct virtio_mmio *mmio, struct vm *vm, struct vdev *dev, unsigned slot)
{
  int ret;

  mmio->vm = vm;
  mmio->base = MAP_VIRTIO_MMIO + slot * MAP_VIRTIO_MMIO_STEP;
  mmio->irq_fd = -1;
  pthread_mutex_init (&mmio->lock, NULL);
  vdev_attach (dev, &vm->memory, &transport, mmio);
  ret = registers_init (&mmio->regs, dev);
  if (ret == 0)
    ret = mmio->irq_fd = vm_irqfd (vm, GSI_VIRTIO + slot);
  for (unsigned q = 0; q < dev->n_queues && ret >= 0; q++)
    {
      const struct vm_doorbell doorbell = {
        mmio->base + VIRTIO_MMIO_QUEUE_NOTIFY, 4, true, q, mmio->regs.kick[q],
      };

      ret = vm_doorbell (vm, &doorbell, true);
    }
  if (ret < 0)
    return ret;
  return bus_add (&vm->mmio, mmio->base, MAP_VIRTIO_MMIO_STEP, access_registers, mmio);
}

void
virtio_mmio_reset (struct virtio_mmio *mmio)
{
  pthread_mutex_lock (&mmio->lock);
  registers_reset (&mmio->regs);
  atomic_store (&mmio->interrupts, 0);
  pthread_mutex_unlock (&mmio->lock);
}

void
virtio_mmio_finish (struct virtio_mmio *mmio)
{
  vdev_reset (mmio->regs.dev);
  vdev_attach (mmio->regs.dev, NULL, NULL, NULL);
  registers_finish (&mmio->regs);
  if (mmio->irq_fd >= 0)
    close (mmio->irq_fd);
  pthread_mutex_destroy (&mmio->lock);
}
