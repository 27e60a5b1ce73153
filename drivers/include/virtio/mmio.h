/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* virtio over MMIO, version 2 (4.2.2). All registers are 32 bits wide. */
#pragma once

#include <virtio/types.h>

#define VIRTIO_MMIO_MAGIC_VALUE 0x000u /* R, "virt" */
#define VIRTIO_MMIO_VERSION 0x004u     /* R, 2; 1 is legacy */
#define VIRTIO_MMIO_DEVICE_ID 0x008u   /* R, 0: nobody there */
#define VIRTIO_MMIO_VENDOR_ID 0x00cu   /* R */
#define VIRTIO_MMIO_DEVICE_FEATURES 0x010u
#define VIRTIO_MMIO_DEVICE_FEATURES_SEL 0x014u /* W */
#define VIRTIO_MMIO_DRIVER_FEATURES 0x020u     /* W */
#define VIRTIO_MMIO_DRIVER_FEATURES_SEL 0x024u /* W */
#define VIRTIO_MMIO_QUEUE_SEL 0x030u           /* W */
#define VIRTIO_MMIO_QUEUE_SIZE_MAX 0x034u      /* R, 0: no such queue */
#define VIRTIO_MMIO_QUEUE_SIZE 0x038u          /* W */
#define VIRTIO_MMIO_QUEUE_READY 0x044u         /* RW */
#define VIRTIO_MMIO_QUEUE_NOTIFY 0x050u        /* W */
#define VIRTIO_MMIO_INTERRUPT_STATUS 0x060u    /* R */
#define VIRTIO_MMIO_INTERRUPT_ACK 0x064u       /* W */
#define VIRTIO_MMIO_STATUS 0x070u              /* RW, 0 resets */
#define VIRTIO_MMIO_QUEUE_DESC_LOW 0x080u      /* W */
#define VIRTIO_MMIO_QUEUE_DESC_HIGH 0x084u
#define VIRTIO_MMIO_QUEUE_DRIVER_LOW 0x090u /* W */
#define VIRTIO_MMIO_QUEUE_DRIVER_HIGH 0x094u
#define VIRTIO_MMIO_QUEUE_DEVICE_LOW 0x0a0u /* W */
#define VIRTIO_MMIO_QUEUE_DEVICE_HIGH 0x0a4u
#define VIRTIO_MMIO_SHM_SEL 0x0acu /* W */
#define VIRTIO_MMIO_SHM_LEN_LOW 0x0b0u
#define VIRTIO_MMIO_SHM_LEN_HIGH 0x0b4u
#define VIRTIO_MMIO_SHM_BASE_LOW 0x0b8u
#define VIRTIO_MMIO_SHM_BASE_HIGH 0x0bcu
#define VIRTIO_MMIO_QUEUE_RESET 0x0c0u       /* RW, since 1.2 */
#define VIRTIO_MMIO_CONFIG_GENERATION 0x0fcu /* R */
#define VIRTIO_MMIO_CONFIG 0x100u            /* RW, the device's own */

#define VIRTIO_MMIO_MAGIC 0x74726976u
#define VIRTIO_MMIO_VERSION_MODERN 2u

/* InterruptStatus and InterruptACK. */
#define VIRTIO_MMIO_INT_QUEUE 1u
#define VIRTIO_MMIO_INT_CONFIG 2u
