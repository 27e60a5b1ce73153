/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a packet does to its connection (5.10.6.2 to 5.10.6.5). The peer may say
 * anything: a breach costs it its connection, and nobody else anything. */
#include "vsock.h"

/* 5.10.6: a header in the host's order. */
struct packet
{
  struct virtio_vsock_ends ends;
  uint64_t dst_cid;
  uint16_t type, op;
  uint32_t flags, alloc, fwd;
  const uint8_t *data;
  uint32_t bytes;
};

/* False for one that is shorter than it says. */
static bool
parse (struct packet *packet, const uint8_t *bytes, uint32_t len)
{
  struct virtio_vsock_hdr hdr;

  if (len < sizeof hdr)
    return false;
  memcpy (&hdr, bytes, sizeof hdr);
  packet->ends.peer_cid = virtio_from_le64 (hdr.src_cid);
  packet->ends.peer_port = virtio_from_le32 (hdr.src_port);
  packet->ends.port = virtio_from_le32 (hdr.dst_port);
  packet->dst_cid = virtio_from_le64 (hdr.dst_cid);
  packet->type = virtio_from_le16 (hdr.type);
  packet->op = virtio_from_le16 (hdr.op);
  packet->flags = virtio_from_le32 (hdr.flags);
  packet->alloc = virtio_from_le32 (hdr.buf_alloc);
  packet->fwd = virtio_from_le32 (hdr.fwd_cnt);
  packet->data = bytes + sizeof hdr;
  packet->bytes = virtio_from_le32 (hdr.len);
  return packet->bytes <= len - sizeof hdr;
}

static struct virtio_vsock_connection *
find (struct virtio_vsock *vsock, const struct virtio_vsock_ends *ends)
{
  for (unsigned i = 0; i < VIRTIO_VSOCK_CONNECTIONS; i++)
    {
      struct virtio_vsock_connection *connection = &vsock->connections[i];

      if (connection->state != VIRTIO_VSOCK_FREE && connection->state != VIRTIO_VSOCK_CUT
          && connection->ends.peer_cid == ends->peer_cid
          && connection->ends.peer_port == ends->peer_port && connection->ends.port == ends->port)
        return connection;
    }
  return NULL;
}

static bool
is_listening (const struct virtio_vsock *vsock, uint32_t port)
{
  for (unsigned i = 0; i < VIRTIO_VSOCK_LISTENERS; i++)
    if (vsock->listening[i] && vsock->listeners[i] == port)
      return true;
  return false;
}

/* 5.10.6.4.1: what belongs to nothing is answered by a reset, which itself is not. */
static void
refuse (struct virtio_vsock *vsock, const struct packet *packet)
{
  if (packet->op == VIRTIO_VSOCK_OP_RST)
    return;
  vsock->resets[vsock->n_resets++] = (struct virtio_vsock_reset) { packet->ends, packet->type };
}

/* 5.10.6.3: the peer's space, and how much of ours it has read. It cannot have read
 * more than was sent, nor less than it said before. */
static bool
take_credit (struct virtio_vsock_connection *connection, const struct packet *packet)
{
  uint32_t unread = connection->sent - connection->peer_fwd;
  uint32_t forward = packet->fwd - connection->peer_fwd;

  if (forward > unread)
    return false;
  if (forward || packet->alloc != connection->peer_alloc)
    connection->credit_asked = false;
  connection->peer_fwd = packet->fwd;
  connection->peer_alloc = packet->alloc;
  return true;
}

static void
keep (struct virtio_vsock_connection *connection, const uint8_t *data, uint32_t bytes)
{
  uint32_t at = connection->received % VIRTIO_VSOCK_WINDOW;
  uint32_t first = VIRTIO_VSOCK_WINDOW - at;

  if (first > bytes)
    first = bytes;
  memcpy (connection->window + at, data, first);
  memcpy (connection->window, data + first, bytes - first);
  connection->received += bytes;
}

/* Data beyond the credit, or behind its end, are a breach. */
static bool
take_data (struct virtio_vsock_connection *connection, const struct packet *packet)
{
  if (connection->state == VIRTIO_VSOCK_CLOSING)
    return true; /* nobody reads it any more */
  if (connection->state != VIRTIO_VSOCK_OPEN || (connection->peer_shut & VIRTIO_VSOCK_SHUTDOWN_SEND)
      || packet->bytes > VIRTIO_VSOCK_WINDOW - (connection->received - connection->read))
    return false;
  keep (connection, packet->data, packet->bytes);
  return true;
}

/* 5.10.6.5: what is shut stays shut. */
static bool
take_shutdown (struct virtio_vsock_connection *connection, const struct packet *packet)
{
  if (connection->state == VIRTIO_VSOCK_CONNECTING)
    return false;
  connection->peer_shut |=
    packet->flags & (VIRTIO_VSOCK_SHUTDOWN_RECEIVE | VIRTIO_VSOCK_SHUTDOWN_SEND);
  virtio_vsock_finish (connection);
  return true;
}

static void
take_reset (struct virtio_vsock_connection *connection)
{
  connection->owed = 0;
  connection->state =
    connection->state == VIRTIO_VSOCK_CLOSING ? VIRTIO_VSOCK_FREE : VIRTIO_VSOCK_CUT;
}

static bool
dispatch (struct virtio_vsock_connection *connection, const struct packet *packet)
{
  switch (packet->op)
    {
    case VIRTIO_VSOCK_OP_RESPONSE:
      if (connection->state != VIRTIO_VSOCK_CONNECTING)
        return false;
      connection->state = VIRTIO_VSOCK_OPEN;
      return true;
    case VIRTIO_VSOCK_OP_SHUTDOWN:
      return take_shutdown (connection, packet);
    case VIRTIO_VSOCK_OP_RW:
      return take_data (connection, packet);
    case VIRTIO_VSOCK_OP_CREDIT_UPDATE:
      return true;
    case VIRTIO_VSOCK_OP_CREDIT_REQUEST:
      connection->owed |= OWED (CREDIT_UPDATE);
      return true;
    default:
      return false;
    }
}

static void
begin (struct virtio_vsock *vsock, const struct packet *packet)
{
  struct virtio_vsock_connection *connection = virtio_vsock_free_slot (vsock);

  if (packet->op != VIRTIO_VSOCK_OP_REQUEST || !connection || !is_listening (vsock, packet->ends.port))
    {
      refuse (vsock, packet);
      return;
    }
  virtio_vsock_open (connection, &packet->ends, VIRTIO_VSOCK_OPEN);
  connection->owed = OWED (RESPONSE);
  if (!take_credit (connection, packet)) /* it has read before anything was sent */
    virtio_vsock_cut (connection);
}

void
virtio_vsock_take (struct virtio_vsock *vsock, const uint8_t *bytes, uint32_t len)
{
  struct virtio_vsock_connection *connection;
  struct packet packet;

  if (!parse (&packet, bytes, len) || packet.dst_cid != vsock->cid)
    {
      vsock->ignored++;
      return;
    }
  if (packet.type != VIRTIO_VSOCK_TYPE_STREAM)
    {
      refuse (vsock, &packet);
      return;
    }
  connection = find (vsock, &packet.ends);
  if (!connection)
    begin (vsock, &packet);
  else if (packet.op == VIRTIO_VSOCK_OP_RST)
    take_reset (connection);
  else if (!take_credit (connection, &packet) || !dispatch (connection, &packet))
    virtio_vsock_cut (connection);
}
