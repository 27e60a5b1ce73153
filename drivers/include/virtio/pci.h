/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* virtio over PCI (4.1). */
#pragma once

#include <virtio/types.h>

/* 4.1.2: 0x1040 + device id, or the ids of the transitional devices. */
#define VIRTIO_PCI_VENDOR 0x1af4u
#define VIRTIO_PCI_DEVICE_FIRST 0x1000u
#define VIRTIO_PCI_DEVICE_MODERN 0x1040u
#define VIRTIO_PCI_DEVICE_LAST 0x107fu
#define VIRTIO_PCI_TRANSITIONAL_NET 0x1000u
#define VIRTIO_PCI_TRANSITIONAL_BLOCK 0x1001u
#define VIRTIO_PCI_TRANSITIONAL_BALLOON 0x1002u
#define VIRTIO_PCI_TRANSITIONAL_CONSOLE 0x1003u
#define VIRTIO_PCI_TRANSITIONAL_SCSI 0x1004u
#define VIRTIO_PCI_TRANSITIONAL_RNG 0x1005u
#define VIRTIO_PCI_TRANSITIONAL_9P 0x1009u

/* 4.1.4: cfg_type of the vendor-specific capabilities. */
enum virtio_pci_cfg_type
{
  VIRTIO_PCI_CAP_COMMON_CFG = 1,
  VIRTIO_PCI_CAP_NOTIFY_CFG = 2,
  VIRTIO_PCI_CAP_ISR_CFG = 3,
  VIRTIO_PCI_CAP_DEVICE_CFG = 4,
  VIRTIO_PCI_CAP_PCI_CFG = 5,
  VIRTIO_PCI_CAP_SHARED_MEMORY_CFG = 8,
  VIRTIO_PCI_CAP_VENDOR_CFG = 9,
};

#define VIRTIO_PCI_CAP_ID 0x09u /* PCI_CAP_ID_VNDR */

struct virtio_pci_cap
{
  uint8_t cap_vndr;
  uint8_t cap_next;
  uint8_t cap_len;
  uint8_t cfg_type;
  uint8_t bar;
  uint8_t id; /* of several of one type */
  uint8_t padding[2];
  virtio_le32 offset;
  virtio_le32 length;
};
VIRTIO_SIZE (struct virtio_pci_cap, 16);
VIRTIO_OFFSET (struct virtio_pci_cap, offset, 8);

/* 4.1.4.4: the doorbell of a queue is at offset + queue_notify_off * multiplier. */
struct virtio_pci_notify_cap
{
  struct virtio_pci_cap cap;
  virtio_le32 notify_off_multiplier;
};
VIRTIO_SIZE (struct virtio_pci_notify_cap, 20);

/* 4.1.4.9: a window onto the BARs through configuration space. */
struct virtio_pci_cfg_cap
{
  struct virtio_pci_cap cap;
  uint8_t pci_cfg_data[4];
};
VIRTIO_SIZE (struct virtio_pci_cfg_cap, 20);

/* 4.1.4.7: offset and length have upper halves. */
struct virtio_pci_cap64
{
  struct virtio_pci_cap cap;
  virtio_le32 offset_hi;
  virtio_le32 length_hi;
};
VIRTIO_SIZE (struct virtio_pci_cap64, 24);

/* 4.1.4.3 */
struct virtio_pci_common_cfg
{
  /* about the whole device */
  virtio_le32 device_feature_select;
  virtio_le32 device_feature; /* read-only */
  virtio_le32 driver_feature_select;
  virtio_le32 driver_feature;
  virtio_le16 config_msix_vector;
  virtio_le16 num_queues; /* read-only */
  uint8_t device_status;
  uint8_t config_generation; /* read-only */
  /* about the queue selected */
  virtio_le16 queue_select;
  virtio_le16 queue_size;
  virtio_le16 queue_msix_vector;
  virtio_le16 queue_enable;
  virtio_le16 queue_notify_off; /* read-only */
  virtio_le64 queue_desc;
  virtio_le64 queue_driver;
  virtio_le64 queue_device;
  /* since 1.2, present as far as the capability's length says */
  virtio_le16 queue_notif_config_data; /* read-only */
  virtio_le16 queue_reset;
  /* since 1.3 */
  virtio_le16 admin_queue_index; /* read-only */
  virtio_le16 admin_queue_num;   /* read-only */
};
VIRTIO_SIZE (struct virtio_pci_common_cfg, 64);
VIRTIO_OFFSET (struct virtio_pci_common_cfg, device_status, 20);
VIRTIO_OFFSET (struct virtio_pci_common_cfg, queue_select, 22);
VIRTIO_OFFSET (struct virtio_pci_common_cfg, queue_notify_off, 30);
VIRTIO_OFFSET (struct virtio_pci_common_cfg, queue_desc, 32);
VIRTIO_OFFSET (struct virtio_pci_common_cfg, queue_device, 48);
VIRTIO_OFFSET (struct virtio_pci_common_cfg, queue_reset, 58);

/* What a 1.0 device has of it. */
#define VIRTIO_PCI_COMMON_CFG_V1_0 56u
/* And one of 1.2: up to queue_reset. */
#define VIRTIO_PCI_COMMON_CFG_V1_2 60u

/* 4.1.4.5: reading the byte clears it. */
#define VIRTIO_PCI_ISR_QUEUE 1u
#define VIRTIO_PCI_ISR_CONFIG 2u
