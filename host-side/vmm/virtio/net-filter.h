/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which frames a driver wants (5.1.6.5.1 to 5.1.6.5.3). Pure: the control queue fills
 * it in, the receive queues ask. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <virtio/net.h>

#define NET_FILTER_MACS_MAX 64u
#define NET_VLANS 4096u

struct net_filter_table
{
  unsigned n;
  bool overflowed; /* more were wanted: all pass */
  uint8_t mac[NET_FILTER_MACS_MAX][VIRTIO_NET_MAC_BYTES];
};

struct net_filter
{
  uint8_t mac[VIRTIO_NET_MAC_BYTES];
  bool promisc, allmulti, alluni, nomulti, nouni, nobcast;
  bool vlan_filter; /* else every VLAN passes */
  struct net_filter_table unicast, multicast;
  uint64_t vlans[NET_VLANS / 64];
};

/* What a reset device has: everything passes until the driver says otherwise. */
void net_filter_reset (struct net_filter *filter, const uint8_t mac[VIRTIO_NET_MAC_BYTES]);
void net_filter_vlan (struct net_filter *filter, unsigned vlan, bool wanted);
/* Whether the driver wants the frame whose first @len (at least 14) bytes are these. */
bool net_filter_wants (const struct net_filter *filter, const uint8_t *frame, uint64_t len);
