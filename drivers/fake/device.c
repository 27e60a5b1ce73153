/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The device's state, and the transport that calls it directly. */
#include "fake.h"

#include <string.h>

static struct fake_device *
device_of (struct virtio_transport *transport)
{
  return (struct fake_device *) transport; /* its first member */
}

static void
wrong (struct fake_device *device, const char *what)
{
  device->platform->wrong = what;
}

bool
fake_has (const struct fake_device *device, unsigned bit)
{
  return device->accepted >> bit & 1;
}

uint8_t
fake_get_status (struct fake_device *device)
{
  if (device->gone)
    return 0xff;
  return device->status;
}

static void
reset (struct fake_device *device)
{
  for (unsigned i = 0; i < FAKE_QUEUES; i++)
    {
      device->queues[i].enabled = false;
      device->queues[i].notified = 0;
      device->queues[i].resetting = 0;
      memset (&device->queues[i].setup, 0, sizeof device->queues[i].setup);
    }
  device->accepted = device->driver_features = 0;
  device->interrupts = 0;
  device->status = device->reset_stuck ? VIRTIO_STATUS_NEEDS_RESET : 0;
}

/* 3.1.1: bits come in order and never go. */
void
fake_status (struct fake_device *device, uint8_t status)
{
  uint8_t now = device->status & (uint8_t) ~VIRTIO_STATUS_NEEDS_RESET;
  uint8_t fresh = status & (uint8_t) ~now;

  if (status == 0)
    {
      reset (device);
      return;
    }
  if ((status & now) != now)
    wrong (device, "a status bit was cleared");
  if ((fresh & VIRTIO_STATUS_DRIVER) && !(now & VIRTIO_STATUS_ACKNOWLEDGE))
    wrong (device, "DRIVER before ACKNOWLEDGE");
  if ((fresh & VIRTIO_STATUS_FEATURES_OK) && !(now & VIRTIO_STATUS_DRIVER))
    wrong (device, "FEATURES_OK before DRIVER");
  if ((fresh & VIRTIO_STATUS_DRIVER_OK) && !(now & VIRTIO_STATUS_FEATURES_OK))
    wrong (device, "DRIVER_OK before FEATURES_OK");
  if (fresh & VIRTIO_STATUS_FEATURES_OK)
    {
      device->accepted = device->driver_features;
      if (device->accepted & ~device->offered)
        wrong (device, "accepted what was not offered");
      if (device->refuse_features)
        status &= (uint8_t) ~VIRTIO_STATUS_FEATURES_OK;
    }
  device->status = status | (device->status & VIRTIO_STATUS_NEEDS_RESET);
}

static void
renew (struct fake_queue *queue)
{
  queue->enabled = false;
  memset (&queue->setup, 0, sizeof queue->setup);
}

void
fake_queue_reset (struct fake_device *device, uint16_t index)
{
  struct fake_queue *queue = &device->queues[index];

  if (!fake_has (device, VIRTIO_F_RING_RESET) || !queue->enabled)
    wrong (device, "a queue was reset that cannot be");
  if (device->queue_reset_ignored)
    return;
  queue->resetting = device->queue_reset_looks;
  if (queue->resetting == 0)
    renew (queue);
}

/* It is the device's until the last look: what it still does there harms nobody. */
bool
fake_queue_resetting (struct fake_device *device, uint16_t index)
{
  struct fake_queue *queue = &device->queues[index];

  if (device->gone)
    return true;
  if (queue->resetting == 0)
    return false;
  if (device->process)
    device->process (device, index);
  if (queue->resetting != UINT32_MAX && --queue->resetting == 0)
    renew (queue);
  return queue->resetting > 0;
}

int
fake_enable (struct fake_device *device, uint16_t index, const struct virtio_queue_setup *setup)
{
  struct fake_queue *queue = &device->queues[index];
  bool packed = fake_has (device, VIRTIO_F_RING_PACKED);

  if (!(device->status & VIRTIO_STATUS_FEATURES_OK)
      || ((device->status & VIRTIO_STATUS_DRIVER_OK) && !fake_has (device, VIRTIO_F_RING_RESET)))
    wrong (device, "a queue was set up at the wrong time");
  if (queue->enabled || queue->resetting)
    wrong (device, "a queue was set up twice");
  if (setup->size == 0 || setup->size > queue->max || (!packed && (setup->size & (setup->size - 1))))
    wrong (device, "a queue of a size that cannot be");
  if (setup->desc % 16 || setup->driver % (packed ? 4 : 2) || setup->device % 4)
    wrong (device, "a ring that is not aligned");
  queue->setup = *setup;
  queue->enabled = true;
  queue->avail = queue->used = 0;
  queue->avail_wrap = queue->used_wrap = true;
  return 0;
}

void
fake_notify (struct fake_device *device, uint16_t index, uint32_t data)
{
  struct fake_queue *queue = &device->queues[index];

  if (!(device->status & VIRTIO_STATUS_DRIVER_OK))
    wrong (device, "a notification before DRIVER_OK");
  if (!queue->enabled || (data & 0xffff) != index)
    wrong (device, "a notification of another queue");
  queue->notified++;
  queue->notify_data = data;
  if (device->process && !device->gone)
    device->process (device, index);
}

/* ---- the direct transport ---- */

static uint8_t
get_status (struct virtio_transport *transport)
{
  return fake_get_status (device_of (transport));
}

static void
set_status (struct virtio_transport *transport, uint8_t status)
{
  fake_status (device_of (transport), status);
}

static uint64_t
get_features (struct virtio_transport *transport)
{
  return device_of (transport)->offered;
}

static void
set_features (struct virtio_transport *transport, uint64_t features)
{
  device_of (transport)->driver_features = features;
}

static uint32_t
generation (struct virtio_transport *transport)
{
  struct fake_device *device = device_of (transport);

  return device->restless ? device->generation++ : device->generation;
}

static uint32_t
config_read (struct virtio_transport *transport, uint32_t offset, unsigned width)
{
  uint32_t value = 0;

  memcpy (&value, device_of (transport)->config + offset, width);
  return value;
}

static void
config_write (struct virtio_transport *transport, uint32_t offset, unsigned width, uint32_t value)
{
  struct fake_device *device = device_of (transport);

  if (!(device->status & VIRTIO_STATUS_FEATURES_OK))
    wrong (device, "configuration written before FEATURES_OK");
  memcpy (device->config + offset, &value, width);
}

static uint16_t
queue_max (struct virtio_transport *transport, uint16_t index)
{
  return index < FAKE_QUEUES ? device_of (transport)->queues[index].max : 0;
}

static int
queue_enable (struct virtio_transport *transport, uint16_t index,
              const struct virtio_queue_setup *setup)
{
  return fake_enable (device_of (transport), index, setup);
}

static void
queue_reset (struct virtio_transport *transport, uint16_t index)
{
  fake_queue_reset (device_of (transport), index);
}

static bool
queue_is_reset (struct virtio_transport *transport, uint16_t index)
{
  struct fake_device *device = device_of (transport);

  return !fake_queue_resetting (device, index) && !device->queues[index].enabled;
}

static void
notify (struct virtio_transport *transport, uint16_t index, uint32_t data)
{
  fake_notify (device_of (transport), index, data);
}

static uint32_t
interrupts (struct virtio_transport *transport)
{
  struct fake_device *device = device_of (transport);
  uint32_t pending = device->interrupts;

  device->interrupts = 0;
  return pending;
}

static const struct virtio_transport_ops direct_ops = {
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

void
fake_device_init (struct fake_device *device, struct fake_platform *platform, uint16_t device_id,
                  uint64_t offered)
{
  memset (device, 0, sizeof *device);
  device->transport.ops = &direct_ops;
  device->transport.hal = &platform->hal;
  device->transport.device_id = device_id;
  device->transport.config_size = FAKE_CONFIG;
  device->platform = platform;
  device->offered = offered;
  device->status = VIRTIO_STATUS_DRIVER_OK; /* left by whoever was there before */
  device->notify_multiplier = 4;
  for (uint16_t i = 0; i < FAKE_QUEUES; i++)
    device->notify_off[i] = i;
  platform->device = device;
}

void
fake_device_queue (struct fake_device *device, uint16_t index, uint16_t max)
{
  device->queues[index].max = max;
}
