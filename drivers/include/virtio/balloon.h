/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Traditional memory balloon (5.5). */
#pragma once

#include <virtio/types.h>

/* 5.5.3 */
#define VIRTIO_BALLOON_F_MUST_TELL_HOST 0
#define VIRTIO_BALLOON_F_STATS_VQ 1
#define VIRTIO_BALLOON_F_DEFLATE_ON_OOM 2
#define VIRTIO_BALLOON_F_FREE_PAGE_HINT 3
#define VIRTIO_BALLOON_F_PAGE_POISON 4
#define VIRTIO_BALLOON_F_PAGE_REPORTING 5

/* Pages are 4096 bytes, whatever the guest's are (5.5.6). */
#define VIRTIO_BALLOON_PFN_SHIFT 12

/* 5.5.4; free_page_hint_cmd_id and poison_val by their features. */
struct virtio_balloon_config
{
  virtio_le32 num_pages; /* wanted by the host */
  virtio_le32 actual;    /* written by the driver */
  virtio_le32 free_page_hint_cmd_id;
  virtio_le32 poison_val;
};
VIRTIO_SIZE (struct virtio_balloon_config, 16);

/* 5.5.2. The number of the optional queues depends on which features there are:
 * they follow each other without a gap in this order. */
#define VIRTIO_BALLOON_QUEUE_INFLATE 0u
#define VIRTIO_BALLOON_QUEUE_DEFLATE 1u
#define VIRTIO_BALLOON_QUEUE_STATS 2u

#define VIRTIO_BALLOON_CMD_ID_STOP 0u
#define VIRTIO_BALLOON_CMD_ID_DONE 1u

/* 5.5.6.3: ten bytes each, without padding. */
struct virtio_balloon_stat
{
  virtio_le16 tag;
  virtio_le64 val;
} __attribute__ ((packed));
VIRTIO_SIZE (struct virtio_balloon_stat, 10);

#define VIRTIO_BALLOON_S_SWAP_IN 0u
#define VIRTIO_BALLOON_S_SWAP_OUT 1u
#define VIRTIO_BALLOON_S_MAJFLT 2u
#define VIRTIO_BALLOON_S_MINFLT 3u
#define VIRTIO_BALLOON_S_MEMFREE 4u
#define VIRTIO_BALLOON_S_MEMTOT 5u
#define VIRTIO_BALLOON_S_AVAIL 6u
#define VIRTIO_BALLOON_S_CACHES 7u
#define VIRTIO_BALLOON_S_HTLB_PGALLOC 8u
#define VIRTIO_BALLOON_S_HTLB_PGFAIL 9u
