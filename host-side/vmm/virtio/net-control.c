/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The control queue (5.1.6.5): what the driver wants to get, its address, its queues. */
#include "net-private.h"

#include <string.h>

#define DATA_AT ((unsigned) sizeof (struct virtio_net_ctrl_hdr))

static bool
read_data (const struct virtq_chain *chain, uint64_t offset, void *data, size_t len)
{
  return virtq_read (chain, DATA_AT + offset, data, len) == len;
}

static void
take_filter (void *data)
{
  struct net_pair *pair = data;

  pair->filter = pair->net->filter;
}

void
net_tell_pairs (struct net *net)
{
  for (unsigned i = 0; i < net->n_pairs; i++)
    {
      struct worker *worker = net->dev.queues[VIRTIO_NET_QUEUE_RX (i)].worker;

      if (worker)
        {
          worker_call (worker, take_filter, &net->pairs[i]);
          worker_call (worker, net_look, &net->pairs[i]);
        }
      else
        take_filter (&net->pairs[i]);
    }
}

static bool
set_mode (struct net *net, uint8_t command, const struct virtq_chain *chain)
{
  bool *const modes[] = {
    [VIRTIO_NET_CTRL_RX_PROMISC] = &net->filter.promisc,
    [VIRTIO_NET_CTRL_RX_ALLMULTI] = &net->filter.allmulti,
    [VIRTIO_NET_CTRL_RX_ALLUNI] = &net->filter.alluni,
    [VIRTIO_NET_CTRL_RX_NOMULTI] = &net->filter.nomulti,
    [VIRTIO_NET_CTRL_RX_NOUNI] = &net->filter.nouni,
    [VIRTIO_NET_CTRL_RX_NOBCAST] = &net->filter.nobcast,
  };
  bool extra = command > VIRTIO_NET_CTRL_RX_ALLMULTI;
  uint8_t on;

  if (command >= sizeof modes / sizeof modes[0]
      || !net_has (net, extra ? VIRTIO_NET_F_CTRL_RX_EXTRA : VIRTIO_NET_F_CTRL_RX)
      || !read_data (chain, 0, &on, 1) || on > 1)
    return false;
  *modes[command] = on;
  return true;
}

/* One table at @offset of the data; where the next one begins, 0 for a bad one. */
static uint64_t
read_table (const struct virtq_chain *chain, uint64_t offset, struct net_filter_table *table)
{
  uint32_t n;
  uint64_t end;

  if (!read_data (chain, offset, &n, sizeof n))
    return 0;
  offset += sizeof n;
  end = offset + (uint64_t) n * VIRTIO_NET_MAC_BYTES;
  if (end + DATA_AT > chain->out_len)
    return 0;
  table->overflowed = n > NET_FILTER_MACS_MAX;
  table->n = table->overflowed ? 0 : n;
  if (!read_data (chain, offset, table->mac, table->n * VIRTIO_NET_MAC_BYTES))
    return 0;
  return end;
}

static bool
set_mac (struct net *net, uint8_t command, const struct virtq_chain *chain)
{
  struct net_filter_table unicast, multicast;
  uint64_t end;

  if (command == VIRTIO_NET_CTRL_MAC_ADDR_SET)
    {
      if (!net_has (net, VIRTIO_NET_F_CTRL_MAC_ADDR)
          || !read_data (chain, 0, net->filter.mac, VIRTIO_NET_MAC_BYTES))
        return false;
      net_store_config (net, offsetof (struct virtio_net_config, mac), net->filter.mac,
                        VIRTIO_NET_MAC_BYTES);
      return true;
    }
  if (command != VIRTIO_NET_CTRL_MAC_TABLE_SET || !net_has (net, VIRTIO_NET_F_CTRL_RX))
    return false;
  end = read_table (chain, 0, &unicast);
  if (end == 0 || read_table (chain, end, &multicast) == 0)
    return false;
  net->filter.unicast = unicast;
  net->filter.multicast = multicast;
  return true;
}

static bool
set_vlan (struct net *net, uint8_t command, const struct virtq_chain *chain)
{
  uint16_t vlan;

  if (!net_has (net, VIRTIO_NET_F_CTRL_VLAN) || command > VIRTIO_NET_CTRL_VLAN_DEL
      || !read_data (chain, 0, &vlan, sizeof vlan) || vlan >= NET_VLANS)
    return false;
  net_filter_vlan (&net->filter, vlan, command == VIRTIO_NET_CTRL_VLAN_ADD);
  return true;
}

static bool
acknowledge (struct net *net, uint8_t command)
{
  const struct virtio_net_config *config = (const struct virtio_net_config *) net->dev.config;
  uint16_t status = config->status & (uint16_t) ~VIRTIO_NET_S_ANNOUNCE;

  if (!net_has (net, VIRTIO_NET_F_GUEST_ANNOUNCE) || command != VIRTIO_NET_CTRL_ANNOUNCE_ACK)
    return false;
  net_store_config (net, offsetof (struct virtio_net_config, status), &status, sizeof status);
  return true;
}

static bool
set_pairs (struct net *net, uint8_t command, const struct virtq_chain *chain)
{
  uint16_t wanted;

  if (!net_has (net, VIRTIO_NET_F_MQ) || command != VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET
      || !read_data (chain, 0, &wanted, sizeof wanted) || wanted < 1 || wanted > net->n_pairs)
    return false;
  atomic_store (&net->pairs_wanted, wanted);
  return true;
}

static bool
set_offloads (struct net *net, uint8_t command, const struct virtq_chain *chain)
{
  const uint64_t may = VIRTIO_BIT (VIRTIO_NET_F_GUEST_CSUM) | VIRTIO_BIT (VIRTIO_NET_F_GUEST_TSO4)
                       | VIRTIO_BIT (VIRTIO_NET_F_GUEST_TSO6) | VIRTIO_BIT (VIRTIO_NET_F_GUEST_ECN)
                       | VIRTIO_BIT (VIRTIO_NET_F_GUEST_UFO);
  uint64_t offloads;

  if (!net_has (net, VIRTIO_NET_F_CTRL_GUEST_OFFLOADS)
      || command != VIRTIO_NET_CTRL_GUEST_OFFLOADS_SET
      || !read_data (chain, 0, &offloads, sizeof offloads)
      || offloads & ~(net->dev.accepted & may))
    return false;
  if (net->backend->ops->set_offloads)
    net->backend->ops->set_offloads (net->backend, offloads);
  return true;
}

static bool
perform (struct net *net, const struct virtio_net_ctrl_hdr *head, const struct virtq_chain *chain)
{
  switch (head->class_)
    {
    case VIRTIO_NET_CTRL_RX:
      return set_mode (net, head->command, chain);
    case VIRTIO_NET_CTRL_MAC:
      return set_mac (net, head->command, chain);
    case VIRTIO_NET_CTRL_VLAN:
      return set_vlan (net, head->command, chain);
    case VIRTIO_NET_CTRL_ANNOUNCE:
      return acknowledge (net, head->command);
    case VIRTIO_NET_CTRL_MQ:
      return set_pairs (net, head->command, chain);
    case VIRTIO_NET_CTRL_GUEST_OFFLOADS:
      return set_offloads (net, head->command, chain);
    default:
      return false;
    }
}

uint32_t
net_control (struct vdev *dev, unsigned q, struct virtq_chain *chain)
{
  struct net *net = net_of (dev);
  struct virtio_net_ctrl_hdr head;
  uint8_t answer = VIRTIO_NET_ERR;

  if (virtq_read (chain, 0, &head, sizeof head) == sizeof head && perform (net, &head, chain))
    {
      net_tell_pairs (net);
      answer = VIRTIO_NET_OK;
    }
  return (uint32_t) virtq_write (chain, 0, &answer, 1);
}
