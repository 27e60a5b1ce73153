/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <virtio/driver/mem.h>
#include <virtio/driver/mmio.h>
#include <virtio/mmio.h>

static struct virtio_mmio *
mmio_of (struct virtio_transport *transport)
{
  return (struct virtio_mmio *) transport; /* its first member */
}

static uint32_t
get (struct virtio_mmio *mmio, uint32_t reg)
{
  const struct virtio_hal *hal = mmio->transport.hal;

  return hal->ops->read (hal->ctx, mmio->base + reg, 4);
}

static void
set (struct virtio_mmio *mmio, uint32_t reg, uint32_t value)
{
  const struct virtio_hal *hal = mmio->transport.hal;

  hal->ops->write (hal->ctx, mmio->base + reg, 4, value);
}

static uint8_t
get_status (struct virtio_transport *transport)
{
  return (uint8_t) get (mmio_of (transport), VIRTIO_MMIO_STATUS);
}

static void
set_status (struct virtio_transport *transport, uint8_t status)
{
  set (mmio_of (transport), VIRTIO_MMIO_STATUS, status);
}

static uint64_t
get_features (struct virtio_transport *transport)
{
  struct virtio_mmio *mmio = mmio_of (transport);
  uint64_t features;

  set (mmio, VIRTIO_MMIO_DEVICE_FEATURES_SEL, 0);
  features = get (mmio, VIRTIO_MMIO_DEVICE_FEATURES);
  set (mmio, VIRTIO_MMIO_DEVICE_FEATURES_SEL, 1);
  return features | (uint64_t) get (mmio, VIRTIO_MMIO_DEVICE_FEATURES) << 32;
}

static void
set_features (struct virtio_transport *transport, uint64_t features)
{
  struct virtio_mmio *mmio = mmio_of (transport);

  set (mmio, VIRTIO_MMIO_DRIVER_FEATURES_SEL, 0);
  set (mmio, VIRTIO_MMIO_DRIVER_FEATURES, (uint32_t) features);
  set (mmio, VIRTIO_MMIO_DRIVER_FEATURES_SEL, 1);
  set (mmio, VIRTIO_MMIO_DRIVER_FEATURES, (uint32_t) (features >> 32));
}

static uint32_t
generation (struct virtio_transport *transport)
{
  return get (mmio_of (transport), VIRTIO_MMIO_CONFIG_GENERATION);
}

static uint32_t
config_read (struct virtio_transport *transport, uint32_t offset, unsigned width)
{
  return transport->hal->ops->read (transport->hal->ctx,
                                    mmio_of (transport)->base + VIRTIO_MMIO_CONFIG + offset, width);
}

static void
config_write (struct virtio_transport *transport, uint32_t offset, unsigned width, uint32_t value)
{
  transport->hal->ops->write (transport->hal->ctx,
                              mmio_of (transport)->base + VIRTIO_MMIO_CONFIG + offset, width, value);
}

static uint16_t
queue_max (struct virtio_transport *transport, uint16_t index)
{
  struct virtio_mmio *mmio = mmio_of (transport);
  uint32_t max;

  set (mmio, VIRTIO_MMIO_QUEUE_SEL, index);
  max = get (mmio, VIRTIO_MMIO_QUEUE_SIZE_MAX);
  return max > VIRTIO_QUEUE_SIZE_MAX ? 0 : (uint16_t) max;
}

static void
set_address (struct virtio_mmio *mmio, uint32_t low, uint64_t address)
{
  set (mmio, low, (uint32_t) address);
  set (mmio, low + 4, (uint32_t) (address >> 32));
}

/* 4.2.3.2, virtqueue configuration. */
static int
queue_enable (struct virtio_transport *transport, uint16_t index,
              const struct virtio_queue_setup *setup)
{
  struct virtio_mmio *mmio = mmio_of (transport);

  set (mmio, VIRTIO_MMIO_QUEUE_SEL, index);
  if (get (mmio, VIRTIO_MMIO_QUEUE_READY)) /* after a reset it cannot be */
    return -VIRTIO_EIO;
  set (mmio, VIRTIO_MMIO_QUEUE_SIZE, setup->size);
  set_address (mmio, VIRTIO_MMIO_QUEUE_DESC_LOW, setup->desc);
  set_address (mmio, VIRTIO_MMIO_QUEUE_DRIVER_LOW, setup->driver);
  set_address (mmio, VIRTIO_MMIO_QUEUE_DEVICE_LOW, setup->device);
  set (mmio, VIRTIO_MMIO_QUEUE_READY, 1);
  return get (mmio, VIRTIO_MMIO_QUEUE_READY) == 1 ? 0 : -VIRTIO_EIO;
}

static void
queue_reset (struct virtio_transport *transport, uint16_t index)
{
  struct virtio_mmio *mmio = mmio_of (transport);

  set (mmio, VIRTIO_MMIO_QUEUE_SEL, index);
  set (mmio, VIRTIO_MMIO_QUEUE_RESET, 1);
}

/* 4.2.2.1: both are 0 then. A device that has no such register, as QEMU's, which offers
 * RING_RESET nevertheless (7.2), has a queue that stays ready. */
static bool
queue_is_reset (struct virtio_transport *transport, uint16_t index)
{
  struct virtio_mmio *mmio = mmio_of (transport);

  set (mmio, VIRTIO_MMIO_QUEUE_SEL, index);
  return get (mmio, VIRTIO_MMIO_QUEUE_RESET) == 0 && get (mmio, VIRTIO_MMIO_QUEUE_READY) == 0;
}

static void
notify (struct virtio_transport *transport, uint16_t index, uint32_t data)
{
  (void) index;
  set (mmio_of (transport), VIRTIO_MMIO_QUEUE_NOTIFY, data);
}

/* 4.2.3.4: only the bits that are defined are acknowledged. */
static uint32_t
interrupts (struct virtio_transport *transport)
{
  struct virtio_mmio *mmio = mmio_of (transport);
  uint32_t pending = get (mmio, VIRTIO_MMIO_INTERRUPT_STATUS)
                     & (VIRTIO_MMIO_INT_QUEUE | VIRTIO_MMIO_INT_CONFIG);

  if (pending)
    set (mmio, VIRTIO_MMIO_INTERRUPT_ACK, pending);
  return pending;
}

static const struct virtio_transport_ops mmio_ops = {
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

/* 4.2.2.2: magic, then version, then id; of a slot without a device nothing else
 * is touched. */
int
virtio_mmio_open (struct virtio_mmio *mmio, struct virtio_hal *hal, uint64_t address, uint32_t bytes)
{
  uint32_t id;
  int error;

  memset (mmio, 0, sizeof *mmio);
  if (bytes < VIRTIO_MMIO_CONFIG)
    return -VIRTIO_EINVAL;
  mmio->transport.ops = &mmio_ops;
  mmio->transport.hal = hal;
  error = hal->ops->map (hal->ctx, address, bytes, &mmio->base);
  if (error)
    return error;
  if (get (mmio, VIRTIO_MMIO_MAGIC_VALUE) != VIRTIO_MMIO_MAGIC
      || get (mmio, VIRTIO_MMIO_VERSION) != VIRTIO_MMIO_VERSION_MODERN)
    return -VIRTIO_ENODEV;
  id = get (mmio, VIRTIO_MMIO_DEVICE_ID);
  if (id == VIRTIO_ID_NONE || id > UINT16_MAX)
    return -VIRTIO_ENODEV;
  mmio->transport.device_id = (uint16_t) id;
  mmio->transport.config_size = bytes - VIRTIO_MMIO_CONFIG;
  return 0;
}
