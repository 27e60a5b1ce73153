/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The same device behind virtio-mmio and virtio-pci registers. */
#include "fake.h"

#include <virtio/driver/pci.h>
#include <virtio/mmio.h>
#include <virtio/pci.h>

#include <string.h>

static void
set_low (uint64_t *to, uint32_t value)
{
  *to = (*to & ~0xffffffffull) | value;
}

static void
set_high (uint64_t *to, uint32_t value)
{
  *to = (*to & 0xffffffffull) | (uint64_t) value << 32;
}

static uint32_t
half (uint64_t value, uint32_t select)
{
  return select > 1 ? 0 : (uint32_t) (value >> (32 * select));
}

static void
set_half (uint64_t *to, uint32_t select, uint32_t value)
{
  if (select == 0)
    set_low (to, value);
  else if (select == 1)
    set_high (to, value);
}

static struct fake_queue *
selected (struct fake_device *device)
{
  static struct fake_queue none;

  return device->queue_sel < FAKE_QUEUES ? &device->queues[device->queue_sel] : &none;
}

static uint32_t
config_read (struct fake_device *device, uint32_t offset, unsigned width)
{
  uint32_t value = 0;

  if (offset + width <= FAKE_CONFIG)
    memcpy (&value, device->config + offset, width);
  return value;
}

static void
config_write (struct fake_device *device, uint32_t offset, unsigned width, uint32_t value)
{
  if (offset + width <= FAKE_CONFIG)
    memcpy (device->config + offset, &value, width);
  else
    device->platform->wrong = "configuration written where nothing is";
}

static void
enable_selected (struct fake_device *device, uint32_t value)
{
  struct virtio_queue_setup setup = selected (device)->setup;

  if (value)
    fake_enable (device, (uint16_t) device->queue_sel, &setup);
}

static void
reset_selected (struct fake_device *device, uint32_t value)
{
  if (value != 1)
    device->platform->wrong = "a queue's reset is asked for by 1";
  fake_queue_reset (device, (uint16_t) (device->queue_sel % FAKE_QUEUES));
}

uint32_t
fake_mmio_read (struct fake_device *device, uint32_t reg, unsigned width)
{
  if (device->gone)
    return 0xffffffffu;
  if (reg >= VIRTIO_MMIO_CONFIG)
    return config_read (device, reg - VIRTIO_MMIO_CONFIG, width);
  if (width != 4)
    device->platform->wrong = "a register read that is not 32 bits wide";
  switch (reg)
    {
    case VIRTIO_MMIO_MAGIC_VALUE:
      return VIRTIO_MMIO_MAGIC;
    case VIRTIO_MMIO_VERSION:
      return VIRTIO_MMIO_VERSION_MODERN;
    case VIRTIO_MMIO_DEVICE_ID:
      return device->transport.device_id;
    case VIRTIO_MMIO_DEVICE_FEATURES:
      return half (device->offered, device->device_sel);
    case VIRTIO_MMIO_QUEUE_SIZE_MAX:
      return selected (device)->max;
    case VIRTIO_MMIO_QUEUE_READY:
      return selected (device)->enabled;
    case VIRTIO_MMIO_QUEUE_RESET:
      return fake_queue_resetting (device, (uint16_t) (device->queue_sel % FAKE_QUEUES));
    case VIRTIO_MMIO_INTERRUPT_STATUS:
      return device->interrupts | 0x80; /* undefined bits are to be ignored */
    case VIRTIO_MMIO_STATUS:
      return fake_get_status (device);
    case VIRTIO_MMIO_CONFIG_GENERATION:
      return device->restless ? device->generation++ : device->generation;
    default:
      device->platform->wrong = "a register read that cannot be read";
      return 0;
    }
}

void
fake_mmio_write (struct fake_device *device, uint32_t reg, unsigned width, uint32_t value)
{
  struct virtio_queue_setup *setup = &selected (device)->setup;

  if (reg >= VIRTIO_MMIO_CONFIG)
    {
      config_write (device, reg - VIRTIO_MMIO_CONFIG, width, value);
      return;
    }
  if (width != 4)
    device->platform->wrong = "a register write that is not 32 bits wide";
  switch (reg)
    {
    case VIRTIO_MMIO_DEVICE_FEATURES_SEL: device->device_sel = value; break;
    case VIRTIO_MMIO_DRIVER_FEATURES_SEL: device->driver_sel = value; break;
    case VIRTIO_MMIO_DRIVER_FEATURES: set_half (&device->driver_features, device->driver_sel, value); break;
    case VIRTIO_MMIO_QUEUE_SEL: device->queue_sel = value; break;
    case VIRTIO_MMIO_QUEUE_SIZE: setup->size = (uint16_t) value; break;
    case VIRTIO_MMIO_QUEUE_READY: enable_selected (device, value); break;
    case VIRTIO_MMIO_QUEUE_RESET: reset_selected (device, value); break;
    case VIRTIO_MMIO_QUEUE_NOTIFY: fake_notify (device, (uint16_t) (value % FAKE_QUEUES), value); break;
    case VIRTIO_MMIO_INTERRUPT_ACK:
      if (value & ~3u)
        device->platform->wrong = "an undefined interrupt was acknowledged";
      device->interrupts &= ~value;
      break;
    case VIRTIO_MMIO_STATUS: fake_status (device, (uint8_t) value); break;
    case VIRTIO_MMIO_QUEUE_DESC_LOW: set_low (&setup->desc, value); break;
    case VIRTIO_MMIO_QUEUE_DESC_HIGH: set_high (&setup->desc, value); break;
    case VIRTIO_MMIO_QUEUE_DRIVER_LOW: set_low (&setup->driver, value); break;
    case VIRTIO_MMIO_QUEUE_DRIVER_HIGH: set_high (&setup->driver, value); break;
    case VIRTIO_MMIO_QUEUE_DEVICE_LOW: set_low (&setup->device, value); break;
    case VIRTIO_MMIO_QUEUE_DEVICE_HIGH: set_high (&setup->device, value); break;
    default: device->platform->wrong = "a register written that cannot be written"; break;
    }
}

/* ---- PCI: BAR 4 has common, ISR, device and doorbells a page each ---- */

#define COMMON(field) offsetof (struct virtio_pci_common_cfg, field)
#define BAR 4
#define ISR_AT 0x1000u
#define DEVICE_AT 0x2000u
#define NOTIFY_AT 0x3000u

static uint32_t
common_read (struct fake_device *device, uint32_t offset)
{
  switch (offset)
    {
    case COMMON (device_feature): return half (device->offered, device->device_sel);
    case COMMON (num_queues): return FAKE_QUEUES;
    case COMMON (device_status): return fake_get_status (device);
    case COMMON (config_generation):
      return (uint8_t) (device->restless ? device->generation++ : device->generation);
    case COMMON (queue_size):
      return selected (device)->setup.size ? selected (device)->setup.size : selected (device)->max;
    case COMMON (queue_msix_vector): return VIRTIO_NO_VECTOR;
    case COMMON (queue_enable): return selected (device)->enabled;
    case COMMON (queue_notify_off): return device->notify_off[device->queue_sel % FAKE_QUEUES];
    case COMMON (queue_notif_config_data): return device->queue_sel;
    case COMMON (queue_reset): return fake_queue_resetting (device, (uint16_t) (device->queue_sel % FAKE_QUEUES));
    default:
      device->platform->wrong = "a field read that nobody needs";
      return 0;
    }
}

uint32_t
fake_pci_read (struct fake_device *device, uint32_t offset, unsigned width)
{
  uint32_t pending = device->interrupts;

  if (device->gone)
    return 0xffffffffu;
  if (offset < ISR_AT)
    return common_read (device, offset);
  if (offset >= DEVICE_AT && offset < NOTIFY_AT)
    return config_read (device, offset - DEVICE_AT, width);
  device->interrupts = 0;
  return pending;
}

static void
common_write (struct fake_device *device, uint32_t offset, uint32_t value)
{
  struct virtio_queue_setup *setup = &selected (device)->setup;

  switch (offset)
    {
    case COMMON (device_feature_select): device->device_sel = value; break;
    case COMMON (driver_feature_select): device->driver_sel = value; break;
    case COMMON (driver_feature): set_half (&device->driver_features, device->driver_sel, value); break;
    case COMMON (device_status): fake_status (device, (uint8_t) value); break;
    case COMMON (queue_select): device->queue_sel = value; break;
    case COMMON (queue_size): setup->size = (uint16_t) value; break;
    case COMMON (queue_msix_vector): break;
    case COMMON (queue_enable): enable_selected (device, value); break;
    case COMMON (queue_reset): reset_selected (device, value); break;
    case COMMON (queue_desc): set_low (&setup->desc, value); break;
    case COMMON (queue_desc) + 4: set_high (&setup->desc, value); break;
    case COMMON (queue_driver): set_low (&setup->driver, value); break;
    case COMMON (queue_driver) + 4: set_high (&setup->driver, value); break;
    case COMMON (queue_device): set_low (&setup->device, value); break;
    case COMMON (queue_device) + 4: set_high (&setup->device, value); break;
    default: device->platform->wrong = "a field written that cannot be written"; break;
    }
}

void
fake_pci_write (struct fake_device *device, uint32_t offset, unsigned width, uint32_t value)
{
  if (offset < ISR_AT)
    common_write (device, offset, value);
  else if (offset >= NOTIFY_AT)
    {
      bool with_data = fake_has (device, VIRTIO_F_NOTIFICATION_DATA);

      if (width != (with_data ? 4u : 2u))
        device->platform->wrong = "a doorbell of another width";
      for (uint16_t i = 0; i < FAKE_QUEUES; i++)
        if (device->queues[i].enabled
            && offset - NOTIFY_AT == device->notify_off[i] * device->notify_multiplier)
          fake_notify (device, i, value);
    }
  else if (offset >= DEVICE_AT)
    config_write (device, offset - DEVICE_AT, width, value);
  else
    device->platform->wrong = "a write where nothing is";
}

static uint32_t
space_read (void *ctx, uint32_t offset, unsigned width)
{
  struct fake_device *device = ctx;
  uint32_t value = 0;

  if (offset + width > sizeof device->pci)
    device->platform->wrong = "beyond configuration space";
  else
    memcpy (&value, device->pci + offset, width);
  return value;
}

static void
space_write (void *ctx, uint32_t offset, unsigned width, uint32_t value)
{
  struct fake_device *device = ctx;

  if (offset == 0x04)
    memcpy (device->pci + offset, &value, 2);
  else if (offset == 0x10 + 4 * BAR)
    {
      value &= ~(FAKE_PCI_BYTES - 1);
      memcpy (device->pci + offset, &value, 4);
    }
  else if (offset < 0x10 || offset >= 0x28 || width != 4)
    device->platform->wrong = "configuration space written";
}

void
fake_pci_cap (struct fake_device *device, uint8_t at, uint8_t next, uint8_t type, uint8_t bar,
              uint32_t offset, uint32_t length)
{
  struct virtio_pci_notify_cap cap = { .cap = { VIRTIO_PCI_CAP_ID, next, 16, type, bar, 0, { 0, 0 },
                                                offset, length },
                                       .notify_off_multiplier = device->notify_multiplier };

  cap.cap.cap_len = type == VIRTIO_PCI_CAP_NOTIFY_CFG ? sizeof cap : sizeof cap.cap;
  memcpy (device->pci + at, &cap, cap.cap.cap_len);
}

void
fake_pci_init (struct fake_device *device, struct virtio_pci_config *config)
{
  uint16_t ids[2] = { VIRTIO_PCI_VENDOR,
                      (uint16_t) (VIRTIO_PCI_DEVICE_MODERN + device->transport.device_id) };

  memset (device->pci, 0, sizeof device->pci);
  memcpy (device->pci, ids, sizeof ids);
  device->pci[0x06] = 0x10; /* has capabilities */
  memcpy (device->pci + 0x10 + 4 * BAR, &(uint32_t) { FAKE_PCI_BASE }, 4);
  device->pci[0x34] = 0x40;
  fake_pci_cap (device, 0x40, 0x50, VIRTIO_PCI_CAP_COMMON_CFG, BAR, 0, 64);
  fake_pci_cap (device, 0x50, 0x60, VIRTIO_PCI_CAP_ISR_CFG, BAR, ISR_AT, 1);
  fake_pci_cap (device, 0x60, 0x70, VIRTIO_PCI_CAP_DEVICE_CFG, BAR, DEVICE_AT, FAKE_CONFIG);
  fake_pci_cap (device, 0x70, 0, VIRTIO_PCI_CAP_NOTIFY_CFG, BAR, NOTIFY_AT, 0x1000);
  *config = (struct virtio_pci_config) { space_read, space_write, device };
}
