/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The list with our headers. */
#include "wire-names.h"

#include <virtio/balloon.h>
#include <virtio/blk.h>
#include <virtio/console.h>
#include <virtio/device.h>
#include <virtio/mmio.h>
#include <virtio/net.h>
#include <virtio/pci.h>
#include <virtio/ring.h>
#include <virtio/vsock.h>

#define VIRTIO_BALLOON_F_REPORTING_BIT VIRTIO_BALLOON_F_PAGE_REPORTING

const struct wire_fact wire_ours[] = {
  WIRE_CONSTANTS
  { "DESC_F_NEXT", VIRTIO_DESC_F_NEXT },
  { "DESC_F_WRITE", VIRTIO_DESC_F_WRITE },
  { "DESC_F_INDIRECT", VIRTIO_DESC_F_INDIRECT },
  { "F_INDIRECT_DESC", VIRTIO_F_INDIRECT_DESC },
  { "F_EVENT_IDX", VIRTIO_F_EVENT_IDX },
  { "PACKED_F_AVAIL", VIRTIO_PACKED_F_AVAIL },
  { "PACKED_F_USED", VIRTIO_PACKED_F_USED },
  { "PACKED_EVENT_ENABLE", VIRTIO_PACKED_EVENT_ENABLE },
  { "PACKED_EVENT_DISABLE", VIRTIO_PACKED_EVENT_DISABLE },
  { "PACKED_EVENT_DESC", VIRTIO_PACKED_EVENT_DESC },
  { "PACKED_EVENT_WRAP", VIRTIO_PACKED_EVENT_WRAP },
  { "STATUS", VIRTIO_STATUS_ACKNOWLEDGE | VIRTIO_STATUS_DRIVER << 4 | VIRTIO_STATUS_DRIVER_OK << 8
                | VIRTIO_STATUS_FEATURES_OK << 12 | (uint64_t) VIRTIO_STATUS_NEEDS_RESET << 16
                | (uint64_t) VIRTIO_STATUS_FAILED << 24 },
  S (desc, struct virtio_desc)
  S (used_elem, struct virtio_used_elem)
  S (packed_desc, struct virtio_packed_desc)
  S (packed_event, struct virtio_packed_event)
  S (pci_cap, struct virtio_pci_cap)
  S (pci_notify_cap, struct virtio_pci_notify_cap)
  O (pci_common, queue_notify_off, struct virtio_pci_common_cfg)
  O (pci_common, config_generation, struct virtio_pci_common_cfg)
  O (pci_common, queue_driver, struct virtio_pci_common_cfg)
  O (pci_common, queue_device, struct virtio_pci_common_cfg)
  O (blk_config, num_queues, struct virtio_blk_config)
  O (blk_config, write_zeroes_may_unmap, struct virtio_blk_config)
  S (blk_req, struct virtio_blk_req)
  S (blk_range, struct virtio_blk_range)
  O (net_config, duplex, struct virtio_net_config)
  O (net_config, supported_hash_types, struct virtio_net_config)
  S (net_hdr, struct virtio_net_hdr)
  S (net_hdr_hash, struct virtio_net_hdr_hash)
  S (console_config, struct virtio_console_config)
  S (console_control, struct virtio_console_control)
  O (balloon_config, poison_val, struct virtio_balloon_config)
  S (balloon_stat, struct virtio_balloon_stat)
  S (vsock_hdr, struct virtio_vsock_hdr)
  O (vsock_hdr, op, struct virtio_vsock_hdr)
  S (vsock_event, struct virtio_vsock_event)
};
const size_t n_wire_ours = sizeof wire_ours / sizeof *wire_ours;
