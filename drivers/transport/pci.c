/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "pci.h"

#include <virtio/driver/mem.h>

#define COMMON(field) offsetof (struct virtio_pci_common_cfg, field)

static struct virtio_pci *
pci_of (struct virtio_transport *transport)
{
  return (struct virtio_pci *) transport; /* its first member */
}

static uint32_t
get (struct virtio_pci *pci, uint32_t offset, unsigned width)
{
  const struct virtio_hal *hal = pci->transport.hal;

  return hal->ops->read (hal->ctx, pci->common.base + offset, width);
}

static void
set (struct virtio_pci *pci, uint32_t offset, unsigned width, uint32_t value)
{
  const struct virtio_hal *hal = pci->transport.hal;

  hal->ops->write (hal->ctx, pci->common.base + offset, width, value);
}

static uint8_t
get_status (struct virtio_transport *transport)
{
  return (uint8_t) get (pci_of (transport), COMMON (device_status), 1);
}

static void
set_status (struct virtio_transport *transport, uint8_t status)
{
  set (pci_of (transport), COMMON (device_status), 1, status);
}

static uint64_t
get_features (struct virtio_transport *transport)
{
  struct virtio_pci *pci = pci_of (transport);
  uint64_t features;

  set (pci, COMMON (device_feature_select), 4, 0);
  features = get (pci, COMMON (device_feature), 4);
  set (pci, COMMON (device_feature_select), 4, 1);
  features |= (uint64_t) get (pci, COMMON (device_feature), 4) << 32;
  if (pci->common.length < COMMON (queue_notif_config_data) + 2)
    features &= ~VIRTIO_BIT (VIRTIO_F_NOTIF_CONFIG_DATA); /* offered without its register */
  if (pci->common.length < COMMON (queue_reset) + 2)
    features &= ~VIRTIO_BIT (VIRTIO_F_RING_RESET); /* the same */
  return features;
}

static void
set_features (struct virtio_transport *transport, uint64_t features)
{
  struct virtio_pci *pci = pci_of (transport);

  set (pci, COMMON (driver_feature_select), 4, 0);
  set (pci, COMMON (driver_feature), 4, (uint32_t) features);
  set (pci, COMMON (driver_feature_select), 4, 1);
  set (pci, COMMON (driver_feature), 4, (uint32_t) (features >> 32));
}

static uint32_t
generation (struct virtio_transport *transport)
{
  return get (pci_of (transport), COMMON (config_generation), 1);
}

static uint32_t
config_read (struct virtio_transport *transport, uint32_t offset, unsigned width)
{
  return transport->hal->ops->read (transport->hal->ctx, pci_of (transport)->device.base + offset,
                                    width);
}

static void
config_write (struct virtio_transport *transport, uint32_t offset, unsigned width, uint32_t value)
{
  transport->hal->ops->write (transport->hal->ctx, pci_of (transport)->device.base + offset, width,
                              value);
}

static uint16_t
queue_max (struct virtio_transport *transport, uint16_t index)
{
  struct virtio_pci *pci = pci_of (transport);
  uint32_t max;

  if (index >= pci->num_queues || index >= VIRTIO_PCI_QUEUES)
    return 0;
  set (pci, COMMON (queue_select), 2, index);
  max = get (pci, COMMON (queue_size), 2);
  return max > VIRTIO_QUEUE_SIZE_MAX ? 0 : (uint16_t) max;
}

/* 4.1.4.4: the doorbell is where queue_notify_off says, and inside its structure. */
static int
find_doorbell (struct virtio_pci *pci, uint16_t index)
{
  uint64_t features = pci->transport.features;
  unsigned width = features & VIRTIO_BIT (VIRTIO_F_NOTIFICATION_DATA) ? 4 : 2;
  uint64_t offset = (uint64_t) get (pci, COMMON (queue_notify_off), 2) * pci->notify_multiplier;

  if (offset + width > pci->notify.length || offset % width)
    return -VIRTIO_EPROTO;
  pci->doorbell[index] = pci->notify.base + offset;
  pci->doorbell_data[index] = index;
  if (features & VIRTIO_BIT (VIRTIO_F_NOTIF_CONFIG_DATA))
    pci->doorbell_data[index] = (uint16_t) get (pci, COMMON (queue_notif_config_data), 2);
  return 0;
}

/* 4.1.4.3.2: 64-bit fields as two halves. */
static void
set_address (struct virtio_pci *pci, uint32_t offset, uint64_t address)
{
  set (pci, offset, 4, (uint32_t) address);
  set (pci, offset + 4, 4, (uint32_t) (address >> 32));
}

static int
queue_enable (struct virtio_transport *transport, uint16_t index,
              const struct virtio_queue_setup *setup)
{
  struct virtio_pci *pci = pci_of (transport);
  int error;

  set (pci, COMMON (queue_select), 2, index);
  if (get (pci, COMMON (queue_enable), 2)) /* after a reset it cannot be */
    return -VIRTIO_EIO;
  error = find_doorbell (pci, index);
  if (error)
    return error;
  set (pci, COMMON (queue_size), 2, setup->size);
  if (get (pci, COMMON (queue_size), 2) != setup->size)
    return -VIRTIO_EIO;
  set (pci, COMMON (queue_msix_vector), 2, setup->vector);
  if (get (pci, COMMON (queue_msix_vector), 2) != setup->vector) /* 4.1.5.1.2.2 */
    return -VIRTIO_EAGAIN;
  set_address (pci, COMMON (queue_desc), setup->desc);
  set_address (pci, COMMON (queue_driver), setup->driver);
  set_address (pci, COMMON (queue_device), setup->device);
  set (pci, COMMON (queue_enable), 2, 1);
  return 0;
}

static void
queue_reset (struct virtio_transport *transport, uint16_t index)
{
  struct virtio_pci *pci = pci_of (transport);

  set (pci, COMMON (queue_select), 2, index);
  set (pci, COMMON (queue_reset), 2, 1);
}

/* 4.1.4.3.1: both are 0 then. */
static bool
queue_is_reset (struct virtio_transport *transport, uint16_t index)
{
  struct virtio_pci *pci = pci_of (transport);

  set (pci, COMMON (queue_select), 2, index);
  return get (pci, COMMON (queue_reset), 2) == 0 && get (pci, COMMON (queue_enable), 2) == 0;
}

/* 4.1.5.2: 16 bits, or 32 with NOTIFICATION_DATA. */
static void
notify (struct virtio_transport *transport, uint16_t index, uint32_t data)
{
  struct virtio_pci *pci = pci_of (transport);
  unsigned width = transport->features & VIRTIO_BIT (VIRTIO_F_NOTIFICATION_DATA) ? 4 : 2;

  data = (data & 0xffff0000u) | pci->doorbell_data[index];
  transport->hal->ops->write (transport->hal->ctx, pci->doorbell[index], width, data);
}

static uint32_t
interrupts (struct virtio_transport *transport)
{
  const struct virtio_hal *hal = transport->hal;

  return hal->ops->read (hal->ctx, pci_of (transport)->isr.base, 1)
         & (VIRTIO_PCI_ISR_QUEUE | VIRTIO_PCI_ISR_CONFIG);
}

static const struct virtio_transport_ops pci_ops = {
  .get_status = get_status,
  .set_status = set_status,
  .get_features = get_features,
  .set_features = set_features,
  .generation = generation,
  .config_read = config_read,
  .config_write = config_write,
  .queue_max = queue_max,
  .queue_enable = queue_enable,
  .queue_reset = queue_reset,
  .queue_is_reset = queue_is_reset,
  .notify = notify,
  .interrupts = interrupts,
};

/* 4.1.2: modern ids are 0x1040 + type; transitional ones have ids of their own. */
static uint16_t
device_type (uint16_t id)
{
  static const uint8_t transitional[] = {
    [VIRTIO_PCI_TRANSITIONAL_NET - VIRTIO_PCI_DEVICE_FIRST] = VIRTIO_ID_NET,
    [VIRTIO_PCI_TRANSITIONAL_BLOCK - VIRTIO_PCI_DEVICE_FIRST] = VIRTIO_ID_BLOCK,
    [VIRTIO_PCI_TRANSITIONAL_BALLOON - VIRTIO_PCI_DEVICE_FIRST] = VIRTIO_ID_BALLOON,
    [VIRTIO_PCI_TRANSITIONAL_CONSOLE - VIRTIO_PCI_DEVICE_FIRST] = VIRTIO_ID_CONSOLE,
    [VIRTIO_PCI_TRANSITIONAL_SCSI - VIRTIO_PCI_DEVICE_FIRST] = VIRTIO_ID_SCSI,
    [VIRTIO_PCI_TRANSITIONAL_RNG - VIRTIO_PCI_DEVICE_FIRST] = VIRTIO_ID_RNG,
    [VIRTIO_PCI_TRANSITIONAL_9P - VIRTIO_PCI_DEVICE_FIRST] = VIRTIO_ID_9P,
  };

  if (id >= VIRTIO_PCI_DEVICE_MODERN && id <= VIRTIO_PCI_DEVICE_LAST)
    return (uint16_t) (id - VIRTIO_PCI_DEVICE_MODERN);
  if (id >= VIRTIO_PCI_DEVICE_FIRST && id - VIRTIO_PCI_DEVICE_FIRST < sizeof transitional)
    return transitional[id - VIRTIO_PCI_DEVICE_FIRST];
  return VIRTIO_ID_NONE;
}

int
virtio_pci_open (struct virtio_pci *pci, struct virtio_hal *hal,
                 const struct virtio_pci_config *config)
{
  int error;

  memset (pci, 0, sizeof *pci);
  pci->config = *config;
  pci->transport.ops = &pci_ops;
  pci->transport.hal = hal;
  if (config->read (config->ctx, 0, 2) != VIRTIO_PCI_VENDOR)
    return -VIRTIO_ENODEV;
  pci->transport.device_id = device_type ((uint16_t) config->read (config->ctx, 2, 2));
  if (pci->transport.device_id == VIRTIO_ID_NONE)
    return -VIRTIO_ENODEV;
  error = virtio_pci_find_regions (pci);
  if (error)
    return error;
  pci->transport.config_size = pci->device.length;
  pci->num_queues = (uint16_t) get (pci, COMMON (num_queues), 2);
  return 0;
}
