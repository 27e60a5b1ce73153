/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How a driver reaches its device: one table of operations for each bus. */
#pragma once

#include <virtio/device.h>
#include <virtio/driver/hal.h>

/* A queue as the device is told of it. For split rings the areas are descriptor
 * table, available ring, used ring; for packed ones descriptor ring, driver's
 * and device's event suppression (2.6). */
struct virtio_queue_setup
{
  uint16_t size;
  uint16_t vector; /* MSI-X entry or VIRTIO_NO_VECTOR; other buses ignore it */
  uint64_t desc;
  uint64_t driver;
  uint64_t device;
};

#define VIRTIO_INT_QUEUE 1u
#define VIRTIO_INT_CONFIG 2u

struct virtio_transport;

struct virtio_transport_ops
{
  uint8_t (*get_status) (struct virtio_transport *transport);
  void (*set_status) (struct virtio_transport *transport, uint8_t status);
  uint64_t (*get_features) (struct virtio_transport *transport);
  void (*set_features) (struct virtio_transport *transport, uint64_t features);

  uint32_t (*generation) (struct virtio_transport *transport);
  /* @width is 1, 2 or 4; @offset is a multiple of it and within config_size. */
  uint32_t (*config_read) (struct virtio_transport *transport, uint32_t offset, unsigned width);
  void (*config_write) (struct virtio_transport *transport, uint32_t offset, unsigned width,
                        uint32_t value);

  /* Largest size of queue @index, 0 when there is none. */
  uint16_t (*queue_max) (struct virtio_transport *transport, uint16_t index);
  int (*queue_enable) (struct virtio_transport *transport, uint16_t index,
                       const struct virtio_queue_setup *setup);
  /* Only with RING_RESET: has queue @index alone reset (2.6.1), and whether it was. */
  void (*queue_reset) (struct virtio_transport *transport, uint16_t index);
  bool (*queue_is_reset) (struct virtio_transport *transport, uint16_t index);
  /* @data is 2.9's: the queue's index, or more with NOTIFICATION_DATA. */
  void (*notify) (struct virtio_transport *transport, uint16_t index, uint32_t data);

  /* Which VIRTIO_INT_* were pending; they are acknowledged. */
  uint32_t (*interrupts) (struct virtio_transport *transport);
};

struct virtio_transport
{
  const struct virtio_transport_ops *ops;
  struct virtio_hal *hal;
  uint16_t device_id;   /* enum virtio_id */
  uint32_t config_size; /* bytes of device configuration */
  uint64_t features;    /* as negotiated, for the doorbell's format */
};
