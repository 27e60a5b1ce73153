/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* virtio-net (5.1): pairs of queues, each with a worker, in front of a back-end.
 *
 *   net-tx.c      frames from the guest          net-header.c  what a header may say
 *   net-rx.c      frames to the guest            net-filter.c  what the driver wants
 *   net-limits.c  the policy: rates, verdicts    ../net-policy/ what it says
 *   net-control.c the control queue              net-create.c  its options
 *   ../net/       taps, sockets, libslirp
 */
#include "net-private.h"

#include <stdlib.h>
#include <string.h>

#include "host-side/vmm/core/log.h"

const char *
net_count_name (enum net_count what)
{
  static const char *const names[NET_COUNTS] = {
    [NET_RX_FRAMES] = "rx-frames",     [NET_RX_BYTES] = "rx-bytes",
    [NET_RX_FILTERED] = "rx-filtered", [NET_RX_BAD] = "rx-bad",
    [NET_RX_NO_ROOM] = "rx-no-room",   [NET_RX_NO_LINK] = "rx-no-link",
    [NET_TX_FRAMES] = "tx-frames",     [NET_TX_BYTES] = "tx-bytes",
    [NET_TX_BAD] = "tx-bad",           [NET_TX_REFUSED] = "tx-refused",
    [NET_TX_NO_LINK] = "tx-no-link",   [NET_RX_OVERRUN] = "rx-overrun",
  };

  return names[what];
}

bool
net_pair_serves (const struct net_pair *pair)
{
  const struct net *net = pair->net;

  return net->dev.queues[VIRTIO_NET_QUEUE_RX (pair->index)].ring.ready
         && pair->index < atomic_load_explicit (&net->pairs_wanted, memory_order_relaxed);
}

/* In the pair's worker. */
static void
set_active (struct net_pair *pair, bool active)
{
  struct net_backend *backend = pair->net->backend;

  if (active == pair->active)
    return;
  pair->active = active;
  if (backend->ops->set_active)
    backend->ops->set_active (backend, pair->index, active);
}

void
net_look (void *data)
{
  struct net_pair *pair = data;

  set_active (pair, net_pair_serves (pair));
  net_rx_pump (pair);
}

static void
kick (struct vdev *dev, unsigned q)
{
  struct net *net = net_of (dev);
  struct net_pair *pair = &net->pairs[q / 2 % NET_PAIRS_MAX];

  if (q == net_control_queue (net) && net_has (net, VIRTIO_NET_F_CTRL_VQ))
    vdev_serve (dev, q, net_control);
  else if (q >= 2 * net->n_pairs)
    return;
  else if (q % 2)
    net_tx_pump (pair);
  else
    net_look (pair);
}

static void
stopped (struct vdev *dev, unsigned q)
{
  struct net *net = net_of (dev);
  struct net_pair *pair = &net->pairs[q / 2 % NET_PAIRS_MAX];

  if (q >= 2 * net->n_pairs)
    return;
  if (q % 2)
    net_tx_stop (pair);
  else
    {
      net_rx_stop (pair);
      set_active (pair, false);
    }
}

/* In a worker: a tap is asked by who uses it. */
static void
tell_offloads (void *data)
{
  struct net *net = data;

  net->backend->ops->set_offloads (net->backend, net->dev.accepted);
}

static void
negotiated (struct vdev *dev)
{
  struct net *net = net_of (dev);
  struct worker *worker = dev->queues[net_control_queue (net)].worker;
  bool by_driver = net_has (net, VIRTIO_NET_F_MQ) && net_has (net, VIRTIO_NET_F_CTRL_VQ);

  atomic_store (&net->pairs_wanted, by_driver ? 1 : net->n_pairs);
  net->filter.vlan_filter = net_has (net, VIRTIO_NET_F_CTRL_VLAN);
  if (net->backend->ops->set_offloads && worker)
    worker_call (worker, tell_offloads, net);
  else if (net->backend->ops->set_offloads)
    tell_offloads (net);
  net_tell_pairs (net);
}

/* The driver did it itself: nobody is told. */
void
net_store_config (struct net *net, unsigned offset, const void *data, unsigned len)
{
  pthread_mutex_lock (&net->dev.config_lock);
  memcpy (net->dev.config + offset, data, len);
  pthread_mutex_unlock (&net->dev.config_lock);
}

static void
reset (struct vdev *dev)
{
  struct net *net = net_of (dev);
  const struct virtio_net_config *config = (const struct virtio_net_config *) dev->config;
  uint16_t status = config->status & (uint16_t) ~VIRTIO_NET_S_ANNOUNCE;

  net_filter_reset (&net->filter, net->mac);
  net_store_config (net, offsetof (struct virtio_net_config, mac), net->mac, VIRTIO_NET_MAC_BYTES);
  net_store_config (net, offsetof (struct virtio_net_config, status), &status, sizeof status);
  net_tell_pairs (net);
}

/* In worker 0, once. */
static void
started (struct vdev *dev)
{
  struct net_backend *backend = net_of (dev)->backend;
  int ret = backend->ops->start ? backend->ops->start (backend) : 0;

  if (ret < 0)
    vmm_log ("net: the %s does not start: %s", backend->kind, strerror (-ret));
}

static void
net_free (struct vdev *dev)
{
  struct net *net = net_of (dev);

  for (unsigned i = 0; i < net->n_pairs; i++)
    {
      net_limits_finish (&net->pairs[i]);
      free (net->pairs[i].waiting);
    }
  free (net->policy);
  if (net->backend)
    net->backend->ops->free (net->backend);
  free (net);
}

const struct vdev_ops net_device_ops = {
  .kick = kick,
  .stopped = stopped,
  .negotiated = negotiated,
  .reset = reset,
  .started = started,
  .free = net_free,
};

/* ---- for others ---- */

void
net_describe (struct vdev *dev, struct net_info *info)
{
  struct net *net = net_of (dev);

  *info = (struct net_info){ .link_up = atomic_load (&net->link_up), .backend = net->backend->kind };
  info->counts[NET_RX_OVERRUN] = atomic_load_explicit (&net->backend->dropped, memory_order_relaxed);
  vdev_read_config (dev, 0, info->mac, sizeof info->mac);
  for (unsigned i = 0; i < net->n_pairs; i++)
    {
      for (unsigned k = 0; k < NET_COUNTS; k++)
        info->counts[k] += atomic_load_explicit (&net->pairs[i].counts[k], memory_order_relaxed);
      for (unsigned k = 0; k < NET_VERDICTS; k++)
        info->verdicts[k] += atomic_load_explicit (&net->pairs[i].verdicts[k], memory_order_relaxed);
    }
}

struct status_change
{
  struct net *net;
  uint16_t clear, set;
};

/* In the worker that alone writes the status. */
static void
change_status (void *data)
{
  struct status_change *change = data;
  struct vdev *dev = &change->net->dev;
  uint16_t status = ((struct virtio_net_config *) dev->config)->status;

  status = (uint16_t) ((status & ~change->clear) | change->set);
  vdev_set_config (dev, offsetof (struct virtio_net_config, status), &status, sizeof status);
}

static void
change (struct net *net, uint16_t clear, uint16_t set)
{
  struct status_change data = { net, clear, set };
  struct worker *worker = net->dev.queues[net_control_queue (net)].worker;

  if (worker)
    worker_call (worker, change_status, &data);
  else
    change_status (&data);
}

void
net_set_link (struct vdev *dev, bool up)
{
  struct net *net = net_of (dev);

  if (atomic_exchange (&net->link_up, up) != up)
    change (net, up ? 0 : VIRTIO_NET_S_LINK_UP, up ? VIRTIO_NET_S_LINK_UP : 0);
}

void
net_announce (struct vdev *dev)
{
  if (net_has (net_of (dev), VIRTIO_NET_F_GUEST_ANNOUNCE))
    change (net_of (dev), 0, VIRTIO_NET_S_ANNOUNCE);
}
