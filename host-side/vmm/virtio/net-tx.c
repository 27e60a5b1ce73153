/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* From the guest to the back-end. The header is copied and checked here; the frame
 * goes from the guest's memory into the kernel. */
#include "net-private.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>

/* A guest's TCP waits for what it has sent to come back before it sends much more: after
 * this it is told, and goes on while we do. */
#define TELL_BYTES (64 * 1024)

static struct virtq *
ring_of (struct net_pair *pair)
{
  return &pair->net->dev.queues[VIRTIO_NET_QUEUE_TX (pair->index)].ring;
}

/* The frame with a header of ours, ready for the back-end: the number of pieces, 0 when
 * the guest broke a rule. */
static unsigned
prepare (struct net_pair *pair, struct virtio_net_hdr *header)
{
  const struct virtq_chain *chain = &pair->chain;
  struct net *net = pair->net;
  unsigned n = 0, at = NET_HEADER;

  if (chain->out_len < NET_HEADER || virtq_read (chain, 0, header, NET_HEADER) < NET_HEADER
      || !net_header_check (header, net_header_may_send (net->dev.accepted),
                            chain->out_len - NET_HEADER))
    return 0;
  if (net->backend->header)
    pair->part[n++] = (struct iovec){ header, NET_HEADER };
  /* What is judged is a copy, and the copy is what goes out. */
  if (pair->policy)
    {
      size_t len = virtq_read (chain, NET_HEADER, pair->tx_head, sizeof pair->tx_head);

      pair->part[n++] = (struct iovec){ pair->tx_head, len };
      at += (unsigned) len;
    }
  /* Our own pieces come on top of the guest's. */
  if (chain->n_out + n > VIRTQ_IOV_MAX)
    return 0;
  return n + virtq_slice (chain->iov, chain->n_out, at, chain->out_len - at, pair->part + n);
}

/* False when the back-end has no room: the frame stays in the ring. */
static bool
send_one (struct net_pair *pair)
{
  struct net *net = pair->net;
  struct virtio_net_hdr header;
  unsigned n;
  ssize_t done;

  n = prepare (pair, &header);
  if (n == 0)
    {
      net_count (pair, NET_TX_BAD, 1);
      return true;
    }
  if (!atomic_load_explicit (&net->link_up, memory_order_relaxed) || pair->dead)
    {
      net_count (pair, NET_TX_NO_LINK, 1);
      return true;
    }
  if (!net_limits_pass_tx (pair, pair->tx_head, pair->chain.out_len - NET_HEADER))
    return true;
  done = net->backend->ops->send (net->backend, pair->index, pair->part, n);
  if (done == -EAGAIN)
    return false;
  if (done < 0)
    net_count (pair, done == -ENOTCONN ? NET_TX_NO_LINK : NET_TX_REFUSED, 1);
  else
    {
      net_count (pair, NET_TX_FRAMES, 1);
      net_count (pair, NET_TX_BYTES, pair->chain.out_len - NET_HEADER);
      net_limits_charge_tx (pair, pair->chain.out_len - NET_HEADER,
                            net_limits_segments (&header, pair->chain.out_len - NET_HEADER));
    }
  return true;
}

static void
wait_for_room (struct net_pair *pair, bool wait)
{
  struct worker *worker = pair->net->dev.queues[VIRTIO_NET_QUEUE_TX (pair->index)].worker;

  if (wait == pair->tx_blocked)
    return;
  pair->tx_blocked = wait;
  if (worker && wait)
    worker_watch (worker, &pair->tx, EPOLLOUT);
  else if (worker)
    worker_unwatch (worker, &pair->tx);
}

void
net_tx_pump (struct net_pair *pair)
{
  struct virtq *ring = ring_of (pair);
  struct vdev *dev = &pair->net->dev;
  unsigned q = VIRTIO_NET_QUEUE_TX (pair->index), budget = 2u * ring->size;
  uint64_t untold = 0;
  bool blocked = false, held = false;
  int ret = 0;

  do
    {
      virtq_disarm (ring);
      while (budget > 0 && !blocked && !(held = net_limits_hold_tx (pair))
             && (ret = virtq_pop (ring, &pair->chain)) == 1)
        {
          blocked = !send_one (pair);
          if (blocked)
            virtq_unpop (ring, &pair->chain);
          else
            {
              untold += pair->chain.out_len;
              virtq_push (ring, &pair->chain, 0);
            }
          if (untold >= TELL_BYTES)
            {
              vdev_notify (dev, q);
              untold = 0;
            }
          budget--;
        }
    }
  while (ret == 0 && !blocked && !held && virtq_arm (ring) && budget > 0);
  vdev_notify (dev, q);
  wait_for_room (pair, blocked);
  if (ret < 0)
    vdev_break (dev);
  else if (budget == 0 && !blocked && !held)
    vdev_kick_again (dev, q);
}

void
net_tx_ready (void *data)
{
  net_tx_pump (data);
}

void
net_tx_stop (struct net_pair *pair)
{
  wait_for_room (pair, false);
}
