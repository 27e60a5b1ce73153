/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Sending (5.1.6.2) and receiving (5.1.6.4) frames. */
#include "net.h"

#include <virtio/driver/mem.h>

#define HEADER sizeof (struct virtio_net_hdr)

/* 5.1.6.3.1: large enough for a frame with its header; the header is zero, so that nothing of
 * an older frame is left in it. */
int
virtio_net_post (struct virtio_net *net, uint8_t *buffer)
{
  struct virtio_seg seg = { buffer, VIRTIO_NET_BUFFER_BYTES };

  memset (buffer, 0, HEADER);
  return virtio_queue_add (&net->rx, &seg, 0, 1, buffer);
}

/* ---- sending ---- */

static unsigned
index_of (const struct virtio_net *net, const void *buffer)
{
  return (unsigned) (((const uint8_t *) buffer - net->tx_buffers[0]) / VIRTIO_NET_BUFFER_BYTES);
}

static int
take_sent (struct virtio_net *net)
{
  void *buffer;
  uint32_t len;
  int got;

  while ((got = virtio_queue_get (&net->tx, &buffer, &len)) == 1)
    net->tx_free |= 1u << index_of (net, buffer);
  return got;
}

unsigned
virtio_net_pending (struct virtio_net *net)
{
  take_sent (net);
  return net->tx.in_flight;
}

/* 5.1.6.2: without checksum or segmentation offload the header is all zero. */
int
virtio_net_send (struct virtio_net *net, const void *frame, size_t bytes)
{
  struct virtio_seg seg = { .len = (uint32_t) (HEADER + bytes) };
  unsigned number;
  int error;

  if (bytes < VIRTIO_NET_FRAME_MIN || bytes > virtio_net_longest (net))
    return -VIRTIO_EINVAL;
  error = take_sent (net);
  if (error)
    return error;
  if (net->tx_free == 0)
    return -VIRTIO_EAGAIN;
  number = (unsigned) __builtin_ctz (net->tx_free);
  seg.addr = net->tx_buffers[number];
  memset (seg.addr, 0, HEADER);
  memcpy ((uint8_t *) seg.addr + HEADER, frame, bytes);
  error = virtio_queue_add (&net->tx, &seg, 1, 0, seg.addr);
  if (error)
    return error;
  net->tx_free &= ~(1u << number);
  virtio_queue_kick (&net->tx);
  return 0;
}

/* ---- receiving ---- */

struct frame
{
  uint8_t *to;
  size_t room;
  size_t bytes; /* of the whole frame, whether it fits or not */
};

static void
append (struct frame *frame, const uint8_t *from, size_t bytes)
{
  if (frame->bytes < frame->room)
    {
      size_t left = frame->room - frame->bytes;

      memcpy (frame->to + frame->bytes, from, bytes < left ? bytes : left);
    }
  frame->bytes += bytes;
}

/* How many buffers the frame has; 0 when that cannot be. Without MRG_RXBUF the
 * field is 1, whatever it says. */
static unsigned
buffers_of (const struct virtio_net *net, const struct virtio_net_hdr *header)
{
  unsigned n = virtio_from_le16 (header->num_buffers);

  if (!virtio_device_has (&net->dev, VIRTIO_NET_F_MRG_RXBUF))
    return 1;
  return n <= net->n_rx ? n : 0;
}

static int
breach (struct virtio_net *net)
{
  net->rx.broken = true;
  virtio_device_fail (&net->dev);
  return -VIRTIO_EIO;
}

/* The buffers of a merged frame are published together (5.1.6.4.1): the others are
 * there when the first is. */
static int
rest (struct virtio_net *net, struct frame *frame, unsigned n)
{
  void *buffer;
  uint32_t len;

  for (; n > 0; n--)
    {
      int got = virtio_queue_get (&net->rx, &buffer, &len);

      if (got <= 0)
        return got < 0 ? got : breach (net);
      append (frame, buffer, len);
      got = virtio_net_post (net, buffer);
      if (got)
        return got;
    }
  return 0;
}

static int
verdict (struct virtio_net *net, const struct virtio_net_hdr *header, const struct frame *frame)
{
  if (header->gso_type != VIRTIO_NET_HDR_GSO_NONE /* 5.1.6.4.2: not negotiated */
      || frame->bytes < VIRTIO_NET_FRAME_MIN || frame->bytes > VIRTIO_NET_FRAME_MAX)
    {
      net->rx_dropped++;
      return 0;
    }
  if (frame->bytes > frame->room)
    {
      net->rx_dropped++;
      return -VIRTIO_ERANGE;
    }
  return (int) frame->bytes;
}

/* 5.1.6.4: one frame. Its bytes, 0 when it was of no use, or an error. */
static int
receive_one (struct virtio_net *net, uint8_t *buffer, uint32_t len, void *to, size_t bytes)
{
  struct frame frame = { .to = to, .room = bytes };
  struct virtio_net_hdr header;
  unsigned n;
  int error;

  if (len < HEADER)
    return breach (net);
  memcpy (&header, buffer, sizeof header);
  n = buffers_of (net, &header);
  if (n == 0)
    return breach (net);
  append (&frame, buffer + HEADER, len - HEADER);
  error = virtio_net_post (net, buffer);
  if (!error)
    error = rest (net, &frame, n - 1);
  if (error)
    return error;
  virtio_queue_kick (&net->rx);
  return verdict (net, &header, &frame);
}

int
virtio_net_receive (struct virtio_net *net, void *to, size_t bytes)
{
  for (unsigned tries = 0; tries < VIRTIO_NET_BUFFERS; tries++)
    {
      void *buffer;
      uint32_t len;
      int got = virtio_queue_get (&net->rx, &buffer, &len);

      if (got <= 0)
        return got;
      got = receive_one (net, buffer, len, to, bytes);
      if (got)
        return got;
    }
  return 0;
}
