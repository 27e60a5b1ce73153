/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a network driver sends, receives into and commands (5.1.6). */
#include "private.h"

#include <virtio/net.h>
#include <virtio/types.h>

#define HAS(name) audit_has (audit, VIRTIO_NET_F_##name)

/* The header both ways has the same length (5.1.6.2.1). */
static uint32_t
header_bytes (const struct audit *audit)
{
  return HAS (HASH_REPORT) ? sizeof (struct virtio_net_hdr_hash) : sizeof (struct virtio_net_hdr);
}

static void
receive (struct audit *audit, int q, const struct virtq_chain *chain)
{
  bool gso = HAS (GUEST_TSO4) || HAS (GUEST_TSO6) || HAS (GUEST_UFO) || HAS (GUEST_USO4)
             || HAS (GUEST_USO6);
  uint64_t least = HAS (MRG_RXBUF) ? header_bytes (audit)
                   : gso           ? VIRTIO_NET_RX_GSO_BYTES
                                   : VIRTIO_NET_RX_BYTES;

  AUDIT (audit, N5, q, -1, chain->n_out == 0 && chain->in_len >= least,
         "%llu bytes where %llu are needed", (unsigned long long) chain->in_len,
         (unsigned long long) least);
}

static bool
gso_negotiated (const struct audit *audit, uint8_t type)
{
  switch (type & ~VIRTIO_NET_HDR_GSO_ECN)
    {
    case VIRTIO_NET_HDR_GSO_NONE:
      return true;
    case VIRTIO_NET_HDR_GSO_TCPV4:
      return HAS (HOST_TSO4);
    case VIRTIO_NET_HDR_GSO_TCPV6:
      return HAS (HOST_TSO6);
    case VIRTIO_NET_HDR_GSO_UDP:
      return HAS (HOST_UFO);
    case VIRTIO_NET_HDR_GSO_UDP_L4:
      return HAS (HOST_USO);
    default:
      return false;
    }
}

static void
transmit (struct audit *audit, int q, const struct virtq_chain *chain)
{
  struct virtio_net_hdr hdr;
  uint32_t length = header_bytes (audit);
  uint64_t packet;

  if (!AUDIT (audit, N3, q, -1, chain->n_in == 0 && chain->out_len > length,
              "%llu bytes to send", (unsigned long long) chain->out_len))
    return;
  virtq_read (chain, 0, &hdr, sizeof hdr);
  packet = chain->out_len - length;
  AUDIT (audit, N3, q, -1, hdr.num_buffers == 0, "num_buffers is %u", hdr.num_buffers);
  AUDIT (audit, N3, q, -1, (hdr.flags & ~(HAS (CSUM) ? VIRTIO_NET_HDR_F_NEEDS_CSUM : 0u)) == 0,
         "flags %#x", hdr.flags);
  AUDIT (audit, N3, q, -1, gso_negotiated (audit, hdr.gso_type), "gso_type %#x", hdr.gso_type);
  if (hdr.gso_type & VIRTIO_NET_HDR_GSO_ECN)
    AUDIT (audit, N3, q, -1, HAS (HOST_ECN), "ECN without HOST_ECN");
  if ((hdr.gso_type & ~VIRTIO_NET_HDR_GSO_ECN) != VIRTIO_NET_HDR_GSO_NONE)
    AUDIT (audit, N3, q, -1, hdr.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM && hdr.gso_size > 0,
           "segments of %u bytes, flags %#x", hdr.gso_size, hdr.flags);
  if (hdr.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM)
    AUDIT (audit, N3, q, -1, hdr.csum_start + hdr.csum_offset + 2ull <= packet,
           "a checksum at %u + %u of %llu bytes", hdr.csum_start, hdr.csum_offset,
           (unsigned long long) packet);
}

static void
filter_command (struct audit *audit, int q, uint8_t command)
{
  bool extra = command >= VIRTIO_NET_CTRL_RX_ALLUNI;

  AUDIT (audit, N9, q, -1, HAS (CTRL_RX) && (!extra || HAS (CTRL_RX_EXTRA))
                             && command <= VIRTIO_NET_CTRL_RX_NOBCAST,
         "command %u was not negotiated", command);
}

/* TABLE_SET: a count and so many addresses, twice. */
static void
mac_table (struct audit *audit, int q, const struct virtq_chain *chain)
{
  uint64_t at = sizeof (struct virtio_net_ctrl_hdr);
  bool whole = true;

  AUDIT (audit, N11, q, -1, HAS (CTRL_RX), "a filter without CTRL_RX");
  for (unsigned table = 0; table < 2 && whole; table++)
    {
      uint32_t count = 0;

      whole = virtq_read (chain, at, &count, sizeof count) == sizeof count;
      at += sizeof count + (uint64_t) count * VIRTIO_NET_MAC_BYTES;
    }
  AUDIT (audit, N11, q, -1, whole && at == chain->out_len, "the tables end at %llu of %llu bytes",
         (unsigned long long) at, (unsigned long long) chain->out_len);
}

/* max_virtqueue_pairs of the configuration. */
static unsigned
pairs_of (const struct vdev *dev)
{
  return dev->config[8] | (unsigned) dev->config[9] << 8;
}

static void
pairs (struct audit *audit, int q, const struct virtq_chain *chain)
{
  unsigned most = pairs_of (audit->hook.dev);
  uint16_t n = 0;

  AUDIT (audit, N14, q, -1,
         HAS (MQ) && virtq_read (chain, sizeof (struct virtio_net_ctrl_hdr), &n, sizeof n) == sizeof n
           && n >= VIRTIO_NET_CTRL_MQ_VQ_PAIRS_MIN && n <= most,
         "%u pairs of %u", n, most);
}

static void
offloads (struct audit *audit, int q, const struct virtq_chain *chain)
{
  uint64_t wanted = 0;
  size_t n = virtq_read (chain, sizeof (struct virtio_net_ctrl_hdr), &wanted, sizeof wanted);

  AUDIT (audit, N16, q, -1,
         HAS (CTRL_GUEST_OFFLOADS) && n == sizeof wanted && (wanted & ~audit->accepted) == 0,
         "%#llx", (unsigned long long) wanted);
}

/* 5.1.6.5.8: for all queues, or for one. */
static void
coalescing (struct audit *audit, int q, uint8_t command)
{
  bool one = command == VIRTIO_NET_CTRL_NOTF_COAL_VQ_SET || command == VIRTIO_NET_CTRL_NOTF_COAL_VQ_GET;

  AUDIT (audit, N17, q, -1, one ? HAS (VQ_NOTF_COAL) : HAS (NOTF_COAL), "command %u was not negotiated",
         command);
}

/* Commands of a class that also has other features' commands. */
static void
multiqueue (struct audit *audit, int q, uint8_t command, const struct virtq_chain *chain)
{
  if (command == VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET)
    pairs (audit, q, chain);
  else
    AUDIT (audit, N15, q, -1,
           command == VIRTIO_NET_CTRL_MQ_RSS_CONFIG    ? HAS (RSS)
           : command == VIRTIO_NET_CTRL_MQ_HASH_CONFIG ? HAS (HASH_REPORT)
                                                       : false,
           "command %u was not negotiated", command);
}

static void
control (struct audit *audit, int q, const struct virtq_chain *chain)
{
  struct virtio_net_ctrl_hdr hdr;

  if (!AUDIT (audit, N9, q, -1,
              virtq_read (chain, 0, &hdr, sizeof hdr) == sizeof hdr && chain->in_len >= 1,
              "a command of %llu bytes", (unsigned long long) chain->out_len))
    return;
  if (hdr.class_ == VIRTIO_NET_CTRL_RX)
    filter_command (audit, q, hdr.command);
  else if (hdr.class_ == VIRTIO_NET_CTRL_MAC && hdr.command == VIRTIO_NET_CTRL_MAC_TABLE_SET)
    mac_table (audit, q, chain);
  else if (hdr.class_ == VIRTIO_NET_CTRL_MQ)
    multiqueue (audit, q, hdr.command, chain);
  else if (hdr.class_ == VIRTIO_NET_CTRL_NOTF_COAL)
    coalescing (audit, q, hdr.command);
  else if (hdr.class_ == VIRTIO_NET_CTRL_GUEST_OFFLOADS)
    offloads (audit, q, chain);
  /* Statistics, contexts, filters: of 1.3 and later, none of them is offered here. */
  AUDIT (audit, N18, q, -1, hdr.class_ <= VIRTIO_NET_CTRL_NOTF_COAL, "class %u, command %u", hdr.class_,
         hdr.command);
}

void
audit_net_request (struct audit *audit, unsigned q, const struct virtq_chain *chain)
{
  /* Behind all pairs there may be, which are one when no more was negotiated (5.1.2). */
  unsigned pairs_max = HAS (MQ) || HAS (RSS) ? pairs_of (audit->hook.dev) : 1;

  if (HAS (CTRL_VQ) && q == VIRTIO_NET_QUEUE_CTRL (pairs_max))
    control (audit, (int) q, chain);
  else if (q % 2 == 0)
    receive (audit, (int) q, chain);
  else
    transmit (audit, (int) q, chain);
}
