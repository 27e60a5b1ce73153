/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Devices that keep the rules. */
#include "fake.h"

#include <virtio/blk.h>
#include <virtio/console.h>
#include <virtio/net.h>

#include <string.h>

/* Copies between a chain's bytes of one direction, from its byte @at on, and @mem. */
static uint32_t
copy (const struct fake_chain *chain, bool writable, uint32_t at, uint8_t *mem, uint32_t bytes)
{
  uint32_t done = 0;

  for (unsigned i = 0; i < chain->n && done < bytes; i++)
    {
      const struct fake_seg *seg = &chain->segs[i];
      uint32_t skip = at < seg->len ? at : seg->len;
      uint32_t n = seg->len - skip < bytes - done ? seg->len - skip : bytes - done;

      if (seg->writable != writable)
        continue;
      at -= skip;
      if (writable)
        memcpy (seg->mem + skip, mem + done, n);
      else
        memcpy (mem + done, seg->mem + skip, n);
      done += n;
    }
  return done;
}

static uint32_t
gather (const struct fake_chain *chain, uint32_t at, void *to, uint32_t bytes)
{
  return copy (chain, false, at, to, bytes);
}

static uint32_t
scatter (const struct fake_chain *chain, uint32_t at, const void *from, uint32_t bytes)
{
  return copy (chain, true, at, (uint8_t *) (uintptr_t) from, bytes);
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
      || range.sector > FAKE_DISK_SECTORS || range.sector + range.num_sectors > FAKE_DISK_SECTORS || (!zero && range.flags))
    return VIRTIO_BLK_S_UNSUPP;
  memset (disk->data + range.sector * 512, zero ? 0 : 0xdd, range.num_sectors * 512);
  disk->discards++;
  return VIRTIO_BLK_S_OK;
}

static uint8_t
blk_request (struct fake_disk *disk, const struct fake_chain *chain, uint32_t *len)
{
  struct virtio_blk_req head;
  uint32_t in, out;

  *len = 1;
  if (gather (chain, 0, &head, sizeof head) != sizeof head || total (chain, true) == 0
      || total (chain, true) > sizeof disk->data || total (chain, false) > sizeof disk->data
      || head.sector > FAKE_DISK_SECTORS)
    return VIRTIO_BLK_S_IOERR;
  in = total (chain, true) - 1;
  out = total (chain, false) - (uint32_t) sizeof head;
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

/* ---- console ---- */

void
fake_console_say (struct fake_device *device, uint32_t port, uint16_t event, uint16_t value,
                  const void *more, uint32_t bytes)
{
  struct virtio_console_control control = { port, event, value };
  struct fake_chain chain;

  if (!fake_pop (device, VIRTIO_CONSOLE_QUEUE_CTRL_RX, &chain))
    return;
  scatter (&chain, 0, &control, sizeof control);
  scatter (&chain, sizeof control, more, bytes);
  fake_push (device, VIRTIO_CONSOLE_QUEUE_CTRL_RX, &chain, (uint32_t) sizeof control + bytes);
}

static void
heard (struct fake_device *device, const struct virtio_console_control *control)
{
  struct fake_ports *ports = device->user;

  ports->said[control->event % 8]++;
  ports->last = *control;
  if (control->event == VIRTIO_CONSOLE_DEVICE_READY)
    for (uint32_t i = 0; i < 2; i++)
      {
        fake_console_say (device, i, VIRTIO_CONSOLE_DEVICE_ADD, 1, NULL, 0);
        fake_console_say (device, i, VIRTIO_CONSOLE_PORT_NAME, 1, i ? "one" : "zero", i ? 3 : 4);
        fake_console_say (device, i, i ? VIRTIO_CONSOLE_PORT_OPEN : VIRTIO_CONSOLE_CONSOLE_PORT, 1,
                          NULL, 0);
      }
}

static void
echo (struct fake_device *device, uint16_t from, uint16_t to)
{
  struct fake_chain chain;
  uint8_t data[256];

  while (fake_pop (device, from, &chain))
    {
      uint32_t len = gather (&chain, 0, data, sizeof data);

      fake_push (device, from, &chain, 0);
      if (fake_pop (device, to, &chain))
        fake_push (device, to, &chain, scatter (&chain, 0, data, len));
    }
}

void
fake_console_process (struct fake_device *device, uint16_t index)
{
  struct virtio_console_control control = { 0 };
  struct fake_chain chain;

  if (index == VIRTIO_CONSOLE_QUEUE_CTRL_TX && fake_has (device, VIRTIO_CONSOLE_F_MULTIPORT))
    while (fake_pop (device, index, &chain))
      {
        gather (&chain, 0, &control, sizeof control);
        fake_push (device, index, &chain, 0);
        heard (device, &control);
      }
  else if (index == 1 || index == 5)
    echo (device, index, (uint16_t) (index - 1));
  fake_want (device, index, true);
}
