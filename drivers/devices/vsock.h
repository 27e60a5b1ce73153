/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Between the three files of the socket driver. */
#pragma once

#include <virtio/driver/mem.h>
#include <virtio/driver/vsock.h>

#define OWED(op) (1u << VIRTIO_VSOCK_OP_##op)

/* ---- vsock.c: buffers ---- */

/* Takes back what the device has sent: 0 or a negated error. */
int virtio_vsock_reclaim (struct virtio_vsock *vsock);
/* Queues a packet with a connection's credit, @bytes of @data behind it. Only when
 * tx_free is not 0; the caller kicks. */
int virtio_vsock_put (struct virtio_vsock *vsock, struct virtio_vsock_connection *connection,
                      uint16_t op, uint32_t flags, const void *data, uint32_t bytes);
/* A reset of what is no connection of ours. */
int virtio_vsock_put_reset (struct virtio_vsock *vsock, const struct virtio_vsock_reset *reset);

/* ---- vsock-packet.c: what comes ---- */

/* A packet of @len bytes, as the device says. There is room in resets. */
void virtio_vsock_take (struct virtio_vsock *vsock, const uint8_t *packet, uint32_t len);

/* ---- vsock-stream.c: connections ---- */

/* Sends what is owed as far as there is room. */
int virtio_vsock_flush (struct virtio_vsock *vsock);
struct virtio_vsock_connection *virtio_vsock_free_slot (struct virtio_vsock *vsock);
/* A slot becomes a connection. */
void virtio_vsock_open (struct virtio_vsock_connection *connection,
                        const struct virtio_vsock_ends *ends, enum virtio_vsock_state state);
/* Cuts a connection off: the peer is told. */
void virtio_vsock_cut (struct virtio_vsock_connection *connection);
/* The peer sends and takes no more, and all it sent was read: it waits for a reset. */
void virtio_vsock_finish (struct virtio_vsock_connection *connection);
