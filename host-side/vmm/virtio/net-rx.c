/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* From the back-end to the guest.
 *
 * Buffers of the guest are gathered until any frame fits, then the kernel reads into
 * them, but for the head, which is judged here first. What is left over goes back
 * into the ring. While the guest has less room than the largest frame takes, frames
 * are read aside, one at a time, and wait until there is enough for them. */
#include "net-private.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>

#include "host-side/vmm/core/log.h"

#define BURST 64u /* frames before others have their turn */

static unsigned
queue_of (const struct net_pair *pair)
{
  return VIRTIO_NET_QUEUE_RX (pair->index);
}

static struct virtq *
ring_of (struct net_pair *pair)
{
  return &pair->net->dev.queues[queue_of (pair)].ring;
}

static void
watch (struct net_pair *pair, bool wanted)
{
  struct worker *worker = pair->net->dev.queues[queue_of (pair)].worker;

  if (wanted == pair->rx_watched)
    return;
  pair->rx_watched = wanted;
  if (worker && wanted)
    worker_watch (worker, &pair->rx, EPOLLIN);
  else if (worker)
    worker_unwatch (worker, &pair->rx);
}

/* ---- buffers ---- */

/* The largest frame there may be, with its header. */
static uint64_t
room_for_any (const struct net *net)
{
  unsigned mtu = net->backend->mtu;

  if (net_has (net, VIRTIO_NET_F_GUEST_TSO4) || net_has (net, VIRTIO_NET_F_GUEST_TSO6)
      || net_has (net, VIRTIO_NET_F_GUEST_UFO))
    return NET_HEADER + NET_FRAME_MAX;
  return NET_HEADER + NET_ETHER_BYTES + 4u + (mtu > 1500 ? mtu : 1500);
}

/* Takes buffers until there is @room: 1 then; 0 when the ring has no more; -EPROTO. Without
 * MRG_RXBUF a frame has one. */
static int
gather (struct net_pair *pair, uint64_t room)
{
  bool mergeable = net_has (pair->net, VIRTIO_NET_F_MRG_RXBUF);
  struct virtq_chain *chain = &pair->chain;

  while (pair->room < room && pair->n_buffers < (mergeable ? NET_BUFFERS_MAX : 1))
    {
      int ret = virtq_pop (ring_of (pair), chain);

      if (ret <= 0)
        return ret;
      if (pair->n_iov + chain->n_in > VIRTQ_IOV_MAX)
        {
          virtq_unpop (ring_of (pair), chain);
          break;
        }
      memcpy (pair->iov + pair->n_iov, chain->iov + chain->n_out,
              chain->n_in * sizeof chain->iov[0]);
      pair->n_iov += chain->n_in;
      pair->buffers[pair->n_buffers++] = (struct net_buffer){ chain->id, chain->slots, chain->in_len };
      pair->room += chain->in_len;
    }
  return 1;
}

/* Gives back what was taken and is not used. */
static void
give_back (struct net_pair *pair)
{
  while (pair->n_buffers > 0)
    {
      const struct net_buffer *buffer = &pair->buffers[--pair->n_buffers];

      pair->chain.id = buffer->id;
      pair->chain.slots = buffer->slots;
      virtq_unpop (ring_of (pair), &pair->chain);
    }
  pair->n_iov = 0;
  pair->room = 0;
}

static void
copy_to_guest (const struct net_pair *pair, const uint8_t *bytes, uint64_t len)
{
  for (unsigned i = 0; i < pair->n_iov && len > 0; i++)
    {
      size_t step = pair->iov[i].iov_len < len ? pair->iov[i].iov_len : len;

      memcpy (pair->iov[i].iov_base, bytes, step);
      bytes += step;
      len -= step;
    }
}

/* How many buffers @len bytes take, and what each of them gets. */
static unsigned
share_out (const struct net_pair *pair, uint64_t len, struct virtq_used *used)
{
  unsigned n = 0;

  while (len > 0)
    {
      const struct net_buffer *buffer = &pair->buffers[n];
      uint64_t step = buffer->len < len ? buffer->len : len;

      used[n++] = (struct virtq_used){ buffer->id, buffer->slots, (uint32_t) step };
      len -= step;
    }
  return n;
}

/* Drops the first @n buffers, which are the driver's again, from the row. */
static void
forget (struct net_pair *pair, unsigned n)
{
  uint64_t bytes = 0;

  for (unsigned i = 0; i < n; i++)
    bytes += pair->buffers[i].len;
  pair->n_buffers -= n;
  memmove (pair->buffers, pair->buffers + n, pair->n_buffers * sizeof pair->buffers[0]);
  pair->room -= bytes;
  pair->n_iov = virtq_slice (pair->iov, pair->n_iov, bytes, pair->room, pair->iov);
}

/* ---- frames ---- */

/* Whether the guest gets the frame that begins with @head. */
static bool
admit (struct net_pair *pair, uint8_t *head, uint64_t len)
{
  struct virtio_net_hdr *header = (struct virtio_net_hdr *) head;
  uint64_t frame_len = len - NET_HEADER;
  enum net_count why = NET_RX_FRAMES;

  if (len < NET_HEADER + NET_ETHER_BYTES
      || !net_header_check (header, net_header_may_receive (pair->net->dev.accepted), frame_len))
    why = NET_RX_BAD;
  else if (!atomic_load_explicit (&pair->net->link_up, memory_order_relaxed))
    why = NET_RX_NO_LINK;
  else if (!net_filter_wants (&pair->filter, head + NET_HEADER, frame_len))
    why = NET_RX_FILTERED;
  else if (!net_limits_pass_rx (pair, head + NET_HEADER, frame_len))
    return false;
  net_count (pair, why, 1);
  if (why != NET_RX_FRAMES)
    return false;
  net_count (pair, NET_RX_BYTES, frame_len);
  net_limits_charge_rx (pair, frame_len, net_limits_segments (header, frame_len));
  return true;
}

/* The bytes are in the buffers but for the first @head_len, which are @head. */
static void
deliver (struct net_pair *pair, uint8_t *head, uint64_t head_len, uint64_t len)
{
  struct virtq_used used[NET_BUFFERS_MAX];
  unsigned n = share_out (pair, len, used);

  ((struct virtio_net_hdr *) head)->num_buffers = (uint16_t) n;
  copy_to_guest (pair, head, head_len);
  virtq_push_many (ring_of (pair), used, n);
  forget (pair, n);
}

/* Reads one frame, with a byte to spare that says when it was too long. The length with
 * header or negative errno; -EMSGSIZE when it was cut. */
static ssize_t
receive (struct net_pair *pair, uint8_t *head, unsigned n, uint64_t room)
{
  struct net_backend *backend = pair->net->backend;
  unsigned missing = backend->header ? 0 : NET_HEADER;
  uint8_t spare;
  ssize_t got;

  memset (head, 0, NET_HEADER);
  pair->part[0] = (struct iovec){ head + missing, pair->part[0].iov_len - missing };
  pair->part[n++] = (struct iovec){ &spare, 1 };
  got = backend->ops->receive (backend, pair->index, pair->part, n);
  if (got < 0)
    return got;
  got += missing;
  return (uint64_t) got > room ? -EMSGSIZE : got;
}

/* Into the guest's buffers. 1 when a frame was read, whatever became of it. */
static int
read_straight (struct net_pair *pair)
{
  unsigned n;
  ssize_t got;

  n = 1 + virtq_slice (pair->iov, pair->n_iov, sizeof pair->head, pair->room - sizeof pair->head,
                       pair->part + 1);
  pair->part[0].iov_len = sizeof pair->head;
  got = receive (pair, pair->head, n, pair->room);
  if (got < 0)
    return (int) got;
  if (admit (pair, pair->head, (uint64_t) got))
    deliver (pair, pair->head, (uint64_t) got < sizeof pair->head ? (uint64_t) got : sizeof pair->head,
             (uint64_t) got);
  return 1;
}

static int
read_aside (struct net_pair *pair)
{
  ssize_t got;

  pair->part[0].iov_len = NET_HEADER + NET_FRAME_MAX;
  got = receive (pair, pair->waiting, 1, NET_HEADER + NET_FRAME_MAX);
  if (got < 0)
    return (int) got;
  if (admit (pair, pair->waiting, (uint64_t) got))
    pair->waiting_len = (uint64_t) got;
  return 1;
}

/* The frame that waits. 1 when it is gone; 0 when the guest has to give more buffers. */
static int
deliver_waiting (struct net_pair *pair)
{
  int ret = gather (pair, pair->waiting_len);

  if (ret < 0)
    return ret;
  if (pair->room >= pair->waiting_len)
    deliver (pair, pair->waiting, pair->waiting_len, pair->waiting_len);
  else if (ret == 0 && pair->n_buffers < ring_of (pair)->size)
    return 0;
  else /* it never fits */
    net_count (pair, NET_RX_NO_ROOM, 1);
  pair->waiting_len = 0;
  return 1;
}

/* One frame: 1 for more, 0 without buffers, -EAGAIN without frames, -EBUSY when none may
 * pass yet, -EPROTO for a bad ring. */
static int
step (struct net_pair *pair)
{
  uint64_t room = room_for_any (pair->net);
  int ret;

  if (pair->waiting_len > 0)
    return deliver_waiting (pair);
  if (net_limits_hold_rx (pair))
    return -EBUSY;
  ret = gather (pair, room);
  if (ret < 0 || pair->n_buffers == 0)
    return ret;
  if (pair->room >= room && pair->n_iov + 2 <= VIRTQ_IOV_MAX)
    ret = read_straight (pair);
  else
    ret = read_aside (pair);
  if (ret == -EMSGSIZE)
    net_count (pair, NET_RX_NO_ROOM, 1);
  return ret == -EMSGSIZE ? 1 : ret;
}

static void
give_up (struct net_pair *pair, int error)
{
  vmm_log ("net: the %s fails: %s", pair->net->backend->kind, strerror (-error));
  pair->dead = true;
  watch (pair, false);
}

void
net_rx_pump (struct net_pair *pair)
{
  struct virtq *ring = ring_of (pair);
  unsigned turn = 0;
  int ret = 1;

  if (!net_pair_serves (pair) || pair->dead)
    {
      watch (pair, false);
      return;
    }
  virtq_disarm (ring);
  while (ret > 0 && (turn++ < BURST || pair->waiting_len > 0))
    {
      ret = step (pair);
      if (ret == 0 && virtq_arm (ring)) /* buffers came meanwhile */
        {
          virtq_disarm (ring);
          ret = 1;
        }
    }
  give_back (pair);
  vdev_notify (&pair->net->dev, queue_of (pair));
  if (ret == -EPROTO)
    vdev_break (&pair->net->dev);
  if (ret < 0 && ret != -EAGAIN && ret != -EBUSY && ret != -EPROTO)
    give_up (pair, ret);
  else
    watch (pair, ret == -EAGAIN || ret > 0);
}

void
net_rx_ready (void *data)
{
  net_rx_pump (data);
}

void
net_rx_stop (struct net_pair *pair)
{
  watch (pair, false);
  pair->waiting_len = 0;
}
