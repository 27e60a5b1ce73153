/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Devices that keep the rules. */
#include "fake.h"

#include <virtio/blk.h>
#include <virtio/net.h>

#include <string.h>

/* Copies what the device reads of a chain, from its byte @at on. */
static uint32_t
gather (const struct fake_chain *chain, uint32_t at, void *to, uint32_t bytes)
{
  uint32_t done = 0;

  for (unsigned i = 0; i < chain->n && !chain->segs[i].writable; i++)
    for (uint32_t j = 0; j < chain->segs[i].len; j++, at -= at > 0)
      if (at == 0 && done < bytes)
        ((uint8_t *) to)[done++] = chain->segs[i].mem[j];
  return done;
}

/* Copies into what the device writes, from its byte @at on. */
static uint32_t
scatter (const struct fake_chain *chain, uint32_t at, const void *from, uint32_t bytes)
{
  uint32_t done = 0;

  for (unsigned i = 0; i < chain->n; i++)
    if (chain->segs[i].writable)
      for (uint32_t j = 0; j < chain->segs[i].len; j++, at -= at > 0)
        if (at == 0 && done < bytes)
          chain->segs[i].mem[j] = ((const uint8_t *) from)[done++];
  return done;
}

static uint32_t
total (const struct fake_chain *chain, bool writable)
{
  uint32_t sum = 0;

  for (unsigned i = 0; i < chain->n; i++)
    if (chain->segs[i].writable == writable)
      sum += chain->segs[i].len;
  return sum;
}

/* ---- block ---- */

void
fake_blk_config (struct fake_device *device, struct fake_disk *disk)
{
  struct virtio_blk_config config = { .capacity = FAKE_DISK_SECTORS, .size_max = 4096, .seg_max = 6,
                                      .blk_size = 512, .max_discard_sectors = 16,
                                      .max_discard_seg = 1, .max_write_zeroes_sectors = 16,
                                      .max_write_zeroes_seg = 1 };

  memcpy (device->config, &config, sizeof config);
  device->process = fake_blk_process;
  device->user = disk;
}

static uint8_t
range (struct fake_disk *disk, const struct fake_chain *chain, bool zero)
{
  struct virtio_blk_range range;

  if (gather (chain, 16, &range, sizeof range) != sizeof range || range.num_sectors > 16
      || range.sector + range.num_sectors > FAKE_DISK_SECTORS || (!zero && range.flags))
    return VIRTIO_BLK_S_UNSUPP;
  memset (disk->data + range.sector * 512, zero ? 0 : 0xdd, range.num_sectors * 512);
  disk->discards++;
  return VIRTIO_BLK_S_OK;
}

static uint8_t
blk_request (struct fake_disk *disk, const struct fake_chain *chain, uint32_t *len)
{
  struct virtio_blk_req head;
  uint32_t in = total (chain, true) - 1;
  uint32_t out = total (chain, false) - (uint32_t) sizeof head;

  *len = 1;
  if (gather (chain, 0, &head, sizeof head) != sizeof head)
    return VIRTIO_BLK_S_IOERR;
  if (disk->force_status)
    return disk->force_status;
  switch (head.type)
    {
    case VIRTIO_BLK_T_IN:
      if (in % 512 || head.sector * 512 + in > sizeof disk->data)
        return VIRTIO_BLK_S_IOERR;
      *len += scatter (chain, 0, disk->data + head.sector * 512, in);
      return VIRTIO_BLK_S_OK;
    case VIRTIO_BLK_T_OUT:
      if (out % 512 || head.sector * 512 + out > sizeof disk->data)
        return VIRTIO_BLK_S_IOERR;
      gather (chain, sizeof head, disk->data + head.sector * 512, out);
      return VIRTIO_BLK_S_OK;
    case VIRTIO_BLK_T_FLUSH:
      disk->flushes += out == 0 && head.sector == 0;
      return VIRTIO_BLK_S_OK;
    case VIRTIO_BLK_T_GET_ID:
      *len += scatter (chain, 0, "12345678901234567890", in);
      return in == VIRTIO_BLK_ID_BYTES ? VIRTIO_BLK_S_OK : VIRTIO_BLK_S_IOERR;
    case VIRTIO_BLK_T_DISCARD:
    case VIRTIO_BLK_T_WRITE_ZEROES:
      return range (disk, chain, head.type == VIRTIO_BLK_T_WRITE_ZEROES);
    default:
      return VIRTIO_BLK_S_UNSUPP;
    }
}

void
fake_blk_process (struct fake_device *device, uint16_t index)
{
  struct fake_chain chain;

  while (fake_pop (device, index, &chain))
    {
      uint32_t len;
      uint8_t status = blk_request (device->user, &chain, &len);

      scatter (&chain, total (&chain, true) - 1, &status, 1);
      fake_push (device, index, &chain, len);
    }
  fake_want (device, index, true);
}

/* ---- entropy ---- */

void
fake_rng_process (struct fake_device *device, uint16_t index)
{
  struct fake_chain chain;

  while (fake_pop (device, index, &chain))
    {
      uint32_t len = total (&chain, true);

      for (uint32_t i = 0; i < len; i++)
        scatter (&chain, i, &(uint8_t) { (uint8_t) i }, 1);
      fake_push (device, index, &chain, len);
    }
  fake_want (device, index, true);
}

/* ---- network ---- */

static void
give_back (struct fake_device *device, struct fake_wire *wire)
{
  struct fake_chain chains[8];
  unsigned n = wire->merge ? wire->merge : 1;
  uint32_t at = 0;

  for (unsigned i = 0; i < n; i++)
    if (!fake_pop (device, VIRTIO_NET_QUEUE_RX (0), &chains[i]))
      return;
  for (unsigned i = 0; i < n; i++)
    {
      struct virtio_net_hdr hdr = { .num_buffers = (uint16_t) n };
      uint32_t skip = i == 0 ? sizeof hdr : 0;
      uint32_t part = i + 1 < n ? wire->last_len / n : wire->last_len - at;

      if (i == 0)
        scatter (&chains[i], 0, &hdr, sizeof hdr);
      scatter (&chains[i], skip, wire->last + at, part);
      at += part;
      fake_push (device, VIRTIO_NET_QUEUE_RX (0), &chains[i], part + skip);
    }
}

static void
net_control (struct fake_device *device, struct fake_wire *wire, uint16_t index)
{
  struct fake_chain chain;

  while (fake_pop (device, index, &chain))
    {
      uint8_t command[8] = { 0 };

      gather (&chain, 0, command, sizeof command);
      if (command[0] == VIRTIO_NET_CTRL_MAC && command[1] == VIRTIO_NET_CTRL_MAC_ADDR_SET)
        memcpy (wire->mac, command + 2, 6);
      scatter (&chain, 0, &wire->ack, 1);
      fake_push (device, index, &chain, 1);
    }
}

void
fake_net_process (struct fake_device *device, uint16_t index)
{
  struct fake_wire *wire = device->user;
  struct fake_chain chain;

  if (index == VIRTIO_NET_QUEUE_CTRL (1))
    net_control (device, wire, index);
  else if (index == VIRTIO_NET_QUEUE_TX (0))
    while (fake_pop (device, index, &chain))
      {
        wire->last_len = gather (&chain, sizeof (struct virtio_net_hdr), wire->last, sizeof wire->last);
        wire->sent++;
        fake_push (device, index, &chain, 0);
        give_back (device, wire);
      }
  fake_want (device, index, true);
}
