/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The common configuration structure (4.1.4.3). */
#include "pci.h"

#include <string.h>

#include <virtio/device.h>
#include <virtio/pci.h>

#define COMMON(field) offsetof (struct virtio_pci_common_cfg, field)

/* A queue is as large as it can be until the driver says otherwise (4.1.4.3.1). */
static void
forget_queue (struct virtio_pci *pci, unsigned q)
{
  atomic_store (&pci->queue_vector[q], VIRTIO_NO_VECTOR);
  pci->regs.queues[q].size = pci->regs.dev->queues[q].size_max;
}

void
virtio_pci_forget (struct virtio_pci *pci)
{
  const struct vdev *dev = pci->regs.dev;

  atomic_store (&pci->isr, 0);
  atomic_store (&pci->config_vector, VIRTIO_NO_VECTOR);
  for (unsigned q = 0; q < dev->n_queues; q++)
    forget_queue (pci, q);
}

/* One we do not have reads back as none (4.1.5.1.2.1). */
static void
set_vector (struct virtio_pci *pci, _Atomic uint16_t *vector, uint32_t value)
{
  atomic_store (vector, value < pci->msix.n ? (uint16_t) value : VIRTIO_NO_VECTOR);
}

/* The width of the field that begins at @offset; 0 for none. 64-bit fields are
 * accessed in halves (4.1.3.1). */
static unsigned
width_at (uint64_t offset)
{
  if (offset >= COMMON (queue_desc))
    return offset < VIRTIO_PCI_COMMON_CFG_V1_0 && offset % 4 == 0 ? 4
           : offset == COMMON (queue_notif_config_data) || offset == COMMON (queue_reset) ? 2
                                                                                         : 0;
  if (offset >= COMMON (queue_select))
    return offset % 2 == 0 ? 2 : 0;
  if (offset == COMMON (device_status) || offset == COMMON (config_generation))
    return 1;
  if (offset == COMMON (config_msix_vector) || offset == COMMON (num_queues))
    return 2;
  return offset < COMMON (config_msix_vector) && offset % 4 == 0 ? 4 : 0;
}

static void
write_queue (struct virtio_pci *pci, uint64_t offset, uint32_t value)
{
  struct registers *regs = &pci->regs;
  struct virtq_config *config = registers_queue (regs);

  if (offset == COMMON (queue_msix_vector) && regs->queue_sel < regs->dev->n_queues)
    set_vector (pci, &pci->queue_vector[regs->queue_sel], value);
  else if (offset == COMMON (queue_reset) && value == 1)
    {
      if (registers_reset_queue (regs))
        forget_queue (pci, regs->queue_sel);
    }
  else if (config == NULL)
    return;
  else if (offset == COMMON (queue_size))
    config->size = value <= regs->dev->queues[regs->queue_sel].size_max ? (uint16_t) value
                                                                        : config->size;
  else if (offset == COMMON (queue_enable) && value == 1)
    registers_enable (regs);
  else if ((offset & ~UINT64_C (4)) == COMMON (queue_desc))
    registers_set_half (&config->desc, offset & 4, value);
  else if ((offset & ~UINT64_C (4)) == COMMON (queue_driver))
    registers_set_half (&config->driver, offset & 4, value);
  else if ((offset & ~UINT64_C (4)) == COMMON (queue_device))
    registers_set_half (&config->device, offset & 4, value);
}

static void
write_common (struct virtio_pci *pci, uint64_t offset, uint32_t value)
{
  struct registers *regs = &pci->regs;

  switch (offset)
    {
    case COMMON (device_feature_select):
      regs->device_features_sel = value;
      break;
    case COMMON (driver_feature_select):
      regs->driver_features_sel = value;
      break;
    case COMMON (driver_feature):
      registers_accept (regs, value);
      break;
    case COMMON (config_msix_vector):
      set_vector (pci, &pci->config_vector, value);
      break;
    case COMMON (device_status):
      registers_set_status (regs, value);
      if (value == 0)
        virtio_pci_forget (pci);
      break;
    case COMMON (queue_select):
      regs->queue_sel = value;
      break;
    default:
      write_queue (pci, offset, value);
    }
}

static uint32_t
read_queue (const struct virtio_pci *pci, uint64_t offset)
{
  uint32_t q = pci->regs.queue_sel;
  const struct virtq_config *config;

  if (q >= pci->regs.dev->n_queues)
    return 0; /* a queue of no size: there is none */
  config = &pci->regs.queues[q];
  switch (offset)
    {
    case COMMON (queue_size):
      return config->size;
    case COMMON (queue_msix_vector):
      return atomic_load (&pci->queue_vector[q]);
    case COMMON (queue_enable):
      return pci->regs.ready[q];
    case COMMON (queue_notify_off):
      return q;
    case COMMON (queue_notif_config_data): /* NOTIF_CONFIG_DATA is not offered */
      return 0;
    case COMMON (queue_reset):
      return registers_queue_resetting (&pci->regs);
    default:
      break;
    }
  offset -= COMMON (queue_desc);
  return (uint32_t) ((offset < 8 ? config->desc : offset < 16 ? config->driver : config->device)
                     >> (offset & 4 ? 32 : 0));
}

static uint32_t
read_common (struct virtio_pci *pci, uint64_t offset)
{
  struct registers *regs = &pci->regs;

  switch (offset)
    {
    case COMMON (device_feature_select):
      return regs->device_features_sel;
    case COMMON (device_feature):
      return registers_offered (regs);
    case COMMON (driver_feature_select):
      return regs->driver_features_sel;
    case COMMON (driver_feature):
      return regs->driver_features_sel < 2
               ? (uint32_t) (regs->driver_features >> 32 * regs->driver_features_sel)
               : 0;
    case COMMON (config_msix_vector):
      return atomic_load (&pci->config_vector);
    case COMMON (num_queues):
      return regs->dev->n_queues;
    case COMMON (device_status):
      return registers_status (regs);
    case COMMON (config_generation):
      return regs->dev->config_generation;
    case COMMON (queue_select):
      return regs->queue_sel;
    default:
      return read_queue (pci, offset);
    }
}

void
virtio_pci_access_common (struct virtio_pci *pci, uint64_t offset, void *bytes, unsigned len,
                          bool write)
{
  struct vdev *dev = pci->regs.dev;
  bool whole = width_at (offset) == len;
  uint32_t value = 0;

  if (write)
    memcpy (&value, bytes, len < sizeof value ? len : sizeof value);
  else if (whole)
    {
      value = read_common (pci, offset);
      memcpy (bytes, &value, len);
    }
  if (dev->hooks)
    vdev_hooks_access (dev, VDEV_BUS_PCI_COMMON, offset, len, value, write);
  if (write && whole)
    write_common (pci, offset, value);
}
