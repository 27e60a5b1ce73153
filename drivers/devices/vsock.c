/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Socket device (5.10): packets both ways and a queue of events. */
#include "vsock.h"

/* 5.10.3: SEQPACKET is left out. */
#define WANTED VIRTIO_BIT (VIRTIO_VSOCK_F_STREAM)

static unsigned
count (const struct virtio_queue *queue, unsigned most)
{
  return queue->size < most ? queue->size : most;
}

static int
post (struct virtio_queue *queue, void *buffer, uint32_t bytes)
{
  struct virtio_seg seg = { buffer, bytes };

  return virtio_queue_add (queue, &seg, 0, 1, buffer);
}

/* 5.10.4: the guest's ID; the upper half is 0, and some are not a guest's. */
static int
read_cid (struct virtio_vsock *vsock)
{
  virtio_le64 cid;
  int error = virtio_device_config (&vsock->dev, 0, &cid, sizeof cid, 4);

  if (error)
    return error;
  vsock->cid = virtio_from_le64 (cid);
  return vsock->cid > VIRTIO_VSOCK_CID_HOST && vsock->cid < VIRTIO_VSOCK_CID_ANY ? 0
                                                                              : -VIRTIO_EPROTO;
}

static int
take_memory (struct virtio_vsock *vsock)
{
  const struct virtio_hal *hal = vsock->dev.hal;

  vsock->buffers = hal->ops->alloc (hal->ctx, 2 * VIRTIO_VSOCK_BUFFERS * sizeof *vsock->buffers, 16);
  vsock->events = hal->ops->alloc (hal->ctx, VIRTIO_VSOCK_EVENTS * sizeof *vsock->events, 16);
  vsock->windows = hal->ops->alloc (hal->ctx, VIRTIO_VSOCK_CONNECTIONS * VIRTIO_VSOCK_WINDOW, 16);
  if (!vsock->buffers || !vsock->events || !vsock->windows)
    return -VIRTIO_ENOMEM;
  for (unsigned i = 0; i < VIRTIO_VSOCK_CONNECTIONS; i++)
    vsock->connections[i].window = vsock->windows + i * VIRTIO_VSOCK_WINDOW;
  return 0;
}

static void
give_memory (struct virtio_vsock *vsock)
{
  const struct virtio_hal *hal = vsock->dev.hal;

  if (vsock->buffers)
    hal->ops->free (hal->ctx, vsock->buffers, 2 * VIRTIO_VSOCK_BUFFERS * sizeof *vsock->buffers);
  if (vsock->events)
    hal->ops->free (hal->ctx, vsock->events, VIRTIO_VSOCK_EVENTS * sizeof *vsock->events);
  if (vsock->windows)
    hal->ops->free (hal->ctx, vsock->windows, VIRTIO_VSOCK_CONNECTIONS * VIRTIO_VSOCK_WINDOW);
}

/* 5.10.5: all queues, with buffers where the device has something to say. */
static int
start_queues (struct virtio_vsock *vsock)
{
  int error = virtio_queue_start (&vsock->rx, &vsock->dev, VIRTIO_VSOCK_QUEUE_RX, 0, 1,
                                  VIRTIO_LEN_STRICT);

  if (!error)
    error = virtio_queue_start (&vsock->tx, &vsock->dev, VIRTIO_VSOCK_QUEUE_TX, 0, 1,
                                VIRTIO_LEN_CLAMP);
  if (!error)
    error = virtio_queue_start (&vsock->event, &vsock->dev, VIRTIO_VSOCK_QUEUE_EVENT, 0, 1,
                                VIRTIO_LEN_STRICT);
  if (!error)
    error = take_memory (vsock);
  if (error)
    return error;
  vsock->tx_free = (1u << count (&vsock->tx, VIRTIO_VSOCK_BUFFERS)) - 1;
  for (unsigned i = 0; i < count (&vsock->rx, VIRTIO_VSOCK_BUFFERS) && !error; i++)
    error = post (&vsock->rx, vsock->buffers[i], VIRTIO_VSOCK_BUFFER_BYTES);
  for (unsigned i = 0; i < count (&vsock->event, VIRTIO_VSOCK_EVENTS) && !error; i++)
    error = post (&vsock->event, &vsock->events[i], sizeof *vsock->events);
  return error;
}

/* 3.1.1, with 5.10.5. */
int
virtio_vsock_start (struct virtio_vsock *vsock, struct virtio_transport *transport,
                    const struct virtio_options *options)
{
  int error;

  memset (vsock, 0, sizeof *vsock);
  if (transport->device_id != VIRTIO_ID_VSOCK)
    return -VIRTIO_ENODEV;
  vsock->next_port = 1024;
  error = virtio_device_begin (&vsock->dev, transport, options, WANTED, NULL, 0);
  if (!error)
    error = read_cid (vsock);
  if (!error)
    error = start_queues (vsock);
  if (!error)
    error = virtio_device_ready (&vsock->dev);
  if (error)
    {
      virtio_device_fail (&vsock->dev);
      virtio_vsock_stop (vsock);
      return error;
    }
  virtio_queue_kick (&vsock->rx);
  virtio_queue_kick (&vsock->event);
  return 0;
}

int
virtio_vsock_stop (struct virtio_vsock *vsock)
{
  int error;

  if (!vsock->dev.hal)
    return 0;
  error = virtio_device_reset (&vsock->dev);
  if (error)
    return error;
  virtio_queue_drain_and_free (&vsock->rx);
  virtio_queue_drain_and_free (&vsock->tx);
  virtio_queue_drain_and_free (&vsock->event);
  give_memory (vsock);
  memset (vsock, 0, sizeof *vsock);
  return 0;
}

/* ---- to the device ---- */

int
virtio_vsock_reclaim (struct virtio_vsock *vsock)
{
  virtio_vsock_buffer *first = vsock->buffers + VIRTIO_VSOCK_BUFFERS;
  void *buffer;
  uint32_t len;
  int got;

  while ((got = virtio_queue_get (&vsock->tx, &buffer, &len)) == 1)
    vsock->tx_free |= 1u << ((virtio_vsock_buffer *) buffer - first);
  return got;
}

/* @hdr has all but the guest's own ID (5.10.6.4.1). */
static int
put (struct virtio_vsock *vsock, struct virtio_vsock_hdr *hdr, const void *data)
{
  unsigned n = (unsigned) __builtin_ctz (vsock->tx_free);
  uint8_t *buffer = vsock->buffers[VIRTIO_VSOCK_BUFFERS + n];
  uint32_t bytes = virtio_from_le32 (hdr->len);
  struct virtio_seg seg = { buffer, (uint32_t) sizeof *hdr + bytes };
  int error;

  hdr->src_cid = virtio_to_le64 (vsock->cid);
  memcpy (buffer, hdr, sizeof *hdr);
  if (bytes)
    memcpy (buffer + sizeof *hdr, data, bytes);
  error = virtio_queue_add (&vsock->tx, &seg, 1, 0, buffer);
  if (!error)
    vsock->tx_free &= ~(1u << n);
  return error;
}

/* 5.10.6 */
static struct virtio_vsock_hdr
header (const struct virtio_vsock_ends *ends, uint16_t type, uint16_t op)
{
  return (struct virtio_vsock_hdr) { .dst_cid = virtio_to_le64 (ends->peer_cid),
                                     .src_port = virtio_to_le32 (ends->port),
                                     .dst_port = virtio_to_le32 (ends->peer_port),
                                     .type = virtio_to_le16 (type),
                                     .op = virtio_to_le16 (op) };
}

/* 5.10.6.3: every packet of a stream tells the peer its credit. */
int
virtio_vsock_put (struct virtio_vsock *vsock, struct virtio_vsock_connection *connection,
                  uint16_t op, uint32_t flags, const void *data, uint32_t bytes)
{
  struct virtio_vsock_hdr hdr = header (&connection->ends, VIRTIO_VSOCK_TYPE_STREAM, op);

  hdr.len = virtio_to_le32 (bytes);
  hdr.flags = virtio_to_le32 (flags);
  hdr.buf_alloc = virtio_to_le32 (VIRTIO_VSOCK_WINDOW);
  hdr.fwd_cnt = virtio_to_le32 (connection->read);
  connection->told = connection->read;
  return put (vsock, &hdr, data);
}

int
virtio_vsock_put_reset (struct virtio_vsock *vsock, const struct virtio_vsock_reset *reset)
{
  struct virtio_vsock_hdr hdr = header (&reset->ends, reset->type, VIRTIO_VSOCK_OP_RST);

  return put (vsock, &hdr, NULL);
}

/* ---- from the device ---- */

/* 5.10.6.7.1: the guest has moved. Its ID is another, its connections are gone, and
 * who listens goes on listening. */
static int
transport_reset (struct virtio_vsock *vsock)
{
  int error = read_cid (vsock);

  for (unsigned i = 0; i < VIRTIO_VSOCK_CONNECTIONS; i++)
    {
      struct virtio_vsock_connection *connection = &vsock->connections[i];

      connection->owed = 0;
      if (connection->state == VIRTIO_VSOCK_CLOSING)
        connection->state = VIRTIO_VSOCK_FREE;
      else if (connection->state != VIRTIO_VSOCK_FREE)
        connection->state = VIRTIO_VSOCK_CUT;
    }
  vsock->n_resets = 0;
  if (error)
    virtio_device_fail (&vsock->dev);
  return error;
}

static int
take_events (struct virtio_vsock *vsock)
{
  struct virtio_vsock_event event;
  void *buffer;
  uint32_t len;
  int n = 0, got = 0;

  while (n < (int) VIRTIO_VSOCK_EVENTS && (got = virtio_queue_get (&vsock->event, &buffer, &len)) == 1)
    {
      memcpy (&event, buffer, sizeof event);
      if (len == sizeof event && virtio_from_le32 (event.id) == VIRTIO_VSOCK_EVENT_TRANSPORT_RESET)
        got = transport_reset (vsock);
      else
        vsock->ignored++;
      if (got >= 0)
        got = post (&vsock->event, buffer, sizeof event);
      if (got < 0)
        return got;
      n++;
    }
  if (n > 0)
    virtio_queue_kick (&vsock->event);
  return got < 0 ? got : n;
}

/* 5.10.6.1: also when nothing can be sent, as long as the answers have a place to wait. */
static int
take_packets (struct virtio_vsock *vsock)
{
  void *buffer;
  uint32_t len;
  int n = 0, got = 0;

  while (n < (int) VIRTIO_VSOCK_POLL_MAX && vsock->n_resets < VIRTIO_VSOCK_RESETS
         && (got = virtio_queue_get (&vsock->rx, &buffer, &len)) == 1)
    {
      virtio_vsock_take (vsock, buffer, len);
      got = post (&vsock->rx, buffer, VIRTIO_VSOCK_BUFFER_BYTES);
      if (got < 0)
        return got;
      n++;
    }
  if (n > 0)
    virtio_queue_kick (&vsock->rx);
  return got < 0 ? got : n;
}

int
virtio_vsock_poll (struct virtio_vsock *vsock)
{
  int events = take_events (vsock), packets, error;

  if (events < 0)
    return events;
  packets = take_packets (vsock);
  if (packets < 0)
    return packets;
  error = virtio_vsock_flush (vsock);
  return error ? error : events + packets;
}
