/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The life of a device (3.1): reset, negotiation, running, failed, stopped. */
#pragma once

#include <virtio/driver/error.h>
#include <virtio/driver/transport.h>

#define VIRTIO_TIMEOUT_MS 5000u
#define VIRTIO_QUEUE_SIZE 128u
/* How often a configuration is read anew because it changed meanwhile. */
#define VIRTIO_CONFIG_TRIES 16u

/* A caller's choices; zeroed is a good one. */
struct virtio_options
{
  uint64_t refuse;      /* feature bits not to accept though we could */
  uint16_t queue_size;  /* at most so many entries, 0 for VIRTIO_QUEUE_SIZE */
  uint32_t timeout_ms;  /* of every wait, 0 for VIRTIO_TIMEOUT_MS */
  bool queue_reset;     /* accept RING_RESET, for who resets queues one by one */
};

/* @bit is accepted only with all of @all and, unless it is 0, one of @any. */
struct virtio_feature_rule
{
  uint8_t bit;
  uint64_t all;
  uint64_t any;
};

struct virtio_device
{
  struct virtio_transport *transport;
  struct virtio_hal *hal;
  struct virtio_options options;
  uint64_t offered;
  uint64_t features;
  uint8_t status;
  bool live;   /* between DRIVER_OK and reset */
  bool failed; /* nothing works until it is stopped and started anew */
};

/* Features the rings and the core can serve, whatever the device. */
#define VIRTIO_CORE_FEATURES \
  (VIRTIO_BIT (VIRTIO_F_INDIRECT_DESC) | VIRTIO_BIT (VIRTIO_F_EVENT_IDX) \
   | VIRTIO_BIT (VIRTIO_F_VERSION_1) | VIRTIO_BIT (VIRTIO_F_ACCESS_PLATFORM) \
   | VIRTIO_BIT (VIRTIO_F_RING_PACKED) | VIRTIO_BIT (VIRTIO_F_IN_ORDER) \
   | VIRTIO_BIT (VIRTIO_F_ORDER_PLATFORM) | VIRTIO_BIT (VIRTIO_F_NOTIFICATION_DATA) \
   | VIRTIO_BIT (VIRTIO_F_NOTIF_CONFIG_DATA))

/**
 * Steps 1 to 6 of 3.1.1: resets the device and negotiates features.
 * @wanted:  device features the driver knows, without the core's
 * @rules:   which of them need which others, @n_rules of them
 *
 * Returns 0, -VIRTIO_ENOTSUP (no VERSION_1, or the device refuses what was
 * accepted), -VIRTIO_ETIMEDOUT (it does not reset) or -VIRTIO_ENODEV.
 */
int virtio_device_begin (struct virtio_device *dev, struct virtio_transport *transport,
                         const struct virtio_options *options, uint64_t wanted,
                         const struct virtio_feature_rule *rules, unsigned n_rules);

/** Step 8: DRIVER_OK. From here the device may use the queues. */
int virtio_device_ready (struct virtio_device *dev);

/** 0, or why the device is not usable: asks it for its status (2.1.2). */
int virtio_device_check (struct virtio_device *dev);

/** Gives the device up: FAILED, and every call returns an error until stopped. */
void virtio_device_fail (struct virtio_device *dev);

/** Resets it. When that does not return 0 the device may still write to the
 * memory it was given: it must never be used again. */
int virtio_device_reset (struct virtio_device *dev);

static inline bool
virtio_device_has (const struct virtio_device *dev, unsigned bit)
{
  return dev->features >> bit & 1;
}

/** Reads @len bytes of configuration at @offset as they were at one moment
 * (2.5.1): fields of @width bytes each. -VIRTIO_EPROTO when it never rests. */
int virtio_device_config (struct virtio_device *dev, uint32_t offset, void *to, uint32_t len,
                          unsigned width);

/** Features of @offered that are in @wanted and have what they need. */
uint64_t virtio_features_close (uint64_t offered, uint64_t wanted,
                                const struct virtio_feature_rule *rules, unsigned n_rules);

/* A moment after which waiting is over. */
struct virtio_wait
{
  struct virtio_device *dev;
  uint64_t end;   /* µs */
  uint64_t check; /* when to ask for the status again */
};

void virtio_wait_begin (struct virtio_wait *wait, struct virtio_device *dev);
/** 0 to go on waiting, else why not: -VIRTIO_ETIMEDOUT, or as virtio_device_check. */
int virtio_wait_more (struct virtio_wait *wait);
