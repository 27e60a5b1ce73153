/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a request says: disk, entropy, console, balloon. */
#include "private.h"

#include <string.h>

#include <virtio/balloon.h>
#include <virtio/blk.h>
#include <virtio/console.h>
#include <virtio/device.h>

static bool
lies_on_disk (const struct vdev *dev, uint64_t sector, uint64_t bytes)
{
  uint64_t capacity;

  memcpy (&capacity, dev->config, sizeof capacity);
  return sector <= capacity && bytes / VIRTIO_BLK_SECTOR <= capacity - sector;
}

static void
transfer (struct audit *audit, int q, const struct virtio_blk_req *req, uint64_t bytes, bool write)
{
  const struct vdev *dev = audit->hook.dev;

  AUDIT (audit, B4, q, -1, bytes % VIRTIO_BLK_SECTOR == 0, "%llu bytes",
         (unsigned long long) bytes);
  AUDIT (audit, B4, q, -1, lies_on_disk (dev, req->sector, bytes), "%llu bytes at sector %llu",
         (unsigned long long) bytes, (unsigned long long) req->sector);
  if (write)
    AUDIT (audit, B4, q, -1, !(dev->features >> VIRTIO_BLK_F_RO & 1),
           "a write to a disk that is read-only");
}

static void
ranges (struct audit *audit, int q, const struct virtio_blk_req *req,
        const struct virtq_chain *chain, uint64_t bytes)
{
  bool discard = req->type == VIRTIO_BLK_T_DISCARD;
  uint32_t most;

  memcpy (&most,
          audit->hook.dev->config
            + (discard ? offsetof (struct virtio_blk_config, max_discard_seg)
                       : offsetof (struct virtio_blk_config, max_write_zeroes_seg)),
          sizeof most);
  AUDIT (audit, B6, q, -1,
         audit_has (audit, discard ? VIRTIO_BLK_F_DISCARD : VIRTIO_BLK_F_WRITE_ZEROES),
         "request %u was not negotiated", req->type);
  if (!AUDIT (audit, B6, q, -1,
              bytes > 0 && bytes % sizeof (struct virtio_blk_range) == 0
                && bytes / sizeof (struct virtio_blk_range) <= most,
              "%llu bytes of segments", (unsigned long long) bytes))
    return;
  for (uint64_t at = 0; at < bytes; at += sizeof (struct virtio_blk_range))
    {
      struct virtio_blk_range range;

      virtq_read (chain, sizeof *req + at, &range, sizeof range);
      AUDIT (audit, B6, q, -1, (range.flags & ~(discard ? 0u : VIRTIO_BLK_RANGE_F_UNMAP)) == 0,
             "segment flags %#x", range.flags);
    }
}

/* 5.2.6: requests from 15 on are of disks with zones. */
static void
zones (struct audit *audit, int q, uint32_t type)
{
  AUDIT (audit, B16, q, -1, audit_has (audit, VIRTIO_BLK_F_ZONED), "request %u", type);
}

static void
blk_request (struct audit *audit, int q, const struct virtq_chain *chain)
{
  struct virtio_blk_req req;
  uint64_t in, out;

  if (!AUDIT (audit, B4, q, -1, chain->in_len > 0 && chain->out_len >= sizeof req,
              "%llu bytes to read and %llu to write are no request",
              (unsigned long long) chain->out_len, (unsigned long long) chain->in_len))
    return;
  virtq_read (chain, 0, &req, sizeof req);
  in = chain->in_len - 1;
  out = chain->out_len - sizeof req;
  switch (req.type)
    {
    case VIRTIO_BLK_T_IN:
      transfer (audit, q, &req, in, false);
      break;
    case VIRTIO_BLK_T_OUT:
      transfer (audit, q, &req, out, true);
      break;
    case VIRTIO_BLK_T_FLUSH:
      AUDIT (audit, B5, q, -1, req.sector == 0 && in == 0 && out == 0,
             "sector %llu, %llu bytes", (unsigned long long) req.sector,
             (unsigned long long) (in + out));
      AUDIT (audit, B3, q, -1, audit_has (audit, VIRTIO_BLK_F_FLUSH), "a flush without FLUSH");
      break;
    case VIRTIO_BLK_T_DISCARD:
    case VIRTIO_BLK_T_WRITE_ZEROES:
      ranges (audit, q, &req, chain, out);
      break;
    case VIRTIO_BLK_T_GET_ID:
      AUDIT (audit, B7, q, -1, in == VIRTIO_BLK_ID_BYTES, "%llu bytes", (unsigned long long) in);
      break;
    default:
      if (req.type >= VIRTIO_BLK_T_ZONE_APPEND && req.type <= VIRTIO_BLK_T_ZONE_RESET_ALL)
        zones (audit, q, req.type);
      break;
    }
}

static void
console_request (struct audit *audit, unsigned q, const struct virtq_chain *chain)
{
  struct virtio_console_control control;

  if (q % 2 == 0)
    AUDIT (audit, CO2, (int) q, -1, chain->n_out == 0, "a readable buffer to receive into");
  else
    AUDIT (audit, CO2, (int) q, -1, chain->n_in == 0, "a writable buffer to send");
  if (q != VIRTIO_CONSOLE_QUEUE_CTRL_TX || !audit_has (audit, VIRTIO_CONSOLE_F_MULTIPORT)
      || !AUDIT (audit, CO3, (int) q, -1,
                 virtq_read (chain, 0, &control, sizeof control) == sizeof control,
                 "a control message of %llu bytes", (unsigned long long) chain->out_len))
    return;
  AUDIT (audit, CO3, (int) q, -1,
         audit->ports_ready || control.event == VIRTIO_CONSOLE_DEVICE_READY,
         "message %u comes first", control.event);
  audit->ports_ready = true;
}

/* 5.5.2: inflate, deflate, then statistics when negotiated. */
static void
balloon_request (struct audit *audit, unsigned q, const struct virtq_chain *chain)
{
  if (q < 2)
    AUDIT (audit, BL1, (int) q, -1,
           chain->n_in == 0 && chain->out_len > 0 && chain->out_len % 4 == 0,
           "%llu bytes of page numbers, %llu writable", (unsigned long long) chain->out_len,
           (unsigned long long) chain->in_len);
  else if (q == 2 && audit_has (audit, VIRTIO_BALLOON_F_STATS_VQ))
    {
      /* Entries have 10 bytes; the 6 of 5.5.6.3.1 are a slip of the text. */
      AUDIT (audit, BL2, (int) q, -1, chain->n_in == 0 && chain->out_len % 10 == 0,
             "%llu bytes of statistics", (unsigned long long) chain->out_len);
      AUDIT (audit, BL2, (int) q, -1, !audit->queues[q] || !audit->queues[q]->stats_out,
             "a second buffer while the first is here");
      if (audit->queues[q])
        audit->queues[q]->stats_out = true;
    }
}

void
audit_request (struct audit *audit, unsigned q, const struct virtq_chain *chain)
{
  switch (audit->hook.dev->id)
    {
    case VIRTIO_ID_BLOCK:
      blk_request (audit, (int) q, chain);
      break;
    case VIRTIO_ID_NET:
      audit_net_request (audit, q, chain);
      break;
    case VIRTIO_ID_RNG:
      AUDIT (audit, R1, (int) q, -1, chain->n_out == 0 && chain->in_len > 0,
             "%llu readable bytes", (unsigned long long) chain->out_len);
      break;
    case VIRTIO_ID_CONSOLE:
      console_request (audit, q, chain);
      break;
    case VIRTIO_ID_BALLOON:
      balloon_request (audit, q, chain);
      break;
    default:
      break;
    }
}
