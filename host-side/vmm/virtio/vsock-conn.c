/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A connection of the socket device: credit both ways (5.10.6.3), half closes, the end.
 * What the guest has still to be told is remembered as bits, so nothing is queued. */
#include "vsock.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

/* A connection has its turn for so many packets. */
#define TURN 16u

static struct worker *
worker_of (const struct vsock_conn *conn)
{
  return conn->vsock->dev.workers[0];
}

static void
close_host (struct vsock_conn *conn)
{
  if (conn->watch.fd < 0)
    return;
  if (worker_of (conn))
    worker_unwatch (worker_of (conn), &conn->watch);
  close (conn->watch.fd);
  conn->watch.fd = -1;
}

static void
on_host (void *data)
{
  struct vdev *dev = &((struct vsock_conn *) data)->vsock->dev;

  vsock_conn_pump (data);
  vdev_notify (dev, VIRTIO_VSOCK_QUEUE_RX);
}

struct vsock_conn *
vsock_conn_new (struct vsock *vsock, int fd)
{
  struct vsock_conn *conn = NULL;
  unsigned i = 0;

  while (i < VSOCK_CONNS_MAX && vsock->conns[i])
    i++;
  if (i < VSOCK_CONNS_MAX)
    conn = calloc (1, sizeof *conn);
  if (conn == NULL)
    {
      close (fd);
      return NULL;
    }
  conn->vsock = vsock;
  conn->watch = (struct watch){ fd, on_host, conn };
  vsock->conns[i] = conn;
  vsock->n_conns++;
  return conn;
}

void
vsock_conn_free (struct vsock_conn *conn)
{
  struct vsock *vsock = conn->vsock;
  unsigned i = 0;

  close_host (conn);
  while (vsock->conns[i] != conn)
    i++;
  vsock->conns[i] = NULL;
  vsock->n_conns--;
  free (conn->buffer);
  free (conn);
  vsock_listen (vsock);
}

void
vsock_conn_reset (struct vsock_conn *conn)
{
  close_host (conn);
  conn->state = VSOCK_RESET;
  conn->tell = VSOCK_TELL_RESET;
}

struct vsock_conn *
vsock_conn_find (struct vsock *vsock, uint32_t guest_port, uint32_t host_port)
{
  for (unsigned i = 0; i < VSOCK_CONNS_MAX; i++)
    {
      struct vsock_conn *conn = vsock->conns[i];

      if (conn && conn->state != VSOCK_GREETING && conn->guest_port == guest_port
          && conn->host_port == host_port)
        return conn;
    }
  return NULL;
}

/* ---- to the guest ---- */

static ssize_t
send_packet (struct vsock_conn *conn, uint16_t op, int fd, uint32_t max)
{
  struct virtio_vsock_hdr hdr = {
    .src_port = conn->host_port,
    .dst_port = conn->guest_port,
    .type = VIRTIO_VSOCK_TYPE_STREAM,
    .op = op,
    .buf_alloc = VSOCK_BUFFER,
    .fwd_cnt = conn->done,
  };
  ssize_t ret;

  if (op == VIRTIO_VSOCK_OP_SHUTDOWN)
    hdr.flags = (conn->host_eof ? VIRTIO_VSOCK_SHUTDOWN_SEND : 0)
                | (conn->host_deaf ? VIRTIO_VSOCK_SHUTDOWN_RECEIVE : 0);
  ret = vsock_send (conn->vsock, &hdr, fd, max);
  if (ret >= 0) /* every packet tells of our room */
    conn->told = conn->done;
  return ret;
}

/* False when the guest has no buffers: it will say when it has. */
static bool
tell (struct vsock_conn *conn)
{
  static const uint16_t op_of[] = {
    VIRTIO_VSOCK_OP_REQUEST, VIRTIO_VSOCK_OP_RESPONSE, VIRTIO_VSOCK_OP_CREDIT_UPDATE,
    VIRTIO_VSOCK_OP_CREDIT_REQUEST, VIRTIO_VSOCK_OP_SHUTDOWN, VIRTIO_VSOCK_OP_RST,
  };

  while (conn->tell)
    {
      unsigned what = conn->tell & -conn->tell;

      if (send_packet (conn, op_of[__builtin_ctz (what)], -1, 0) < 0)
        return false;
      conn->tell &= ~what;
    }
  return true;
}

static uint32_t
credit (const struct vsock_conn *conn)
{
  uint32_t under_way = conn->sent - conn->peer_done; /* both count modulo 2^32 */

  return under_way < conn->peer_alloc ? conn->peer_alloc - under_way : 0;
}

/* From the host's program into the guest's buffers. True when we wait for the program,
 * false when we wait for the guest or for nothing. */
static bool
pump_in (struct vsock_conn *conn)
{
  for (unsigned turn = 0; turn < TURN; turn++)
    {
      uint32_t room = credit (conn);
      ssize_t n;

      if (conn->host_eof || conn->guest_deaf || conn->watch.fd < 0)
        return false;
      if (room == 0)
        {
          conn->tell |= conn->wanted ? 0 : VSOCK_TELL_WANT;
          conn->wanted = true;
          return false;
        }
      n = send_packet (conn, VIRTIO_VSOCK_OP_RW, conn->watch.fd, room);
      if (n == -EAGAIN)
        return false;
      if (n == -ENODATA)
        return true;
      if (n == -ENOTCONN)
        {
          conn->host_eof = true;
          conn->tell |= VSOCK_TELL_SHUTDOWN;
          return false;
        }
      conn->sent += (uint32_t) n;
    }
  return true;
}

/* ---- to the host ---- */

static void
host_reads_no_more (struct vsock_conn *conn)
{
  conn->host_deaf = true;
  conn->tell |= VSOCK_TELL_SHUTDOWN;
  conn->done += conn->len;
  conn->len = 0;
}

/* How many of these bytes its program takes now. */
static uint32_t
offer (struct vsock_conn *conn, struct iovec *iov, unsigned n)
{
  struct msghdr message = { .msg_iov = iov, .msg_iovlen = n };
  ssize_t took;

  do
    took = sendmsg (conn->watch.fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
  while (took < 0 && errno == EINTR);
  if (took < 0 && errno != EAGAIN)
    host_reads_no_more (conn);
  if (took < 0)
    return 0;
  conn->done += (uint32_t) took;
  return (uint32_t) took;
}

/* True when it has to read first. */
static bool
pump_out (struct vsock_conn *conn)
{
  while (conn->len > 0 && conn->watch.fd >= 0)
    {
      struct iovec iov = { conn->buffer + conn->head, conn->len };
      uint32_t took = offer (conn, &iov, 1);

      if (took == 0 && !conn->host_deaf)
        return true;
      conn->head += took;
      conn->len -= conn->host_deaf ? 0 : took;
    }
  free (conn->buffer);
  conn->buffer = NULL;
  conn->head = 0;
  return false;
}

/* Bytes of a packet: what the program does not take at once is kept. */
static void
take_data (struct vsock_conn *conn, uint32_t len, const struct virtq_chain *chain)
{
  static _Thread_local struct iovec iov[VIRTQ_IOV_MAX];
  uint32_t took = 0;

  if (conn->guest_eof || conn->state != VSOCK_OPEN || len > VSOCK_BUFFER - conn->len)
    {
      vsock_conn_reset (conn); /* it had no such room */
      return;
    }
  if (conn->len == 0 && !conn->host_deaf)
    took = offer (conn, iov, virtq_slice (chain->iov, chain->n_out,
                                          sizeof (struct virtio_vsock_hdr), len, iov));
  if (conn->host_deaf)
    {
      conn->done += len;
      return;
    }
  if (took == len)
    return;
  if (conn->buffer == NULL)
    conn->buffer = malloc (VSOCK_BUFFER);
  if (conn->buffer == NULL)
    {
      vsock_conn_reset (conn);
      return;
    }
  if (conn->head > 0)
    memmove (conn->buffer, conn->buffer + conn->head, conn->len);
  conn->head = 0;
  virtq_read (chain, sizeof (struct virtio_vsock_hdr) + took, conn->buffer + conn->len, len - took);
  conn->len += len - took;
}

/* ---- packets ---- */

static void
take_shutdown (struct vsock_conn *conn, uint32_t flags)
{
  conn->guest_eof |= (flags & VIRTIO_VSOCK_SHUTDOWN_SEND) != 0;
  conn->guest_deaf |= (flags & VIRTIO_VSOCK_SHUTDOWN_RECEIVE) != 0;
  if (conn->guest_deaf && conn->watch.fd >= 0)
    shutdown (conn->watch.fd, SHUT_RD);
}

void
vsock_conn_take (struct vsock_conn *conn, const struct virtio_vsock_hdr *hdr,
                 const struct virtq_chain *chain)
{
  conn->peer_alloc = hdr->buf_alloc;
  conn->peer_done = hdr->fwd_cnt;
  if (credit (conn) > 0)
    conn->wanted = false;
  if (hdr->op == VIRTIO_VSOCK_OP_RST)
    vsock_conn_free (conn);
  else if (conn->state == VSOCK_RESET)
    return; /* it will learn that it is over */
  else if (hdr->op == VIRTIO_VSOCK_OP_RESPONSE && conn->state == VSOCK_ASKING)
    {
      conn->state = VSOCK_OPEN;
      vsock_tell_accepted (conn);
    }
  else if (conn->state != VSOCK_OPEN)
    vsock_conn_reset (conn);
  else if (hdr->op == VIRTIO_VSOCK_OP_RW)
    take_data (conn, hdr->len, chain);
  else if (hdr->op == VIRTIO_VSOCK_OP_SHUTDOWN)
    take_shutdown (conn, hdr->flags);
  else if (hdr->op == VIRTIO_VSOCK_OP_CREDIT_REQUEST)
    conn->tell |= VSOCK_TELL_CREDIT;
  else if (hdr->op != VIRTIO_VSOCK_OP_CREDIT_UPDATE)
    vsock_conn_reset (conn);
}

/* ---- all of it ---- */

static bool
hung_up (const struct vsock_conn *conn)
{
  struct pollfd state = { .fd = conn->watch.fd };

  return conn->watch.fd >= 0 && poll (&state, 1, 0) == 1 && state.revents & (POLLHUP | POLLERR);
}

/* Half closes that are due, and the end of both halves. */
static void
finish (struct vsock_conn *conn)
{
  if ((conn->host_eof || conn->guest_deaf) && !conn->host_deaf && hung_up (conn))
    {
      conn->host_eof = true;
      host_reads_no_more (conn);
    }
  if (conn->host_eof && conn->host_deaf)
    close_host (conn); /* what is left is the guest's answer to our shutdown */
  if (conn->len > 0)
    return;
  if (conn->guest_eof && conn->guest_deaf)
    vsock_conn_reset (conn);
  else if (conn->guest_eof && conn->watch.fd >= 0)
    shutdown (conn->watch.fd, SHUT_WR);
}

/* A socket that has hung up is always ready: it is watched only by who can go on. */
static void
wait_for_host (struct vsock_conn *conn, bool in, bool out, bool end)
{
  if (conn->watch.fd < 0 || worker_of (conn) == NULL)
    return;
  if (in || out || end)
    worker_watch (worker_of (conn), &conn->watch,
                  (in ? (uint32_t) EPOLLIN : 0) | (out ? (uint32_t) EPOLLOUT : 0));
  else
    worker_unwatch (worker_of (conn), &conn->watch);
}

static void
pump_open (struct vsock_conn *conn)
{
  bool in = false, out = pump_out (conn);

  if (tell (conn))
    in = pump_in (conn);
  finish (conn);
  if (conn->done - conn->told >= VSOCK_BUFFER / 2)
    conn->tell |= VSOCK_TELL_CREDIT;
  tell (conn);
  wait_for_host (conn, in, out, conn->host_eof || conn->guest_deaf);
}

void
vsock_conn_pump (struct vsock_conn *conn)
{
  if (conn->state == VSOCK_GREETING)
    {
      wait_for_host (conn, true, false, true);
      if (!vsock_read_greeting (conn))
        return;
    }
  if (conn->state == VSOCK_ASKING && hung_up (conn))
    vsock_conn_reset (conn); /* nobody waits for the answer any more */
  if (conn->state == VSOCK_OPEN)
    pump_open (conn);
  else
    tell (conn);
  if (conn->state == VSOCK_ASKING)
    wait_for_host (conn, false, false, true);
  if (conn->state == VSOCK_RESET && conn->tell == 0)
    vsock_conn_free (conn);
}
