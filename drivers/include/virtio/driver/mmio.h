/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* virtio-mmio, version 2 (4.2). */
#pragma once

#include <virtio/driver/error.h>
#include <virtio/driver/transport.h>

struct virtio_mmio
{
  struct virtio_transport transport;
  uint64_t base;
};

/**
 * Opens the registers at physical @address, @bytes of them (at least 0x100).
 * -VIRTIO_ENODEV when no device is there or it is a legacy one.
 */
int virtio_mmio_open (struct virtio_mmio *mmio, struct virtio_hal *hal, uint64_t address,
                      uint32_t bytes);
