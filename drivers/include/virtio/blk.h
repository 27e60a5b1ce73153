/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Block device (5.2), without zones. */
#pragma once

#include <virtio/types.h>

/* 5.2.3 */
#define VIRTIO_BLK_F_SIZE_MAX 1
#define VIRTIO_BLK_F_SEG_MAX 2
#define VIRTIO_BLK_F_GEOMETRY 4
#define VIRTIO_BLK_F_RO 5
#define VIRTIO_BLK_F_BLK_SIZE 6
#define VIRTIO_BLK_F_FLUSH 9
#define VIRTIO_BLK_F_TOPOLOGY 10
#define VIRTIO_BLK_F_CONFIG_WCE 11
#define VIRTIO_BLK_F_MQ 12
#define VIRTIO_BLK_F_DISCARD 13
#define VIRTIO_BLK_F_WRITE_ZEROES 14
#define VIRTIO_BLK_F_LIFETIME 15
#define VIRTIO_BLK_F_SECURE_ERASE 16
#define VIRTIO_BLK_F_ZONED 17

/* Capacity, offsets and lengths count these, whatever blk_size says (5.2.4). */
#define VIRTIO_BLK_SECTOR 512u

/* 5.2.4 */
struct virtio_blk_config
{
  virtio_le64 capacity; /* sectors */
  virtio_le32 size_max;
  virtio_le32 seg_max;
  struct virtio_blk_geometry
  {
    virtio_le16 cylinders;
    uint8_t heads;
    uint8_t sectors;
  } geometry;
  virtio_le32 blk_size;
  struct virtio_blk_topology
  {
    uint8_t physical_block_exp;
    uint8_t alignment_offset;
    virtio_le16 min_io_size;
    virtio_le32 opt_io_size;
  } topology;
  uint8_t writeback;
  uint8_t unused0;
  virtio_le16 num_queues;
  virtio_le32 max_discard_sectors;
  virtio_le32 max_discard_seg;
  virtio_le32 discard_sector_alignment;
  virtio_le32 max_write_zeroes_sectors;
  virtio_le32 max_write_zeroes_seg;
  uint8_t write_zeroes_may_unmap;
  uint8_t unused1[3];
  virtio_le32 max_secure_erase_sectors;
  virtio_le32 max_secure_erase_seg;
  virtio_le32 secure_erase_sector_alignment;
};
VIRTIO_SIZE (struct virtio_blk_config, 72);
VIRTIO_OFFSET (struct virtio_blk_config, blk_size, 20);
VIRTIO_OFFSET (struct virtio_blk_config, writeback, 32);
VIRTIO_OFFSET (struct virtio_blk_config, num_queues, 34);
VIRTIO_OFFSET (struct virtio_blk_config, max_discard_sectors, 36);
VIRTIO_OFFSET (struct virtio_blk_config, write_zeroes_may_unmap, 56);
VIRTIO_OFFSET (struct virtio_blk_config, max_secure_erase_sectors, 60);

/* 5.2.6: request types. */
#define VIRTIO_BLK_T_IN 0u
#define VIRTIO_BLK_T_OUT 1u
#define VIRTIO_BLK_T_FLUSH 4u
#define VIRTIO_BLK_T_GET_ID 8u
#define VIRTIO_BLK_T_GET_LIFETIME 10u
#define VIRTIO_BLK_T_DISCARD 11u
#define VIRTIO_BLK_T_WRITE_ZEROES 13u
#define VIRTIO_BLK_T_SECURE_ERASE 14u
/* Between these two are those of disks with zones, which need ZONED. */
#define VIRTIO_BLK_T_ZONE_APPEND 15u
#define VIRTIO_BLK_T_ZONE_REPORT 16u
#define VIRTIO_BLK_T_ZONE_RESET_ALL 26u

/* The readable head of a request; data and one status byte follow it. */
struct virtio_blk_req
{
  virtio_le32 type;
  virtio_le32 reserved;
  virtio_le64 sector;
};
VIRTIO_SIZE (struct virtio_blk_req, 16);

#define VIRTIO_BLK_S_OK 0u
#define VIRTIO_BLK_S_IOERR 1u
#define VIRTIO_BLK_S_UNSUPP 2u

/* Data of DISCARD, WRITE_ZEROES and SECURE_ERASE. */
#define VIRTIO_BLK_RANGE_F_UNMAP 1u /* WRITE_ZEROES only */
struct virtio_blk_range
{
  virtio_le64 sector;
  virtio_le32 num_sectors;
  virtio_le32 flags;
};
VIRTIO_SIZE (struct virtio_blk_range, 16);

/* Data of GET_ID: padded with NUL, not ended by one when full. */
#define VIRTIO_BLK_ID_BYTES 20u
