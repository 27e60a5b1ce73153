/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which features a driver accepts, and which fields go with them. */
#include "private.h"

#include <virtio/blk.h>
#include <virtio/console.h>
#include <virtio/device.h>
#include <virtio/net.h>
#include <virtio/types.h>

#define BIT(name) VIRTIO_BIT (VIRTIO_NET_F_##name)
#define TSO (BIT (HOST_TSO4) | BIT (HOST_TSO6))
#define GUEST_TSO (BIT (GUEST_TSO4) | BIT (GUEST_TSO6))

/* 5.1.3.1: one of @any is needed. */
static const struct
{
  uint8_t bit;
  uint64_t any;
} net_rules[] = {
  { VIRTIO_NET_F_GUEST_TSO4, BIT (GUEST_CSUM) },
  { VIRTIO_NET_F_GUEST_TSO6, BIT (GUEST_CSUM) },
  { VIRTIO_NET_F_GUEST_ECN, GUEST_TSO },
  { VIRTIO_NET_F_GUEST_UFO, BIT (GUEST_CSUM) },
  { VIRTIO_NET_F_GUEST_USO4, BIT (GUEST_CSUM) },
  { VIRTIO_NET_F_GUEST_USO6, BIT (GUEST_CSUM) },
  { VIRTIO_NET_F_HOST_TSO4, BIT (CSUM) },
  { VIRTIO_NET_F_HOST_TSO6, BIT (CSUM) },
  { VIRTIO_NET_F_HOST_ECN, TSO },
  { VIRTIO_NET_F_HOST_UFO, BIT (CSUM) },
  { VIRTIO_NET_F_HOST_USO, BIT (CSUM) },
  { VIRTIO_NET_F_CTRL_RX, BIT (CTRL_VQ) },
  { VIRTIO_NET_F_CTRL_VLAN, BIT (CTRL_VQ) },
  { VIRTIO_NET_F_GUEST_ANNOUNCE, BIT (CTRL_VQ) },
  { VIRTIO_NET_F_MQ, BIT (CTRL_VQ) },
  { VIRTIO_NET_F_CTRL_MAC_ADDR, BIT (CTRL_VQ) },
  { VIRTIO_NET_F_NOTF_COAL, BIT (CTRL_VQ) },
  { VIRTIO_NET_F_VQ_NOTF_COAL, BIT (CTRL_VQ) },
  { VIRTIO_NET_F_RSS, BIT (CTRL_VQ) },
  { VIRTIO_NET_F_RSC_EXT, TSO },
};

void
audit_features (struct audit *audit, uint64_t features)
{
  const struct vdev *dev = audit->hook.dev;
  uint64_t extra = features & ~dev->features;

  AUDIT (audit, C10, -1, -1, extra == 0, "features %#llx were not offered",
         (unsigned long long) extra);
  AUDIT (audit, F1, -1, -1, features >> VIRTIO_F_VERSION_1 & 1, "it is not");
  if (audit->life.seen && dev->features >> VIRTIO_F_RING_PACKED & 1)
    AUDIT (audit, F4, -1, -1, features >> VIRTIO_F_RING_PACKED & 1, "it is not");
  if (dev->id != VIRTIO_ID_NET)
    return;
  /* A vhost-user front-end keeps the control queue to itself, and its feature. */
  for (unsigned i = 0; i < sizeof net_rules / sizeof net_rules[0]; i++)
    if (features >> net_rules[i].bit & 1 && (audit->life.seen || net_rules[i].any != BIT (CTRL_VQ)))
      AUDIT (audit, C10, -1, -1, features & net_rules[i].any,
             "feature %u without one of %#llx", net_rules[i].bit,
             (unsigned long long) net_rules[i].any);
}

/* Fields that exist only when one of their features is offered. */
static const struct
{
  uint8_t id, from, to;
  uint64_t any;
} fields[] = {
  { VIRTIO_ID_BLOCK, 8, 12, VIRTIO_BIT (VIRTIO_BLK_F_SIZE_MAX) },
  { VIRTIO_ID_BLOCK, 12, 16, VIRTIO_BIT (VIRTIO_BLK_F_SEG_MAX) },
  { VIRTIO_ID_BLOCK, 16, 20, VIRTIO_BIT (VIRTIO_BLK_F_GEOMETRY) },
  { VIRTIO_ID_BLOCK, 20, 24, VIRTIO_BIT (VIRTIO_BLK_F_BLK_SIZE) },
  { VIRTIO_ID_BLOCK, 24, 32, VIRTIO_BIT (VIRTIO_BLK_F_TOPOLOGY) },
  { VIRTIO_ID_BLOCK, 32, 33, VIRTIO_BIT (VIRTIO_BLK_F_CONFIG_WCE) },
  { VIRTIO_ID_BLOCK, 34, 36, VIRTIO_BIT (VIRTIO_BLK_F_MQ) },
  { VIRTIO_ID_BLOCK, 36, 48, VIRTIO_BIT (VIRTIO_BLK_F_DISCARD) },
  { VIRTIO_ID_BLOCK, 48, 57, VIRTIO_BIT (VIRTIO_BLK_F_WRITE_ZEROES) },
  { VIRTIO_ID_BLOCK, 60, 72, VIRTIO_BIT (VIRTIO_BLK_F_SECURE_ERASE) },
  { VIRTIO_ID_NET, 0, 6, BIT (MAC) },
  { VIRTIO_ID_NET, 6, 8, BIT (STATUS) },
  { VIRTIO_ID_NET, 8, 10, BIT (MQ) | BIT (RSS) },
  { VIRTIO_ID_NET, 10, 12, BIT (MTU) },
  { VIRTIO_ID_NET, 12, 17, BIT (SPEED_DUPLEX) },
  { VIRTIO_ID_NET, 17, 24, BIT (RSS) | BIT (HASH_REPORT) },
  { VIRTIO_ID_CONSOLE, 0, 4, VIRTIO_BIT (VIRTIO_CONSOLE_F_SIZE) },
  { VIRTIO_ID_CONSOLE, 4, 8, VIRTIO_BIT (VIRTIO_CONSOLE_F_MULTIPORT) },
};

void
audit_config_read (struct audit *audit, uint64_t offset, unsigned len)
{
  const struct vdev *dev = audit->hook.dev;

  for (unsigned i = 0; i < sizeof fields / sizeof fields[0]; i++)
    if (fields[i].id == dev->id && offset < fields[i].to && offset + len > fields[i].from)
      AUDIT (audit, C15, -1, -1, dev->features & fields[i].any,
             "bytes %u to %u of the configuration belong to features %#llx, of which none is offered",
             fields[i].from, fields[i].to - 1u, (unsigned long long) fields[i].any);
}
