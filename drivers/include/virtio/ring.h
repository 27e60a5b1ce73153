/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Split (2.7) and packed (2.8) virtqueues as they lie in memory. */
#pragma once

#include <virtio/types.h>

/* ---- split, 2.7 ---- */

/* 2.7.5: flags of a descriptor; the packed ring uses the same three (2.8.1). */
#define VIRTIO_DESC_F_NEXT 1u
#define VIRTIO_DESC_F_WRITE 2u
#define VIRTIO_DESC_F_INDIRECT 4u

struct virtio_desc
{
  virtio_le64 addr;
  virtio_le32 len;
  virtio_le16 flags;
  virtio_le16 next;
};
VIRTIO_SIZE (struct virtio_desc, 16);
VIRTIO_OFFSET (struct virtio_desc, flags, 12);

/* 2.7.6, avail.flags: no interrupts, please. Only without EVENT_IDX. */
#define VIRTIO_AVAIL_F_NO_INTERRUPT 1u

struct virtio_avail
{
  virtio_le16 flags;
  virtio_le16 idx;
  virtio_le16 ring[]; /* queue size entries, then le16 used_event */
};
VIRTIO_SIZE (struct virtio_avail, 4);

/* 2.7.8, used.flags: no notifications, please. Only without EVENT_IDX. */
#define VIRTIO_USED_F_NO_NOTIFY 1u

struct virtio_used_elem
{
  virtio_le32 id;  /* head of the descriptor chain */
  virtio_le32 len; /* bytes written into its writable part */
};
VIRTIO_SIZE (struct virtio_used_elem, 8);

struct virtio_used
{
  virtio_le16 flags;
  virtio_le16 idx;
  struct virtio_used_elem ring[]; /* queue size entries, then le16 avail_event */
};
VIRTIO_SIZE (struct virtio_used, 4);

/* 2.7: alignments, and sizes of the three parts. */
#define VIRTIO_DESC_ALIGN 16u
#define VIRTIO_AVAIL_ALIGN 2u
#define VIRTIO_USED_ALIGN 4u
#define VIRTIO_DESC_BYTES(size) ((size_t) 16 * (size))
#define VIRTIO_AVAIL_BYTES(size) ((size_t) 6 + (size_t) 2 * (size))
#define VIRTIO_USED_BYTES(size) ((size_t) 6 + (size_t) 8 * (size))

/* ---- packed, 2.8 ---- */

/* 2.8.1: a descriptor is available when AVAIL equals the driver's wrap counter
 * and USED does not, used when both equal the device's. */
#define VIRTIO_PACKED_F_AVAIL 0x0080u
#define VIRTIO_PACKED_F_USED 0x8000u

struct virtio_packed_desc
{
  virtio_le64 addr;
  virtio_le32 len;
  virtio_le16 id;
  virtio_le16 flags;
};
VIRTIO_SIZE (struct virtio_packed_desc, 16);
VIRTIO_OFFSET (struct virtio_packed_desc, id, 12);
VIRTIO_OFFSET (struct virtio_packed_desc, flags, 14);

/* 2.8.14: the event suppression structures. */
#define VIRTIO_PACKED_EVENT_ENABLE 0u
#define VIRTIO_PACKED_EVENT_DISABLE 1u
#define VIRTIO_PACKED_EVENT_DESC 2u /* only with EVENT_IDX */
#define VIRTIO_PACKED_EVENT_MASK 3u
#define VIRTIO_PACKED_EVENT_WRAP 0x8000u /* in off_wrap; below it the offset */

struct virtio_packed_event
{
  virtio_le16 off_wrap;
  virtio_le16 flags;
};
VIRTIO_SIZE (struct virtio_packed_event, 4);

#define VIRTIO_PACKED_RING_ALIGN 16u
#define VIRTIO_PACKED_EVENT_ALIGN 4u

/* 2.9: with NOTIFICATION_DATA the doorbell takes these 32 bits. */
#define VIRTIO_NOTIFY_DATA(queue, offset, wrap) \
  ((uint32_t) (queue) | ((uint32_t) (offset) & 0x7fff) << 16 | (uint32_t) !!(wrap) << 31)
