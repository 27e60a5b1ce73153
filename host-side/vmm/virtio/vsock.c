/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* virtio-vsock (5.10) in user space: the guest's stream sockets end at unix sockets, in
 * the way Firecracker's and Cloud Hypervisor's do. A program of the host connects to PATH
 * and says "CONNECT <port>\n"; what the guest connects to at port P goes to PATH_P.
 *
 * Memory is bounded: so many connections, each with so many bytes for a host's program
 * that is slow to read; the guest is told of that room and a packet beyond it ends the
 * connection. Resets for what nobody knows are a list of fixed size; when it is full
 * the guest's packets wait until it has given us buffers (5.10.6.2). */
#include "vsock.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "devices.h"
#include "host-side/vmm/core/log.h"
#include "host-side/vmm/core/sandbox.h"
#include "host-side/vmm/core/socket.h"

#define CID_MIN 3u

/* ---- to the guest ---- */

/* A buffer with room for @size bytes; those without are given back empty. */
static bool
pop_buffer (struct vsock *vsock, size_t size)
{
  struct virtq *ring = &vsock->dev.queues[VIRTIO_VSOCK_QUEUE_RX].ring;

  for (unsigned turn = 0; turn < 2 * VIRTQ_SIZE_MAX; turn++)
    {
      int ret = virtq_pop (ring, &vsock->chain);

      if (ret < 0)
        vdev_break (&vsock->dev);
      if (ret == 0 && virtq_arm (ring))
        continue;
      if (ret != 1)
        return false;
      if (vsock->chain.in_len >= size)
        return true;
      virtq_push (ring, &vsock->chain, 0);
    }
  return false;
}

static ssize_t
read_data (struct vsock *vsock, int fd, uint32_t max)
{
  static _Thread_local struct iovec iov[VIRTQ_IOV_MAX];
  unsigned n = virtq_slice (vsock->chain.iov + vsock->chain.n_out, vsock->chain.n_in,
                            sizeof (struct virtio_vsock_hdr), max, iov);
  ssize_t got;

  do
    got = readv (fd, iov, (int) n);
  while (got < 0 && errno == EINTR);
  if (got < 0 && errno == EAGAIN)
    return -ENODATA;
  return got <= 0 ? -ENOTCONN : got;
}

ssize_t
vsock_send (struct vsock *vsock, struct virtio_vsock_hdr *hdr, int fd, uint32_t max)
{
  struct virtq *ring = &vsock->dev.queues[VIRTIO_VSOCK_QUEUE_RX].ring;
  ssize_t len = 0;

  /* One that has a header alone is no place for data: what waits for it would be looked
   * at again and again. */
  if (!pop_buffer (vsock, sizeof *hdr + (fd >= 0)))
    return -EAGAIN;
  if (fd >= 0)
    len = read_data (vsock, fd, max);
  if (len < 0)
    {
      virtq_unpop (ring, &vsock->chain);
      return len;
    }
  hdr->src_cid = VIRTIO_VSOCK_CID_HOST;
  hdr->dst_cid = vsock->cid;
  hdr->len = (uint32_t) len;
  virtq_write (&vsock->chain, 0, hdr, sizeof *hdr);
  virtq_push (ring, &vsock->chain, (uint32_t) (sizeof *hdr + (size_t) len));
  return len;
}

static void
send_resets (struct vsock *vsock)
{
  unsigned told = 0;

  while (told < vsock->n_resets)
    {
      const struct vsock_reset *reset = &vsock->resets[told];
      struct virtio_vsock_hdr hdr = { .src_port = reset->host_port, .dst_port = reset->guest_port,
                                      .type = reset->type, .op = VIRTIO_VSOCK_OP_RST };

      if (vsock_send (vsock, &hdr, -1, 0) < 0)
        break;
      told++;
    }
  vsock->n_resets -= told;
  memmove (vsock->resets, vsock->resets + told, vsock->n_resets * sizeof vsock->resets[0]);
}

static void
pump_all (struct vsock *vsock)
{
  send_resets (vsock);
  for (unsigned i = 0; i < VSOCK_CONNS_MAX; i++)
    if (vsock->conns[i])
      vsock_conn_pump (vsock->conns[i]);
  vdev_notify (&vsock->dev, VIRTIO_VSOCK_QUEUE_RX);
}

/* ---- from the guest ---- */

/* There is room for it: packets are taken only when there is. */
static void
refuse (struct vsock *vsock, const struct virtio_vsock_hdr *hdr)
{
  if (hdr->op != VIRTIO_VSOCK_OP_RST) /* two that know of nothing would never end */
    vsock->resets[vsock->n_resets++]
      = (struct vsock_reset){ hdr->src_port, hdr->dst_port, hdr->type };
}

static void
take_request (struct vsock *vsock, const struct virtio_vsock_hdr *hdr)
{
  int fd = vsock_connect (vsock, hdr->dst_port);
  struct vsock_conn *conn = fd < 0 ? NULL : vsock_conn_new (vsock, fd);

  if (conn == NULL)
    {
      refuse (vsock, hdr);
      return;
    }
  conn->guest_port = hdr->src_port;
  conn->host_port = hdr->dst_port;
  conn->state = VSOCK_OPEN;
  conn->peer_alloc = hdr->buf_alloc;
  conn->peer_done = hdr->fwd_cnt;
  conn->tell = VSOCK_TELL_RESPONSE;
}

static void
take_packet (struct vsock *vsock, const struct virtq_chain *chain)
{
  struct virtio_vsock_hdr hdr;
  struct vsock_conn *conn;

  /* From whom it is not, or to where we are not: nobody to answer. */
  if (virtq_read (chain, 0, &hdr, sizeof hdr) < sizeof hdr || hdr.src_cid != vsock->cid
      || hdr.dst_cid != VIRTIO_VSOCK_CID_HOST)
    return;
  conn = vsock_conn_find (vsock, hdr.src_port, hdr.dst_port);
  if (hdr.type != VIRTIO_VSOCK_TYPE_STREAM)
    refuse (vsock, &hdr);
  else if (conn && (hdr.len > chain->out_len - sizeof hdr || hdr.op == VIRTIO_VSOCK_OP_REQUEST))
    vsock_conn_reset (conn);
  else if (conn)
    vsock_conn_take (conn, &hdr, chain);
  else if (hdr.op == VIRTIO_VSOCK_OP_REQUEST)
    take_request (vsock, &hdr);
  else
    refuse (vsock, &hdr);
}

static void
take_packets (struct vsock *vsock)
{
  struct virtq *ring = &vsock->dev.queues[VIRTIO_VSOCK_QUEUE_TX].ring;
  unsigned budget = 2u * ring->size;
  int ret = 0;

  do
    while (budget > 0 && vsock->n_resets < VSOCK_RESETS_MAX
           && (ret = virtq_pop (ring, &vsock->chain)) == 1)
      {
        budget--;
        take_packet (vsock, &vsock->chain);
        virtq_push (ring, &vsock->chain, 0);
      }
  while (ret == 0 && budget > 0 && vsock->n_resets < VSOCK_RESETS_MAX && virtq_arm (ring));
  if (ret < 0)
    vdev_break (&vsock->dev);
  else if (budget == 0) /* the host's programs have their turn, then we go on */
    vdev_kick_again (&vsock->dev, VIRTIO_VSOCK_QUEUE_TX);
  vdev_notify (&vsock->dev, VIRTIO_VSOCK_QUEUE_TX);
}

static void
kick (struct vdev *dev, unsigned q)
{
  struct vsock *vsock = (struct vsock *) dev;
  bool stuck;

  if (q == VIRTIO_VSOCK_QUEUE_EVENT) /* for guests that move to another host */
    return;
  if (q == VIRTIO_VSOCK_QUEUE_TX)
    take_packets (vsock);
  stuck = vsock->n_resets == VSOCK_RESETS_MAX;
  pump_all (vsock);
  if (stuck && vsock->n_resets < VSOCK_RESETS_MAX)
    vdev_kick_again (dev, VIRTIO_VSOCK_QUEUE_TX);
}

/* ---- the device ---- */

static void
reset (struct vdev *dev)
{
  struct vsock *vsock = (struct vsock *) dev;

  vsock->n_resets = 0;
  for (unsigned i = 0; i < VSOCK_CONNS_MAX; i++)
    if (vsock->conns[i])
      vsock_conn_free (vsock->conns[i]);
}

static void
started (struct vdev *dev)
{
  vsock_listen ((struct vsock *) dev);
}

static void
vsock_free (struct vdev *dev)
{
  struct vsock *vsock = (struct vsock *) dev;

  close (vsock->listener.fd);
  unlink (vsock->path);
  free (vsock);
}

static const struct vdev_ops vsock_ops = {
  .kick = kick,
  .started = started,
  .reset = reset,
  .free = vsock_free,
};

int
vsock_create (const struct options *options, struct vdev **dev)
{
  static const char *const known[] = { "cid", "socket", "path", "packed", NULL };
  const char *path = options_get (options, "socket", options_get (options, "path", ""));
  bool packed = true;
  struct vsock *vsock;
  uint64_t cid = 0;
  int fd;

  if (options_only (options, known) < 0 || options_get_bool (options, "packed", &packed) < 0
      || options_get_number (options, "cid", CID_MIN, VIRTIO_VSOCK_CID_ANY - 1, &cid) < 0)
    return -EINVAL;
  if (cid == 0 || *path == '\0' || strlen (path) > VSOCK_PATH_MAX)
    {
      vmm_log ("vsock: cid=NUMBER and a socket's path of at most %u bytes are needed",
               VSOCK_PATH_MAX);
      return -EINVAL;
    }
  fd = socket_listen (path);
  if (fd < 0)
    return fd;
  vsock = calloc (1, sizeof *vsock);
  if (vsock == NULL)
    {
      close (fd);
      return -ENOMEM;
    }
  strcpy (vsock->path, path);
  vsock->cid = (uint32_t) cid;
  vsock->listener.fd = fd;
  vdev_init (&vsock->dev, &vsock_ops, "vsock", VIRTIO_ID_VSOCK, 3);
  vsock->dev.threads = SANDBOX_VSOCK;
  vsock->dev.features |= VIRTIO_BIT (VIRTIO_VSOCK_F_STREAM);
  if (!packed)
    vsock->dev.features &= ~VIRTIO_BIT (VIRTIO_F_RING_PACKED);
  memcpy (vsock->dev.config, &cid, sizeof cid);
  vsock->dev.config_size = sizeof (struct virtio_vsock_config);
  *dev = &vsock->dev;
  return 0;
}
