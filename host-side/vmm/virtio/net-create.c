/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A network device from its options. */
#include "net-private.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include <virtio/device.h>

#include "host-side/vmm/core/log.h"

static int
parse_mac (const char *text, uint8_t mac[VIRTIO_NET_MAC_BYTES])
{
  unsigned byte[VIRTIO_NET_MAC_BYTES];
  int end = 0;

  if (text == NULL)
    {
      static const uint8_t prefix[] = { 0x52, 0x54, 0x00 };

      memcpy (mac, prefix, sizeof prefix);
      return getrandom (mac + 3, 3, 0) == 3 ? 0 : -EIO;
    }
  if (sscanf (text, "%2x:%2x:%2x:%2x:%2x:%2x%n", &byte[0], &byte[1], &byte[2], &byte[3], &byte[4],
              &byte[5], &end) != 6 || text[end] || byte[0] & 1)
    {
      vmm_log ("mac=%s: six bytes like 52:54:00:12:34:56, no group, are needed", text);
      return -EINVAL;
    }
  for (unsigned i = 0; i < VIRTIO_NET_MAC_BYTES; i++)
    mac[i] = (uint8_t) byte[i];
  return 0;
}

struct settings
{
  uint64_t queues, mtu;
  bool packed, mergeable, offload, peer, user;
};

static int
parse (const struct options *options, struct settings *settings)
{
  static const char *const known[] = { "tap", "fds", "local", "peer", "socket-fd", "queues", "mac",
                                       "mtu", "offload", "mergeable", "packed", "policy", NULL };
  static const char *const of_user[] = { "user", "hostfwd", "restrict", "ipv6", "net", "host-loopback",
                                         "mac", "mtu", "mergeable", "packed", "policy", NULL };

  *settings = (struct settings){ .queues = 1, .packed = true, .mergeable = true, .offload = true };
  settings->peer = !options_get (options, "tap", NULL) && !options_get (options, "fds", NULL);
  if (options_get_bool (options, "user", &settings->user) < 0)
    return -EINVAL;
  return options_only (options, settings->user ? of_user : known) < 0
             || options_get_number (options, "queues", 1, settings->peer ? 1 : NET_PAIRS_MAX,
                                    &settings->queues) < 0
             || options_get_number (options, "mtu", VIRTIO_NET_MTU_MIN, 65535, &settings->mtu) < 0
             || options_get_bool (options, "offload", &settings->offload) < 0
             || options_get_bool (options, "mergeable", &settings->mergeable) < 0
             || options_get_bool (options, "packed", &settings->packed) < 0
           ? -EINVAL
           : 0;
}

static void
describe (struct net *net, const struct settings *settings)
{
  struct virtio_net_config config = {
    .status = VIRTIO_NET_S_LINK_UP,
    .max_virtqueue_pairs = (uint16_t) net->n_pairs,
    .mtu = (uint16_t) settings->mtu,
  };
  struct vdev *dev = &net->dev;

  memcpy (config.mac, net->mac, VIRTIO_NET_MAC_BYTES);
  memcpy (dev->config, &config, sizeof config);
  dev->config_size = offsetof (struct virtio_net_config, speed);
  dev->features |= VIRTIO_BIT (VIRTIO_NET_F_MAC) | VIRTIO_BIT (VIRTIO_NET_F_STATUS)
                   | VIRTIO_BIT (VIRTIO_NET_F_CTRL_VQ) | VIRTIO_BIT (VIRTIO_NET_F_CTRL_RX)
                   | VIRTIO_BIT (VIRTIO_NET_F_CTRL_RX_EXTRA) | VIRTIO_BIT (VIRTIO_NET_F_CTRL_VLAN)
                   | VIRTIO_BIT (VIRTIO_NET_F_CTRL_MAC_ADDR)
                   | VIRTIO_BIT (VIRTIO_NET_F_GUEST_ANNOUNCE);
  if (settings->offload)
    dev->features |= net->backend->features;
  if (net->backend->ops->set_offloads && settings->offload)
    dev->features |= VIRTIO_BIT (VIRTIO_NET_F_CTRL_GUEST_OFFLOADS);
  if (settings->mergeable)
    dev->features |= VIRTIO_BIT (VIRTIO_NET_F_MRG_RXBUF);
  if (settings->mtu)
    dev->features |= VIRTIO_BIT (VIRTIO_NET_F_MTU);
  if (net->n_pairs > 1)
    dev->features |= VIRTIO_BIT (VIRTIO_NET_F_MQ);
  if (!settings->packed)
    dev->features &= ~VIRTIO_BIT (VIRTIO_F_RING_PACKED);
}

static int
make_pairs (struct net *net)
{
  for (unsigned i = 0; i < net->n_pairs; i++)
    {
      struct net_pair *pair = &net->pairs[i];

      pair->net = net;
      pair->index = i;
      pair->rx = (struct watch){ net->backend->fds[i], net_rx_ready, pair };
      pair->tx = (struct watch){ net->backend->send_fds[i], net_tx_ready, pair };
      pair->waiting = malloc (NET_HEADER + NET_FRAME_MAX);
      if (pair->waiting == NULL || net_limits_init (pair) < 0)
        return -ENOMEM;
    }
  return 0;
}

int
net_create (const struct options *options, struct vdev **dev)
{
  struct settings settings;
  const char *why = strerror (ENOMEM);
  struct net *net;
  int ret;

  if (parse (options, &settings) < 0)
    return -EINVAL;
  net = calloc (1, sizeof *net);
  if (net == NULL)
    return -ENOMEM;
  net->n_pairs = (unsigned) settings.queues;
  ret = parse_mac (options_get (options, "mac", NULL), net->mac);
  if (ret == 0 && settings.user)
    ret = net_user_new (options, &net->backend);
  else if (ret == 0 && settings.peer)
    ret = net_peer_new (options, &net->backend);
  else if (ret == 0)
    ret = net_tap_new (options, net->n_pairs, &net->backend);
  if (ret == 0)
    ret = make_pairs (net);
  if (ret < 0)
    {
      net_device_ops.free (&net->dev);
      return ret;
    }
  vdev_init (&net->dev, &net_device_ops, "net", VIRTIO_ID_NET, 2 * net->n_pairs + 1);
  net->dev.threads = net->backend->threads;
  net->dev.n_workers = net->n_pairs;
  net->dev.worker_share = 2;
  net->dev.n_counted = net->n_pairs;
  atomic_init (&net->link_up, true);
  atomic_init (&net->pairs_wanted, net->n_pairs);
  if (settings.mtu)
    net->backend->mtu = (unsigned) settings.mtu;
  describe (net, &settings);
  net_filter_reset (&net->filter, net->mac);
  for (unsigned i = 0; i < net->n_pairs; i++)
    net->pairs[i].filter = net->filter;
  ret = net_set_policy (&net->dev, options_get (options, "policy", ""), &why);
  if (ret < 0)
    {
      vmm_log ("net: policy: %s", why);
      net_device_ops.free (&net->dev);
      return ret;
    }
  *dev = &net->dev;
  return 0;
}
