/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* virtio over PCI without the legacy interface (4.1). */
#pragma once

#include <virtio/driver/error.h>
#include <virtio/driver/transport.h>

/* Configuration space of one function; @width is 1, 2 or 4. */
struct virtio_pci_config
{
  uint32_t (*read) (void *ctx, uint32_t offset, unsigned width);
  void (*write) (void *ctx, uint32_t offset, unsigned width, uint32_t value);
  void *ctx;
};

/* One of the structures the capabilities point to, mapped. */
struct virtio_pci_region
{
  uint64_t base;
  uint32_t length; /* 0: not there */
};

#define VIRTIO_PCI_QUEUES 64u

struct virtio_pci
{
  struct virtio_transport transport;
  struct virtio_pci_config config;
  struct virtio_pci_region common, notify, isr, device;
  uint32_t notify_multiplier;
  uint16_t num_queues;
  /* By queue: where its doorbell is and what it takes (4.1.5.2), so that a
   * notification is one write. */
  uint64_t doorbell[VIRTIO_PCI_QUEUES];
  uint16_t doorbell_data[VIRTIO_PCI_QUEUES];
};

/**
 * Opens the function behind @config, whose BARs have addresses already; memory
 * decoding and bus mastering are switched on. -VIRTIO_ENODEV when it is no
 * virtio device, -VIRTIO_EPROTO when its capabilities cannot be right or it is
 * a legacy one.
 */
int virtio_pci_open (struct virtio_pci *pci, struct virtio_hal *hal,
                     const struct virtio_pci_config *config);
