/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Device ids (5), status bits (2.1) and the feature bits every device shares (6). */
#pragma once

#include <virtio/types.h>

enum virtio_id
{
  VIRTIO_ID_NONE = 0, /* a virtio-mmio slot with nothing in it */
  VIRTIO_ID_NET = 1,
  VIRTIO_ID_BLOCK = 2,
  VIRTIO_ID_CONSOLE = 3,
  VIRTIO_ID_RNG = 4,
  VIRTIO_ID_BALLOON = 5,
  VIRTIO_ID_SCSI = 8,
  VIRTIO_ID_9P = 9,
  VIRTIO_ID_GPU = 16,
  VIRTIO_ID_INPUT = 18,
  VIRTIO_ID_VSOCK = 19,
  VIRTIO_ID_CRYPTO = 20,
  VIRTIO_ID_IOMMU = 23,
  VIRTIO_ID_MEM = 24,
  VIRTIO_ID_SOUND = 25,
  VIRTIO_ID_FS = 26,
  VIRTIO_ID_PMEM = 27,
};

/* 2.1: bits only accumulate; writing 0 resets. */
#define VIRTIO_STATUS_RESET 0x00
#define VIRTIO_STATUS_ACKNOWLEDGE 0x01 /* the device was noticed */
#define VIRTIO_STATUS_DRIVER 0x02      /* there is a driver for it */
#define VIRTIO_STATUS_DRIVER_OK 0x04   /* the driver is ready */
#define VIRTIO_STATUS_FEATURES_OK 0x08 /* negotiation is over */
#define VIRTIO_STATUS_SUSPEND 0x10     /* since 1.4: the driver wants silence (2.7 there) */
#define VIRTIO_STATUS_NEEDS_RESET 0x40 /* the device has given up */
#define VIRTIO_STATUS_FAILED 0x80      /* the driver has given up */

/* Feature bits 24 to 41 belong to the queues and the negotiation (6). */
#define VIRTIO_F_NOTIFY_ON_EMPTY 24 /* legacy */
#define VIRTIO_F_ANY_LAYOUT 27      /* legacy */
#define VIRTIO_F_INDIRECT_DESC 28
#define VIRTIO_F_EVENT_IDX 29
#define VIRTIO_F_VERSION_1 32
#define VIRTIO_F_ACCESS_PLATFORM 33
#define VIRTIO_F_RING_PACKED 34
#define VIRTIO_F_IN_ORDER 35
#define VIRTIO_F_ORDER_PLATFORM 36
#define VIRTIO_F_SR_IOV 37
#define VIRTIO_F_NOTIFICATION_DATA 38
#define VIRTIO_F_NOTIF_CONFIG_DATA 39
#define VIRTIO_F_RING_RESET 40
#define VIRTIO_F_ADMIN_VQ 41
#define VIRTIO_F_SUSPEND 43 /* since 1.4 */

/* No interrupt vector is mapped (4.1.5.1.2). */
#define VIRTIO_NO_VECTOR 0xffffu

/* Queue sizes: split at most 2^15 and a power of two (2.7), packed at most 2^15 (2.8.10.1). */
#define VIRTIO_QUEUE_SIZE_MAX 32768u
