/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the files of the socket device share: vsock.c has the rings, vsock-conn.c a
 * connection, vsock-host.c the unix sockets. All of it runs in the device's one worker. */
#pragma once

#include <virtio/device.h>
#include <virtio/vsock.h>

#include "vdev.h"

#define VSOCK_CONNS_MAX 256u
#define VSOCK_BUFFER 65536u /* bytes a connection keeps for a host's program that is slow */
#define VSOCK_RESETS_MAX 256u
#define VSOCK_LINE_MAX 32u
#define VSOCK_PATH_MAX 97u /* sun_path without "_4294967295" */

enum vsock_state
{
  VSOCK_GREETING, /* a host's program has not said yet which port it wants */
  VSOCK_ASKING,   /* the guest has not answered yet */
  VSOCK_OPEN,
  VSOCK_RESET, /* the guest has still to be told */
};

/* What the guest has to be told of a connection, in this order. */
enum
{
  VSOCK_TELL_REQUEST = 1,
  VSOCK_TELL_RESPONSE = 2,
  VSOCK_TELL_CREDIT = 4,
  VSOCK_TELL_WANT = 8,
  VSOCK_TELL_SHUTDOWN = 16,
  VSOCK_TELL_RESET = 32,
};

struct vsock_conn
{
  struct vsock *vsock;
  struct watch watch; /* fd -1: the host's end is gone */
  enum vsock_state state;
  uint32_t guest_port, host_port;
  unsigned tell;
  /* to the guest (5.10.6.3): bytes sent, what it has room for, what it has consumed */
  uint32_t sent, peer_alloc, peer_done;
  bool wanted; /* it was asked for credit */
  bool host_eof, guest_deaf;
  /* to the host: bytes given to its program, and what the guest was told of that */
  uint32_t done, told;
  bool guest_eof, host_deaf;
  uint8_t *buffer; /* VSOCK_BUFFER bytes while there is something in it */
  uint32_t head, len;
  char line[VSOCK_LINE_MAX];
  unsigned line_len;
};

/* Of a packet nobody wanted. */
struct vsock_reset
{
  uint32_t guest_port, host_port;
  uint16_t type;
};

struct vsock
{
  struct vdev dev;
  uint32_t cid;
  char path[VSOCK_PATH_MAX + 1];
  struct watch listener;
  bool listening;
  uint32_t next_port; /* of the host's end of what the host begins */
  struct vsock_conn *conns[VSOCK_CONNS_MAX];
  unsigned n_conns;
  struct vsock_reset resets[VSOCK_RESETS_MAX];
  unsigned n_resets;
  struct virtq_chain chain;
};

/* ---- vsock.c ---- */

/* A packet for the guest: its header and at most @max bytes that are read from @fd (-1:
 * none). How many they were; -EAGAIN when the guest has no buffer, -ENODATA when nothing
 * comes now, -ENOTCONN when nothing comes any more. */
ssize_t vsock_send (struct vsock *vsock, struct virtio_vsock_hdr *hdr, int fd, uint32_t max);

/* ---- vsock-conn.c ---- */

/* One with a host's program at @fd, which is its own from now on; NULL, with @fd closed,
 * when there are too many. */
struct vsock_conn *vsock_conn_new (struct vsock *vsock, int fd);
/* Closes and frees; the guest is told nothing. */
void vsock_conn_free (struct vsock_conn *conn);
/* Closes, and frees when the guest has been told. */
void vsock_conn_reset (struct vsock_conn *conn);
struct vsock_conn *vsock_conn_find (struct vsock *vsock, uint32_t guest_port, uint32_t host_port);
/* A packet of the guest; the chain has its bytes behind the header. */
void vsock_conn_take (struct vsock_conn *conn, const struct virtio_vsock_hdr *hdr,
                      const struct virtq_chain *chain);
/* Moves and tells what can be moved and told, waits for the rest; may free it. */
void vsock_conn_pump (struct vsock_conn *conn);

/* ---- vsock-host.c ---- */

/* Takes programs that connect to the path as long as there is room for them. */
void vsock_listen (struct vsock *vsock);
/* A host's program at @fd that will say "CONNECT port". */
void vsock_greet (struct vsock *vsock, int fd);
/* Reads what it says. False when there is nothing more to do: the line is not whole yet, or
 * it was wrong and the connection is freed. */
bool vsock_read_greeting (struct vsock_conn *conn);
/* The guest has accepted: the program is told. */
void vsock_tell_accepted (struct vsock_conn *conn);
/* Connects to the program that listens for the guest at this port; a descriptor or -1. */
int vsock_connect (const struct vsock *vsock, uint32_t port);
