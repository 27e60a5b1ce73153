/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <virtio/driver/device.h>
#include <virtio/driver/mem.h>

/* Configuration is little endian; the transport's values are the host's. */
static void
put (uint8_t *to, unsigned width, uint32_t value)
{
  for (unsigned i = 0; i < width; i++)
    to[i] = (uint8_t) (value >> (8 * i));
}

/* 2.5.1: several reads are one picture only if the generation did not change. */
int
virtio_device_config (struct virtio_device *dev, uint32_t offset, void *to, uint32_t len,
                      unsigned width)
{
  struct virtio_transport *transport = dev->transport;
  uint32_t size = transport->config_size;

  if (len > size || offset > size - len) /* a field this device has no room for */
    return -VIRTIO_EPROTO;
  if (offset % width || len % width)
    return -VIRTIO_EINVAL;
  for (unsigned attempt = 0; attempt < VIRTIO_CONFIG_TRIES; attempt++)
    {
      uint32_t generation = transport->ops->generation (transport);

      for (uint32_t at = 0; at < len; at += width)
        put ((uint8_t *) to + at, width, transport->ops->config_read (transport, offset + at, width));
      if (transport->ops->generation (transport) == generation)
        return 0;
    }
  return -VIRTIO_EPROTO;
}
