/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "net-header.h"

static unsigned
pick (uint64_t features, unsigned bit, unsigned may)
{
  return features >> bit & 1 ? may : 0;
}

unsigned
net_header_may_send (uint64_t features)
{
  return pick (features, VIRTIO_NET_F_CSUM, NET_MAY_CSUM)
         | pick (features, VIRTIO_NET_F_HOST_TSO4, NET_MAY_TSO4)
         | pick (features, VIRTIO_NET_F_HOST_TSO6, NET_MAY_TSO6)
         | pick (features, VIRTIO_NET_F_HOST_ECN, NET_MAY_ECN)
         | pick (features, VIRTIO_NET_F_HOST_UFO, NET_MAY_UFO);
}

unsigned
net_header_may_receive (uint64_t features)
{
  return pick (features, VIRTIO_NET_F_GUEST_CSUM, NET_MAY_CSUM | NET_MAY_DATA_VALID)
         | pick (features, VIRTIO_NET_F_GUEST_TSO4, NET_MAY_TSO4)
         | pick (features, VIRTIO_NET_F_GUEST_TSO6, NET_MAY_TSO6)
         | pick (features, VIRTIO_NET_F_GUEST_ECN, NET_MAY_ECN)
         | pick (features, VIRTIO_NET_F_GUEST_UFO, NET_MAY_UFO);
}

static bool
check_gso (struct virtio_net_hdr *header, unsigned may, uint64_t len)
{
  uint8_t type = header->gso_type & ~VIRTIO_NET_HDR_GSO_ECN;
  bool ecn = header->gso_type & VIRTIO_NET_HDR_GSO_ECN;
  unsigned needs;

  switch (type)
    {
    case VIRTIO_NET_HDR_GSO_TCPV4:
      needs = NET_MAY_TSO4;
      break;
    case VIRTIO_NET_HDR_GSO_TCPV6:
      needs = NET_MAY_TSO6;
      break;
    case VIRTIO_NET_HDR_GSO_UDP:
      needs = NET_MAY_UFO;
      break;
    default:
      return false;
    }
  if (ecn && (type == VIRTIO_NET_HDR_GSO_UDP || !(may & NET_MAY_ECN)))
    return false;
  /* Segments want a size and their checksums made (5.1.6.2.1); what the host has put
   * together from segments may be valid already. */
  if (!(may & needs) || header->gso_size == 0 || header->flags == 0)
    return false;
  /* A hint that the sender may have got wrong (5.1.6.2.2); it must not reach beyond. */
  if (header->hdr_len > len)
    header->hdr_len = (uint16_t) len;
  return true;
}

bool
net_header_check (struct virtio_net_hdr *header, unsigned may, uint64_t len)
{
  uint8_t known = VIRTIO_NET_HDR_F_NEEDS_CSUM;

  if (len < NET_ETHER_BYTES || len > NET_FRAME_MAX)
    return false;
  /* From a guest, "the checksum is right" would make the host trust it (5.1.6.2). */
  if (may & NET_MAY_DATA_VALID)
    known |= VIRTIO_NET_HDR_F_DATA_VALID;
  header->flags &= known;
  header->num_buffers = 0;
  if (!(header->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM))
    header->csum_start = header->csum_offset = 0;
  else if (!(may & NET_MAY_CSUM) || header->csum_start < NET_ETHER_BYTES
           || (uint64_t) header->csum_start + header->csum_offset + 2 > len)
    return false;
  if (header->gso_type == VIRTIO_NET_HDR_GSO_NONE)
    {
      header->gso_size = header->hdr_len = 0;
      return true;
    }
  return check_gso (header, may, len);
}
