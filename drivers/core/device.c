/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <virtio/driver/device.h>
#include <virtio/driver/mem.h>

/* How often a wait asks for the status: each time costs an exit. */
#define CHECK_US 2000u

/* A pulled PCI device reads as all ones. */
#define STATUS_GONE 0xffu

static void
set_status (struct virtio_device *dev, uint8_t bits)
{
  dev->status |= bits; /* 2.1.1: never clear a bit but by reset */
  dev->transport->ops->set_status (dev->transport, dev->status);
}

uint64_t
virtio_features_close (uint64_t offered, uint64_t wanted, const struct virtio_feature_rule *rules,
                       unsigned n_rules)
{
  uint64_t features = offered & wanted;
  uint64_t before;

  do
    {
      before = features;
      for (unsigned i = 0; i < n_rules; i++)
        if ((features & rules[i].all) != rules[i].all || (rules[i].any && !(features & rules[i].any)))
          features &= ~VIRTIO_BIT (rules[i].bit);
    }
  while (features != before);
  return features;
}

/* 2.1.2 and 4.1.4.3.2: reset is complete when the status reads 0. */
int
virtio_device_reset (struct virtio_device *dev)
{
  struct virtio_wait wait;
  uint8_t status;

  dev->live = false;
  dev->status = 0;
  dev->transport->ops->set_status (dev->transport, VIRTIO_STATUS_RESET);
  virtio_wait_begin (&wait, dev);
  wait.check = UINT64_MAX; /* NEEDS_RESET is no reason to stop waiting here */
  while ((status = dev->transport->ops->get_status (dev->transport)) != 0)
    {
      int error = status == STATUS_GONE ? -VIRTIO_ENODEV : virtio_wait_more (&wait);

      if (error)
        {
          dev->failed = true;
          return error;
        }
    }
  dev->failed = false;
  return 0;
}

/* 3.1.1 steps 4 to 6: what we accept, and whether the device agrees. */
static int
negotiate (struct virtio_device *dev, uint64_t wanted, const struct virtio_feature_rule *rules,
           unsigned n_rules)
{
  struct virtio_transport *transport = dev->transport;

  wanted = (wanted | VIRTIO_CORE_FEATURES) & ~dev->options.refuse;
  wanted |= VIRTIO_BIT (VIRTIO_F_VERSION_1);
  if (dev->options.queue_reset)
    wanted |= VIRTIO_BIT (VIRTIO_F_RING_RESET);
  dev->offered = transport->ops->get_features (transport);
  if (!(dev->offered & VIRTIO_BIT (VIRTIO_F_VERSION_1))) /* 6.1: legacy is not spoken here */
    return -VIRTIO_ENOTSUP;
  dev->features = virtio_features_close (dev->offered, wanted, rules, n_rules);
  transport->features = dev->features;
  transport->ops->set_features (transport, dev->features);
  set_status (dev, VIRTIO_STATUS_FEATURES_OK);
  if (!(transport->ops->get_status (transport) & VIRTIO_STATUS_FEATURES_OK))
    return -VIRTIO_ENOTSUP;
  return 0;
}

int
virtio_device_begin (struct virtio_device *dev, struct virtio_transport *transport,
                     const struct virtio_options *options, uint64_t wanted,
                     const struct virtio_feature_rule *rules, unsigned n_rules)
{
  int error;

  memset (dev, 0, sizeof *dev);
  dev->transport = transport;
  dev->hal = transport->hal;
  if (options)
    dev->options = *options;
  if (!dev->options.timeout_ms)
    dev->options.timeout_ms = VIRTIO_TIMEOUT_MS;
  if (!dev->options.queue_size)
    dev->options.queue_size = VIRTIO_QUEUE_SIZE;
  error = virtio_device_reset (dev);
  if (error)
    return error;
  set_status (dev, VIRTIO_STATUS_ACKNOWLEDGE);
  set_status (dev, VIRTIO_STATUS_DRIVER);
  error = negotiate (dev, wanted, rules, n_rules);
  if (error)
    virtio_device_fail (dev);
  return error;
}

int
virtio_device_ready (struct virtio_device *dev)
{
  int error;

  if (dev->failed)
    return -VIRTIO_EIO;
  set_status (dev, VIRTIO_STATUS_DRIVER_OK);
  error = virtio_device_check (dev);
  dev->live = !error;
  return error;
}

int
virtio_device_check (struct virtio_device *dev)
{
  uint8_t status;

  if (dev->failed)
    return -VIRTIO_EIO;
  status = dev->transport->ops->get_status (dev->transport);
  if (status == STATUS_GONE)
    {
      dev->failed = true;
      return -VIRTIO_ENODEV;
    }
  if ((status & VIRTIO_STATUS_NEEDS_RESET) || (status & dev->status) != dev->status)
    {
      dev->status &= status; /* it may have reset itself: do not set what it cleared */
      virtio_device_fail (dev);
      return -VIRTIO_EIO;
    }
  return 0;
}

void
virtio_device_fail (struct virtio_device *dev)
{
  if (dev->failed)
    return;
  set_status (dev, VIRTIO_STATUS_FAILED);
  dev->failed = true;
}

void
virtio_wait_begin (struct virtio_wait *wait, struct virtio_device *dev)
{
  uint64_t now = virtio_hal_now (dev->hal);

  wait->dev = dev;
  wait->end = now + (uint64_t) dev->options.timeout_ms * 1000;
  wait->check = now + CHECK_US;
}

int
virtio_wait_more (struct virtio_wait *wait)
{
  uint64_t now = virtio_hal_now (wait->dev->hal);

  if (now >= wait->end)
    return -VIRTIO_ETIMEDOUT;
  if (now >= wait->check)
    {
      wait->check = now + CHECK_US;
      return virtio_device_check (wait->dev);
    }
  virtio_hal_relax (wait->dev->hal);
  return 0;
}
