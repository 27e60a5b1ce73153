/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "net-filter.h"

#include <string.h>

#define TYPE_AT 12u
#define VLAN_HIGH 0x81u /* 0x8100, IEEE 802.1Q */

void
net_filter_reset (struct net_filter *filter, const uint8_t mac[VIRTIO_NET_MAC_BYTES])
{
  *filter = (struct net_filter){ .promisc = true };
  memcpy (filter->mac, mac, VIRTIO_NET_MAC_BYTES);
}

void
net_filter_vlan (struct net_filter *filter, unsigned vlan, bool wanted)
{
  uint64_t bit = UINT64_C (1) << vlan % 64;

  if (vlan >= NET_VLANS)
    return;
  if (wanted)
    filter->vlans[vlan / 64] |= bit;
  else
    filter->vlans[vlan / 64] &= ~bit;
}

static bool
in_table (const struct net_filter_table *table, const uint8_t *mac)
{
  for (unsigned i = 0; i < table->n; i++)
    if (memcmp (table->mac[i], mac, VIRTIO_NET_MAC_BYTES) == 0)
      return true;
  return table->overflowed;
}

static bool
wants_vlan (const struct net_filter *filter, const uint8_t *frame, uint64_t len)
{
  unsigned vlan;

  if (!filter->vlan_filter || frame[TYPE_AT] != VLAN_HIGH || frame[TYPE_AT + 1] != 0)
    return true;
  if (len < TYPE_AT + 4)
    return false;
  vlan = (frame[TYPE_AT + 2] & 0x0fu) << 8 | frame[TYPE_AT + 3];
  return filter->vlans[vlan / 64] >> vlan % 64 & 1;
}

bool
net_filter_wants (const struct net_filter *filter, const uint8_t *frame, uint64_t len)
{
  static const uint8_t broadcast[VIRTIO_NET_MAC_BYTES] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };

  if (filter->promisc)
    return true;
  if (!wants_vlan (filter, frame, len))
    return false;
  if (memcmp (frame, broadcast, sizeof broadcast) == 0)
    return !filter->nobcast;
  if (frame[0] & 1)
    return !filter->nomulti && (filter->allmulti || in_table (&filter->multicast, frame));
  if (filter->nouni)
    return false;
  return filter->alluni || memcmp (frame, filter->mac, VIRTIO_NET_MAC_BYTES) == 0
         || in_table (&filter->unicast, frame);
}
