/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The list with Linux's headers; where those have other names for a thing, here
 * is which. */
#include <linux/virtio_balloon.h>
#include <linux/virtio_blk.h>
#include <linux/virtio_config.h>
#include <linux/virtio_console.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_mmio.h>
#include <linux/virtio_net.h>
#include <linux/virtio_pci.h>
#include <linux/virtio_ring.h>
#include <linux/virtio_vsock.h>

#include "wire-names.h"

#define VIRTIO_ID_SOUND 25 /* newer than the oldest header we build with */
#define VIRTIO_CONSOLE_DEVICE_ADD VIRTIO_CONSOLE_PORT_ADD
#define VIRTIO_BALLOON_F_REPORTING_BIT VIRTIO_BALLOON_F_REPORTING

const struct wire_fact wire_linux[] = {
  WIRE_CONSTANTS
  { "DESC_F_NEXT", VRING_DESC_F_NEXT },
  { "DESC_F_WRITE", VRING_DESC_F_WRITE },
  { "DESC_F_INDIRECT", VRING_DESC_F_INDIRECT },
  { "F_INDIRECT_DESC", VIRTIO_RING_F_INDIRECT_DESC },
  { "F_EVENT_IDX", VIRTIO_RING_F_EVENT_IDX },
  { "PACKED_F_AVAIL", 1u << VRING_PACKED_DESC_F_AVAIL },
  { "PACKED_F_USED", 1u << VRING_PACKED_DESC_F_USED },
  { "PACKED_EVENT_ENABLE", VRING_PACKED_EVENT_FLAG_ENABLE },
  { "PACKED_EVENT_DISABLE", VRING_PACKED_EVENT_FLAG_DISABLE },
  { "PACKED_EVENT_DESC", VRING_PACKED_EVENT_FLAG_DESC },
  { "PACKED_EVENT_WRAP", 1u << VRING_PACKED_EVENT_F_WRAP_CTR },
  { "STATUS", VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER << 4
                | VIRTIO_CONFIG_S_DRIVER_OK << 8 | VIRTIO_CONFIG_S_FEATURES_OK << 12
                | (uint64_t) VIRTIO_CONFIG_S_NEEDS_RESET << 16
                | (uint64_t) VIRTIO_CONFIG_S_FAILED << 24 },
  S (desc, struct vring_desc)
  S (used_elem, struct vring_used_elem)
  S (packed_desc, struct vring_packed_desc)
  S (packed_event, struct vring_packed_desc_event)
  S (pci_cap, struct virtio_pci_cap)
  S (pci_notify_cap, struct virtio_pci_notify_cap)
  O (pci_common, queue_notify_off, struct virtio_pci_common_cfg)
  O (pci_common, config_generation, struct virtio_pci_common_cfg)
  { "pci_common.queue_driver", offsetof (struct virtio_pci_common_cfg, queue_avail_lo) },
  { "pci_common.queue_device", offsetof (struct virtio_pci_common_cfg, queue_used_lo) },
  O (blk_config, num_queues, struct virtio_blk_config)
  O (blk_config, write_zeroes_may_unmap, struct virtio_blk_config)
  S (blk_req, struct virtio_blk_outhdr)
  S (blk_range, struct virtio_blk_discard_write_zeroes)
  O (net_config, duplex, struct virtio_net_config)
  O (net_config, supported_hash_types, struct virtio_net_config)
  { "sizeof net_hdr", sizeof (struct virtio_net_hdr_mrg_rxbuf) },
  S (net_hdr_hash, struct virtio_net_hdr_v1_hash)
  S (console_config, struct virtio_console_config)
  S (console_control, struct virtio_console_control)
  O (balloon_config, poison_val, struct virtio_balloon_config)
  S (balloon_stat, struct virtio_balloon_stat)
  S (vsock_hdr, struct virtio_vsock_hdr)
  O (vsock_hdr, op, struct virtio_vsock_hdr)
  S (vsock_event, struct virtio_vsock_event)
};
const size_t n_wire_linux = sizeof wire_linux / sizeof *wire_linux;
