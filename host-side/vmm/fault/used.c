/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What goes wrong when a buffer is given back. */
#include "private.h"

#include <string.h>

#include <virtio/blk.h>
#include <virtio/console.h>
#include <virtio/device.h>
#include <virtio/net.h>
#include <virtio/ring.h>

/* ---- data ---- */

static void
disk_status (const struct virtq_chain *chain, uint8_t status)
{
  if (chain->in_len > 0)
    virtq_write (chain, chain->in_len - 1, &status, 1);
}

static void
console_message (const struct virtq_chain *chain, int64_t port, int event)
{
  struct virtio_console_control control;
  struct iovec part;

  if (virtq_slice (chain->iov + chain->n_out, chain->n_in, 0, sizeof control, &part) != 1)
    return;
  memcpy (&control, part.iov_base, sizeof control);
  if (port >= 0)
    control.id = (uint32_t) port;
  if (event >= 0)
    control.event = (uint16_t) event;
  virtq_write (chain, 0, &control, sizeof control);
}

static void
console_data (struct fault *fault, const struct virtq_chain *chain)
{
  if (fault_now (fault, FAULT_PORT_FAR))
    console_message (chain, 99999, -1);
  if (fault_now (fault, FAULT_PORT_AGAIN))
    console_message (chain, -1, VIRTIO_CONSOLE_DEVICE_ADD);
  if (fault_now (fault, FAULT_PORT_REMOVE))
    console_message (chain, -1, VIRTIO_CONSOLE_DEVICE_REMOVE);
}

static void
net_data (struct fault *fault, const struct virtq_chain *chain)
{
  static const struct virtio_net_hdr far = { .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
                                             .gso_type = VIRTIO_NET_HDR_GSO_TCPV4,
                                             .hdr_len = 0xffff, .csum_start = 0xfff0,
                                             .csum_offset = 0xfff0, .num_buffers = 1 };
  uint16_t many = 0xffff;

  if (fault_now (fault, FAULT_NET_BUFFERS))
    virtq_write (chain, offsetof (struct virtio_net_hdr, num_buffers), &many, sizeof many);
  if (fault_now (fault, FAULT_NET_HEADER))
    virtq_write (chain, 0, &far, sizeof far);
}

void
fault_data (struct fault *fault, unsigned q, const struct virtq_chain *chain)
{
  switch (fault->hook.dev->id)
    {
    case VIRTIO_ID_BLOCK:
      if (fault_now (fault, FAULT_STATUS_UNKNOWN))
        disk_status (chain, 0x55);
      /* As if nobody had written it: most drivers set it to ones before they ask. */
      if (fault_now (fault, FAULT_STATUS_MISSING))
        disk_status (chain, 0xff);
      if (fault_now (fault, FAULT_STATUS_ERROR))
        disk_status (chain, VIRTIO_BLK_S_IOERR);
      break;
    case VIRTIO_ID_CONSOLE:
      if (q == VIRTIO_CONSOLE_QUEUE_CTRL_RX)
        console_data (fault, chain);
      break;
    case VIRTIO_ID_NET:
      if (q % 2 == 0)
        net_data (fault, chain);
      break;
    default:
      break;
    }
}

/* ---- the ring ---- */

/* Steps the ring on without giving anything back: @by entries. */
static void
step (struct virtq *ring, int by)
{
  struct virtio_used *used = (struct virtio_used *) ring->device;
  int place = ring->next_used + by;

  if (!ring->packed)
    {
      ring->next_used = (uint16_t) place;
      atomic_store_explicit ((_Atomic uint16_t *) &used->idx, ring->next_used,
                             memory_order_release);
      return;
    }
  if (place < 0 || place >= ring->size)
    ring->used_wrap = !ring->used_wrap;
  ring->next_used = (uint16_t) ((place + ring->size) % ring->size);
}

static void
push_as (struct virtq *ring, const struct virtq_chain *chain, uint16_t id, uint32_t written)
{
  static _Thread_local struct virtq_chain other;

  other.id = id;
  other.slots = chain->slots;
  virtq_push_unhooked (ring, &other, written);
}

/* An id of the split ring has 32 bits: its lower half is right. */
static void
push_huge (struct virtq *ring, const struct virtq_chain *chain, uint32_t written)
{
  struct virtio_used *used = (struct virtio_used *) ring->device;

  if (ring->packed)
    {
      push_as (ring, chain, 0xffff, written);
      return;
    }
  used->ring[ring->next_used & (ring->size - 1)] = (struct virtio_used_elem){ 0x10000u | chain->id, written };
  step (ring, 1);
  ring->unsignalled++;
}

static void
scribble (struct virtq *ring)
{
  struct virtio_packed_desc *descs = (struct virtio_packed_desc *) ring->desc;

  if (!ring->packed)
    memset (ring->desc, 0xff, VIRTIO_DESC_BYTES (ring->size));
  else /* all but the flags, which are the ring's order */
    for (unsigned i = 0; i < ring->size; i++)
      descs[i].addr = descs[i].len = descs[i].id = 0xffff;
}

/* Faults that give the buffer back themselves, or not at all. */
static bool
push_wrong (struct fault *fault, struct virtq *ring, const struct virtq_chain *chain,
            uint32_t written)
{
  if (fault_now (fault, FAULT_STALL))
    fault->stalled = true;
  if (fault->stalled || fault->broken || fault_now (fault, FAULT_USED_LOST))
    return true;
  if (fault_now (fault, FAULT_USED_ID_FOREIGN))
    push_as (ring, chain, (uint16_t) ((chain->id + ring->size / 2) % ring->size), written);
  else if (fault_now (fault, FAULT_USED_ID_HUGE))
    push_huge (ring, chain, written);
  else if (fault_now (fault, FAULT_INDEX_JUMP))
    {
      push_as (ring, chain, chain->id, written);
      step (ring, ring->packed ? ring->size / 2 : ring->size + 1);
    }
  else if (fault_now (fault, FAULT_INDEX_BACK))
    step (ring, -1);
  else
    return false;
  return true;
}

void
fault_use_all (struct fault *fault, unsigned q)
{
  struct vdev *dev = fault->hook.dev;
  struct virtq *ring = &dev->queues[q].ring;
  static _Thread_local struct virtq_chain chain;

  chain.slots = 1;
  for (unsigned id = 0; id < ring->size; id++)
    push_as (ring, &chain, (uint16_t) id, UINT32_MAX);
  if (dev->transport)
    dev->transport->notify (dev->transport_data, q);
}

bool
fault_push (struct vdev_hook *hook, unsigned q, const struct virtq_chain *chain, uint32_t *written)
{
  struct fault *fault = (struct fault *) hook;
  struct virtq *ring = &hook->dev->queues[q].ring;
  uint64_t room = chain->in_len;

  fault_data (fault, q, chain);
  if (fault_now (fault, FAULT_USED_LEN_ZERO))
    *written = 0;
  if (fault_now (fault, FAULT_USED_LEN_SHORT) && *written > 0)
    *written -= 1;
  if (fault_now (fault, FAULT_USED_LEN_LONG))
    *written = (uint32_t) room + 1;
  if (fault_now (fault, FAULT_USED_LEN_MAX))
    *written = UINT32_MAX;
  if (fault_now (fault, FAULT_SCRIBBLE))
    scribble (ring);
  if (push_wrong (fault, ring, chain, *written))
    return true;
  if (fault_now (fault, FAULT_USED_TWICE))
    push_as (ring, chain, chain->id, *written);
  return false;
}
