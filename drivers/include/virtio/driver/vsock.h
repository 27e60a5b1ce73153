/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A socket device: streams between the guest and its host. Bytes are copied, once
 * each way more than the wire needs, so that a reader who does not read keeps no
 * buffer of the device's. */
#pragma once

#include <virtio/driver/queue.h>
#include <virtio/vsock.h>

#define VIRTIO_VSOCK_CONNECTIONS 8u
#define VIRTIO_VSOCK_LISTENERS 8u
/* Buffers each way, of a packet each. */
#define VIRTIO_VSOCK_BUFFERS 16u
#define VIRTIO_VSOCK_BUFFER_BYTES 2048u
#define VIRTIO_VSOCK_PAYLOAD (VIRTIO_VSOCK_BUFFER_BYTES - (uint32_t) sizeof (struct virtio_vsock_hdr))
/* What a connection keeps for its reader: the credit its peer has (5.10.6.3). */
#define VIRTIO_VSOCK_WINDOW 8192u
/* Answers to packets of nobody's that wait for room (5.10.6.1). */
#define VIRTIO_VSOCK_RESETS 16u
#define VIRTIO_VSOCK_EVENTS 4u
/* Packets handled by one virtio_vsock_poll. */
#define VIRTIO_VSOCK_POLL_MAX 32u
/* How long a peer may take to agree that a connection is over. */
#define VIRTIO_VSOCK_CLOSE_MS 2000u

typedef uint8_t virtio_vsock_buffer[VIRTIO_VSOCK_BUFFER_BYTES];

enum virtio_vsock_state
{
  VIRTIO_VSOCK_FREE,
  VIRTIO_VSOCK_CONNECTING, /* asked, not answered */
  VIRTIO_VSOCK_OPEN,
  VIRTIO_VSOCK_CLOSING, /* we are through with it, the peer is not yet */
  VIRTIO_VSOCK_CUT,     /* reset by the peer, or by us for a breach */
};

/* Both ends of a connection. */
struct virtio_vsock_ends
{
  uint64_t peer_cid;
  uint32_t peer_port;
  uint32_t port;
};

struct virtio_vsock_connection
{
  struct virtio_vsock_ends ends;
  enum virtio_vsock_state state;
  bool accepted;                /* by the listener; or it is ours */
  bool credit_asked;            /* and not answered yet */
  uint8_t shut, peer_shut;      /* VIRTIO_VSOCK_SHUTDOWN_* */
  uint32_t owed;                /* packets to send when there is room: a bit an op */
  uint32_t sent;                /* 5.10.6.3's tx_cnt, modulo 2^32 as all of these */
  uint32_t peer_alloc, peer_fwd;
  uint32_t received, read;      /* of the peer's bytes; the difference is in the window */
  uint32_t told;                /* the value of read the peer knows */
  uint64_t deadline_us;         /* CLOSING */
  uint8_t *window;
};

struct virtio_vsock_reset
{
  struct virtio_vsock_ends ends;
  uint16_t type;
};

struct virtio_vsock
{
  struct virtio_device dev;
  struct virtio_queue rx, tx, event;
  uint64_t cid; /* the guest's */
  virtio_vsock_buffer *buffers; /* first those received into, then those sent */
  struct virtio_vsock_event *events;
  uint8_t *windows;
  uint32_t tx_free; /* bit set: free */
  struct virtio_vsock_connection connections[VIRTIO_VSOCK_CONNECTIONS];
  uint32_t listeners[VIRTIO_VSOCK_LISTENERS];
  bool listening[VIRTIO_VSOCK_LISTENERS];
  struct virtio_vsock_reset resets[VIRTIO_VSOCK_RESETS];
  unsigned n_resets;
  uint32_t next_port;
  uint64_t ignored; /* packets and events that made no sense */
};

/** Starts the device behind @transport, which outlives it. 0 or a negated error;
 * -VIRTIO_EPROTO for a context ID that is nobody's guest. */
int virtio_vsock_start (struct virtio_vsock *vsock, struct virtio_transport *transport,
                        const struct virtio_options *options);

/** Resets it; peers are not told. After an error its memory is left to the device. */
int virtio_vsock_stop (struct virtio_vsock *vsock);

/** Handles what came, and sends what was owed: how many packets and events, or a
 * negated error. To be called again and again; nothing else makes time pass. */
int virtio_vsock_poll (struct virtio_vsock *vsock);

/** Takes connections to @port, or no more. -VIRTIO_EINVAL for a port that is taken
 * or never was, -VIRTIO_EAGAIN when there are too many. */
int virtio_vsock_listen (struct virtio_vsock *vsock, uint32_t port);
int virtio_vsock_ignore (struct virtio_vsock *vsock, uint32_t port);

/** The number of a new connection to @port, or -VIRTIO_EAGAIN. */
int virtio_vsock_accept (struct virtio_vsock *vsock, uint32_t port);

/** Connects to @port of @cid and waits for the answer: the connection's number,
 * -VIRTIO_ECONNREFUSED, -VIRTIO_ETIMEDOUT (the device lives on), -VIRTIO_EAGAIN when
 * there are too many connections, or -VIRTIO_EIO. */
int virtio_vsock_connect (struct virtio_vsock *vsock, uint64_t cid, uint32_t port);

/** Sends as much of @bytes as there is credit and room for: how much that is, 0 when
 * none is, -VIRTIO_EINVAL for no connection, -VIRTIO_ECONNRESET, or -VIRTIO_EIO. */
int virtio_vsock_send (struct virtio_vsock *vsock, unsigned connection, const void *from,
                       size_t bytes);

/** Receives at most @bytes: how many, 0 for none yet, -VIRTIO_ENODATA at the end of
 * what the peer sends, or an error as above. */
int virtio_vsock_receive (struct virtio_vsock *vsock, unsigned connection, void *to, size_t bytes);

/** Tells the peer that no more is sent: it still sends. */
int virtio_vsock_end (struct virtio_vsock *vsock, unsigned connection);

/** Gives the connection up; its number is not to be used again. What was sent arrives,
 * if virtio_vsock_poll goes on being called. */
int virtio_vsock_close (struct virtio_vsock *vsock, unsigned connection);
