/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A host with two services behind a socket device that keeps the rules. */
#include "fake.h"

#include <string.h>

void
fake_vsock_config (struct fake_device *device, struct fake_host *host)
{
  const struct virtio_vsock_config config = { .guest_cid = FAKE_GUEST_CID };

  memcpy (device->config, &config, sizeof config);
  device->process = fake_vsock_process;
  device->user = host;
  host->alloc = 65536;
}

bool
fake_vsock_say (struct fake_device *device, const struct virtio_vsock_hdr *hdr, const void *data)
{
  struct fake_chain chain;

  if (!fake_pop (device, VIRTIO_VSOCK_QUEUE_RX, &chain))
    return false;
  if (chain.n != 1 || chain.segs[0].len < sizeof *hdr + hdr->len)
    {
      device->platform->wrong = "a receive buffer that is too small";
      return false;
    }
  memcpy (chain.segs[0].mem, hdr, sizeof *hdr);
  if (hdr->len)
    memcpy (chain.segs[0].mem + sizeof *hdr, data, hdr->len);
  fake_push (device, VIRTIO_VSOCK_QUEUE_RX, &chain, (uint32_t) sizeof *hdr + hdr->len);
  return true;
}

void
fake_vsock_event (struct fake_device *device, uint32_t id, uint32_t bytes)
{
  struct fake_chain chain;

  if (!fake_pop (device, VIRTIO_VSOCK_QUEUE_EVENT, &chain))
    return;
  memcpy (chain.segs[0].mem, &id, bytes);
  fake_push (device, VIRTIO_VSOCK_QUEUE_EVENT, &chain, bytes);
}

static void
answer (struct fake_device *device, const struct virtio_vsock_hdr *to, uint16_t op, const void *data)
{
  struct fake_host *host = device->user;
  struct virtio_vsock_hdr hdr = { .src_cid = to->dst_cid, .dst_cid = to->src_cid,
                                  .src_port = to->dst_port, .dst_port = to->src_port,
                                  .type = to->type, .op = op, .buf_alloc = host->alloc,
                                  .fwd_cnt = host->fwd[to->src_port % FAKE_PEERS],
                                  .len = op == VIRTIO_VSOCK_OP_RW ? to->len : 0 };

  fake_vsock_say (device, &hdr, data);
}

static void
serve (struct fake_device *device, const struct virtio_vsock_hdr *hdr, const uint8_t *data)
{
  struct fake_host *host = device->user;
  bool known = hdr->dst_port == FAKE_ECHO || hdr->dst_port == FAKE_SINK;

  switch (hdr->op)
    {
    case VIRTIO_VSOCK_OP_REQUEST:
      host->fwd[hdr->src_port % FAKE_PEERS] = 0;
      answer (device, hdr, known ? VIRTIO_VSOCK_OP_RESPONSE : VIRTIO_VSOCK_OP_RST, NULL);
      break;
    case VIRTIO_VSOCK_OP_RW:
      if (hdr->dst_port != FAKE_ECHO)
        break;
      host->fwd[hdr->src_port % FAKE_PEERS] += hdr->len;
      answer (device, hdr, VIRTIO_VSOCK_OP_RW, data);
      break;
    case VIRTIO_VSOCK_OP_SHUTDOWN:
      if (hdr->flags == (VIRTIO_VSOCK_SHUTDOWN_RECEIVE | VIRTIO_VSOCK_SHUTDOWN_SEND))
        answer (device, hdr, VIRTIO_VSOCK_OP_RST, NULL);
      break;
    default:
      break;
    }
}

void
fake_vsock_process (struct fake_device *device, uint16_t index)
{
  struct fake_host *host = device->user;
  struct fake_chain chain;

  while (index == VIRTIO_VSOCK_QUEUE_TX && fake_pop (device, index, &chain))
    {
      struct virtio_vsock_hdr hdr;

      if (chain.n != 1 || chain.segs[0].len < sizeof hdr)
        {
          device->platform->wrong = "a packet that is no packet";
          return;
        }
      memcpy (&hdr, chain.segs[0].mem, sizeof hdr);
      if (chain.segs[0].len != sizeof hdr + hdr.len || hdr.src_cid != FAKE_GUEST_CID)
        device->platform->wrong = "a packet of a wrong length or of somebody else";
      host->said[hdr.op % 8]++;
      host->last = hdr;
      if (!host->mute)
        serve (device, &hdr, chain.segs[0].mem + sizeof hdr);
      fake_push (device, index, &chain, 0);
    }
  fake_want (device, index, true);
}
