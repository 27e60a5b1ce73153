/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Network device (5.1), without tunnels, flow filters and IPsec. */
#pragma once

#include <virtio/types.h>

/* 5.1.3 */
#define VIRTIO_NET_F_CSUM 0
#define VIRTIO_NET_F_GUEST_CSUM 1
#define VIRTIO_NET_F_CTRL_GUEST_OFFLOADS 2
#define VIRTIO_NET_F_MTU 3
#define VIRTIO_NET_F_MAC 5
#define VIRTIO_NET_F_GUEST_TSO4 7
#define VIRTIO_NET_F_GUEST_TSO6 8
#define VIRTIO_NET_F_GUEST_ECN 9
#define VIRTIO_NET_F_GUEST_UFO 10
#define VIRTIO_NET_F_HOST_TSO4 11
#define VIRTIO_NET_F_HOST_TSO6 12
#define VIRTIO_NET_F_HOST_ECN 13
#define VIRTIO_NET_F_HOST_UFO 14
#define VIRTIO_NET_F_MRG_RXBUF 15
#define VIRTIO_NET_F_STATUS 16
#define VIRTIO_NET_F_CTRL_VQ 17
#define VIRTIO_NET_F_CTRL_RX 18
#define VIRTIO_NET_F_CTRL_VLAN 19
#define VIRTIO_NET_F_CTRL_RX_EXTRA 20
#define VIRTIO_NET_F_GUEST_ANNOUNCE 21
#define VIRTIO_NET_F_MQ 22
#define VIRTIO_NET_F_CTRL_MAC_ADDR 23
#define VIRTIO_NET_F_VQ_NOTF_COAL 52
#define VIRTIO_NET_F_NOTF_COAL 53
#define VIRTIO_NET_F_GUEST_USO4 54
#define VIRTIO_NET_F_GUEST_USO6 55
#define VIRTIO_NET_F_HOST_USO 56
#define VIRTIO_NET_F_HASH_REPORT 57
#define VIRTIO_NET_F_GUEST_HDRLEN 59
#define VIRTIO_NET_F_RSS 60
#define VIRTIO_NET_F_RSC_EXT 61
#define VIRTIO_NET_F_STANDBY 62
#define VIRTIO_NET_F_SPEED_DUPLEX 63

#define VIRTIO_NET_MAC_BYTES 6u

/* 5.1.4 */
struct virtio_net_config
{
  uint8_t mac[VIRTIO_NET_MAC_BYTES];
  virtio_le16 status;
  virtio_le16 max_virtqueue_pairs;
  virtio_le16 mtu;
  virtio_le32 speed; /* Mb/s, 0xffffffff unknown */
  uint8_t duplex;    /* 0 half, 1 full, 0xff unknown */
  uint8_t rss_max_key_size;
  virtio_le16 rss_max_indirection_table_length;
  virtio_le32 supported_hash_types;
};
VIRTIO_SIZE (struct virtio_net_config, 24);
VIRTIO_OFFSET (struct virtio_net_config, mtu, 10);
VIRTIO_OFFSET (struct virtio_net_config, duplex, 16);

#define VIRTIO_NET_S_LINK_UP 1u
#define VIRTIO_NET_S_ANNOUNCE 2u

/* MTU is 68 to 65535 when offered (5.1.4.1). */
#define VIRTIO_NET_MTU_MIN 68u

/* 5.1.6: in front of every packet; num_buffers is always there since 1.0. */
struct virtio_net_hdr
{
  uint8_t flags;
  uint8_t gso_type;
  virtio_le16 hdr_len;
  virtio_le16 gso_size;
  virtio_le16 csum_start;
  virtio_le16 csum_offset;
  virtio_le16 num_buffers;
};
VIRTIO_SIZE (struct virtio_net_hdr, 12);

/* With HASH_REPORT it is longer. */
struct virtio_net_hdr_hash
{
  struct virtio_net_hdr hdr;
  virtio_le32 hash_value;
  virtio_le16 hash_report;
  virtio_le16 padding;
};
VIRTIO_SIZE (struct virtio_net_hdr_hash, 20);

#define VIRTIO_NET_HDR_F_NEEDS_CSUM 1u
#define VIRTIO_NET_HDR_F_DATA_VALID 2u
#define VIRTIO_NET_HDR_F_RSC_INFO 4u

#define VIRTIO_NET_HDR_GSO_NONE 0u
#define VIRTIO_NET_HDR_GSO_TCPV4 1u
#define VIRTIO_NET_HDR_GSO_UDP 3u
#define VIRTIO_NET_HDR_GSO_TCPV6 4u
#define VIRTIO_NET_HDR_GSO_UDP_L4 5u
#define VIRTIO_NET_HDR_GSO_ECN 0x80u

/* 5.1.6.3.1: what a receive buffer must hold without MRG_RXBUF, header included;
 * the larger with any of the guest's GSO features. */
#define VIRTIO_NET_RX_BYTES 1526u
#define VIRTIO_NET_RX_GSO_BYTES 65562u

/* 5.1.2: receiveq and transmitq alternate, the control queue comes behind all pairs. */
#define VIRTIO_NET_QUEUE_RX(pair) (2u * (pair))
#define VIRTIO_NET_QUEUE_TX(pair) (2u * (pair) + 1u)
#define VIRTIO_NET_QUEUE_CTRL(pairs) (2u * (pairs))

/* 5.1.6.5: class, command, data, then the device's byte. */
struct virtio_net_ctrl_hdr
{
  uint8_t class_;
  uint8_t command;
};
VIRTIO_SIZE (struct virtio_net_ctrl_hdr, 2);

#define VIRTIO_NET_OK 0u
#define VIRTIO_NET_ERR 1u

#define VIRTIO_NET_CTRL_RX 0u
#define VIRTIO_NET_CTRL_RX_PROMISC 0u
#define VIRTIO_NET_CTRL_RX_ALLMULTI 1u
#define VIRTIO_NET_CTRL_RX_ALLUNI 2u
#define VIRTIO_NET_CTRL_RX_NOMULTI 3u
#define VIRTIO_NET_CTRL_RX_NOUNI 4u
#define VIRTIO_NET_CTRL_RX_NOBCAST 5u

#define VIRTIO_NET_CTRL_MAC 1u
#define VIRTIO_NET_CTRL_MAC_TABLE_SET 0u
#define VIRTIO_NET_CTRL_MAC_ADDR_SET 1u

#define VIRTIO_NET_CTRL_VLAN 2u
#define VIRTIO_NET_CTRL_VLAN_ADD 0u
#define VIRTIO_NET_CTRL_VLAN_DEL 1u

#define VIRTIO_NET_CTRL_ANNOUNCE 3u
#define VIRTIO_NET_CTRL_ANNOUNCE_ACK 0u

#define VIRTIO_NET_CTRL_MQ 4u
#define VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET 0u
#define VIRTIO_NET_CTRL_MQ_RSS_CONFIG 1u
#define VIRTIO_NET_CTRL_MQ_HASH_CONFIG 2u
#define VIRTIO_NET_CTRL_MQ_VQ_PAIRS_MIN 1u
#define VIRTIO_NET_CTRL_MQ_VQ_PAIRS_MAX 0x8000u

#define VIRTIO_NET_CTRL_GUEST_OFFLOADS 5u
#define VIRTIO_NET_CTRL_GUEST_OFFLOADS_SET 0u

#define VIRTIO_NET_CTRL_NOTF_COAL 6u
#define VIRTIO_NET_CTRL_NOTF_COAL_TX_SET 0u
#define VIRTIO_NET_CTRL_NOTF_COAL_RX_SET 1u
#define VIRTIO_NET_CTRL_NOTF_COAL_VQ_SET 2u
#define VIRTIO_NET_CTRL_NOTF_COAL_VQ_GET 3u

/* Since 1.3, with feature 50. */
#define VIRTIO_NET_CTRL_STATS 8u
