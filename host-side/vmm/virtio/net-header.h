/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The header in front of a frame (5.1.6), from a guest or from a peer that may have
 * written anything into it. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <virtio/net.h>

#define NET_ETHER_BYTES 14u
/* The largest frame: 64 KiB of IP, Ethernet's header and one VLAN tag. */
#define NET_FRAME_MAX (65535u + NET_ETHER_BYTES + 4u)

/* What a header may ask of whoever gets the frame. */
enum
{
  NET_MAY_CSUM = 1,
  NET_MAY_TSO4 = 2,
  NET_MAY_TSO6 = 4,
  NET_MAY_ECN = 8,
  NET_MAY_UFO = 16,
  NET_MAY_DATA_VALID = 32,
};

/* What the sender may ask for, by the VIRTIO_NET_F_ features that the driver took. */
unsigned net_header_may_send (uint64_t features);
unsigned net_header_may_receive (uint64_t features);

/* Checks @header of a frame of @len bytes (without it) and makes it safe: bits that
 * mean nothing are cleared, lengths are in the frame. False when it asks for what
 * it may not, or contradicts itself. */
bool net_header_check (struct virtio_net_hdr *header, unsigned may, uint64_t len);
