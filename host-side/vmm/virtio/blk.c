/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* virtio-blk (5.2). The path of a request: the queue's worker -> kick() -> blk-uring.c
 * with io_uring, or, one by one, vdev_serve() pops it -> serve() -> disk.c -> the status
 * byte -> used ring. */
#include "blk-private.h"
#include "devices.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <virtio/device.h>

#include "host-side/vmm/core/log.h"
#include "host-side/vmm/core/sandbox.h"

#define SEG_MAX 126u                  /* with head and status a direct chain of 128 */
#define RANGE_SECTORS_MAX (1u << 21)  /* 1 GiB a discard segment */
#define RANGES_MAX 16u
#define POLL_US 500u /* longer than a guest takes from an answer to the next request */
#define POLL_US_MAX 10000u
#define PIECE_BYTES (UINT64_C (16) << 20) /* of a range, at a time */

static bool
in_bounds (const struct blk *blk, uint64_t sector, uint64_t bytes)
{
  uint64_t sectors = blk->disk.size / VIRTIO_BLK_SECTOR;

  return sector <= sectors && bytes <= (sectors - sector) * VIRTIO_BLK_SECTOR;
}

static int
after_write (struct blk *blk, int ret)
{
  return ret < 0 || blk->write_back ? ret : disk_flush (&blk->disk);
}

int
blk_data (struct blk *blk, const struct virtq_chain *chain, const struct virtio_blk_req *req,
          struct iovec *iov, uint64_t *len)
{
  bool write = req->type == VIRTIO_BLK_T_OUT;

  *len = write ? chain->out_len - sizeof *req : chain->in_len - 1;
  if (*len % VIRTIO_BLK_SECTOR || !in_bounds (blk, req->sector, *len)
      || (write && blk->disk.readonly))
    return -EINVAL;
  if (write)
    return (int) virtq_slice (chain->iov, chain->n_out, sizeof *req, *len, iov);
  return (int) virtq_slice (chain->iov + chain->n_out, chain->n_in, 0, *len, iov);
}

static int
do_data (struct blk *blk, const struct virtq_chain *chain, const struct virtio_blk_req *req,
         uint64_t *written)
{
  static _Thread_local struct iovec iov[VIRTQ_IOV_MAX];
  uint64_t offset = req->sector * VIRTIO_BLK_SECTOR, len;
  int n = blk_data (blk, chain, req, iov, &len), ret;

  if (n < 0)
    return n;
  if (req->type == VIRTIO_BLK_T_OUT)
    return after_write (blk, disk_write (&blk->disk, iov, (unsigned) n, offset));
  ret = disk_read (&blk->disk, iov, (unsigned) n, offset);
  *written = ret == 0 ? len : 0;
  return ret;
}

/* In pieces that end at multiples of their size, so that no block is in two of them: a
 * request may be of 16 GiB, and where zeroes are written one by one who resets the device
 * or ends the machine does not wait for them. */
static int
do_pieces (struct blk *blk, unsigned q, uint64_t offset, uint64_t len, bool zero, bool unmap)
{
  int ret = 0;

  while (len > 0 && ret == 0)
    {
      uint64_t room = PIECE_BYTES - offset % PIECE_BYTES, piece = len < room ? len : room;

      if (vdev_is_stopping (&blk->dev, q))
        return -ECANCELED;
      if (zero)
        ret = disk_write_zeroes (&blk->disk, offset, piece, unmap);
      /* A host that cannot discard may keep the bytes: discard is advice. */
      else if (disk_discard (&blk->disk, offset, piece) == -EIO)
        ret = -EIO;
      offset += piece;
      len -= piece;
    }
  return ret;
}

/* One segment of a discard or write-zeroes (5.2.6.2). */
static int
do_range (struct blk *blk, unsigned q, uint32_t type, const struct virtio_blk_range *range)
{
  uint64_t offset = range->sector * VIRTIO_BLK_SECTOR;
  uint64_t len = (uint64_t) range->num_sectors * VIRTIO_BLK_SECTOR;
  bool unmap = range->flags & VIRTIO_BLK_RANGE_F_UNMAP;

  if (range->num_sectors > RANGE_SECTORS_MAX || !in_bounds (blk, range->sector, len))
    return -EINVAL;
  if (range->flags & ~VIRTIO_BLK_RANGE_F_UNMAP || (type == VIRTIO_BLK_T_DISCARD && unmap))
    return -EOPNOTSUPP;
  return do_pieces (blk, q, offset, len, type == VIRTIO_BLK_T_WRITE_ZEROES, unmap);
}

static int
do_ranges (struct blk *blk, unsigned q, const struct virtq_chain *chain, uint32_t type)
{
  struct virtio_blk_range ranges[RANGES_MAX];
  uint64_t len = chain->out_len - sizeof (struct virtio_blk_req);
  int ret = 0;

  if (blk->disk.readonly || len == 0 || len % sizeof ranges[0] || len > sizeof ranges)
    return -EINVAL;
  virtq_read (chain, sizeof (struct virtio_blk_req), ranges, len);
  for (unsigned i = 0; i < len / sizeof ranges[0] && ret == 0; i++)
    ret = do_range (blk, q, type, &ranges[i]);
  return after_write (blk, ret);
}

int
blk_perform (struct blk *blk, unsigned q, const struct virtq_chain *chain,
             const struct virtio_blk_req *req, uint64_t *written)
{
  uint64_t room = chain->in_len - 1; /* in front of the status */

  switch (req->type)
    {
    case VIRTIO_BLK_T_IN:
    case VIRTIO_BLK_T_OUT:
      return do_data (blk, chain, req, written);
    case VIRTIO_BLK_T_FLUSH:
      return disk_flush (&blk->disk);
    case VIRTIO_BLK_T_DISCARD:
    case VIRTIO_BLK_T_WRITE_ZEROES:
      return do_ranges (blk, q, chain, req->type);
    case VIRTIO_BLK_T_GET_ID:
      if (room > sizeof blk->serial)
        room = sizeof blk->serial;
      *written = virtq_write (chain, 0, blk->serial, room);
      return 0;
    default:
      return -EOPNOTSUPP;
    }
}

bool
blk_head (const struct virtq_chain *chain, struct virtio_blk_req *req)
{
  return chain->in_len > 0 && virtq_read (chain, 0, req, sizeof *req) == sizeof *req;
}

uint32_t
blk_answer (const struct virtq_chain *chain, int ret, uint64_t written)
{
  uint8_t status = ret == 0 ? VIRTIO_BLK_S_OK
                            : ret == -EOPNOTSUPP ? VIRTIO_BLK_S_UNSUPP : VIRTIO_BLK_S_IOERR;

  virtq_write (chain, chain->in_len - 1, &status, 1);
  /* "len" covers what was written from the start on, so the status only counts
   * when all in front of it was (2.7.8.2). */
  return (uint32_t) (written == chain->in_len - 1 ? written + 1 : written);
}

static uint32_t
serve (struct vdev *dev, unsigned q, struct virtq_chain *chain)
{
  struct virtio_blk_req req;
  uint64_t written = 0;
  int ret;

  if (!blk_head (chain, &req))
    return 0;
  if (req.type != VIRTIO_BLK_T_IN && req.type != VIRTIO_BLK_T_OUT)
    vdev_tell (dev, q); /* this one may take long */
  ret = blk_perform (blk_of (dev), q, chain, &req, &written);
  if (ret == -ECANCELED)
    return VDEV_UNDONE;
  return blk_answer (chain, ret, written);
}

static void
kick (struct vdev *dev, unsigned q)
{
  if (blk_of (dev)->urings[0])
    blk_uring_kick (blk_of (dev), q);
  else
    vdev_serve (dev, q, serve);
}

static void
settle (struct vdev *dev, unsigned q)
{
  if (blk_of (dev)->urings[0])
    blk_uring_settle (blk_of (dev), q);
}

static void
write_config (struct vdev *dev, unsigned offset, const void *data, unsigned len)
{
  struct blk *blk = blk_of (dev);
  uint8_t value = *(const uint8_t *) data;

  if (offset != offsetof (struct virtio_blk_config, writeback) || len != 1 || value > 1
      || !(dev->accepted >> VIRTIO_BLK_F_CONFIG_WCE & 1))
    return;
  blk->write_back = value;
  dev->config[offset] = value; /* a byte: it changes at once */
}

/* Without FLUSH the driver cannot ask for durability: every write has it (5.2.5.1). */
static void
negotiated (struct vdev *dev)
{
  blk_of (dev)->write_back = dev->accepted >> VIRTIO_BLK_F_FLUSH & 1;
}

static void
reset (struct vdev *dev)
{
  dev->config[offsetof (struct virtio_blk_config, writeback)] = 1;
}

static void
blk_free (struct vdev *dev)
{
  blk_uring_close (blk_of (dev));
  disk_close (&blk_of (dev)->disk);
  free (blk_of (dev)->path);
  free (dev);
}

static const struct vdev_ops blk_ops = {
  .kick = kick,
  .settle = settle,
  .write_config = write_config,
  .negotiated = negotiated,
  .reset = reset,
  .free = blk_free,
};

void
blk_describe (struct vdev *dev, struct blk_info *info)
{
  const struct blk *blk = blk_of (dev);

  *info = (struct blk_info){ blk->path, blk->disk.fd, blk->disk.size, blk->disk.readonly };
}

int
blk_resize (struct vdev *dev, uint64_t size)
{
  const uint64_t capacity = size / VIRTIO_BLK_SECTOR;
  struct blk *blk = blk_of (dev);
  int ret;

  vdev_hold (dev);
  ret = disk_grow (&blk->disk, size);
  vdev_release (dev);
  if (ret == 0)
    vdev_set_config (dev, offsetof (struct virtio_blk_config, capacity), &capacity, sizeof capacity);
  return ret;
}

static void
describe (struct blk *blk, unsigned queues)
{
  struct virtio_blk_config config = {
    .capacity = blk->disk.size / VIRTIO_BLK_SECTOR,
    .seg_max = SEG_MAX,
    .blk_size = VIRTIO_BLK_SECTOR,
    .topology = { .physical_block_exp = 3, .min_io_size = 8 }, /* 4 KiB pages below */
    .writeback = 1,
    .num_queues = (uint16_t) queues,
    .max_discard_sectors = RANGE_SECTORS_MAX,
    .max_discard_seg = RANGES_MAX,
    .discard_sector_alignment = 8,
    .max_write_zeroes_sectors = RANGE_SECTORS_MAX,
    .max_write_zeroes_seg = RANGES_MAX,
    .write_zeroes_may_unmap = 1,
  };

  memcpy (blk->dev.config, &config, sizeof config);
  blk->dev.config_size = offsetof (struct virtio_blk_config, max_secure_erase_sectors);
  blk->dev.features |= VIRTIO_BIT (VIRTIO_BLK_F_SEG_MAX) | VIRTIO_BIT (VIRTIO_BLK_F_BLK_SIZE)
                       | VIRTIO_BIT (VIRTIO_BLK_F_FLUSH) | VIRTIO_BIT (VIRTIO_BLK_F_TOPOLOGY)
                       | VIRTIO_BIT (VIRTIO_BLK_F_CONFIG_WCE);
  if (queues > 1)
    blk->dev.features |= VIRTIO_BIT (VIRTIO_BLK_F_MQ);
  if (blk->disk.readonly)
    blk->dev.features |= VIRTIO_BIT (VIRTIO_BLK_F_RO);
  else
    blk->dev.features |= VIRTIO_BIT (VIRTIO_BLK_F_DISCARD) | VIRTIO_BIT (VIRTIO_BLK_F_WRITE_ZEROES);
}

/* "threads", where each queue has one, or "io_uring": QEMU's words. */
static int
choose_aio (struct blk *blk, const char *aio)
{
  int ret;

  if (strcmp (aio, "io_uring") != 0 && strcmp (aio, "threads") != 0)
    {
      vmm_log ("aio=%s: 'io_uring' or 'threads' is needed", aio);
      return -EINVAL;
    }
  if (strcmp (aio, "threads") == 0)
    return 0;
  ret = blk_uring_open (blk);
  if (ret == 0)
    blk->dev.threads |= SANDBOX_RING;
  else
    vmm_log ("%s: no io_uring here (%s): aio=threads", blk->path, strerror (-ret));
  return 0;
}

int
blk_create (const struct options *options, struct vdev **dev)
{
  static const char *const known[] = { "file", "readonly", "serial", "queues", "aio", "poll", "packed",
                                       NULL };
  const char *path = options_get (options, "file", NULL);
  const char *serial = options_get (options, "serial", "");
  bool readonly = false, packed = true;
  uint64_t queues = 1, poll = POLL_US;
  struct blk *blk;
  int ret;

  if (options_only (options, known) < 0 || options_get_bool (options, "readonly", &readonly) < 0
      || options_get_bool (options, "packed", &packed) < 0
      || options_get_number (options, "queues", 1, BLK_QUEUES_MAX, &queues) < 0
      || options_get_number (options, "poll", 0, POLL_US_MAX, &poll) < 0)
    return -EINVAL;
  if (path == NULL || strlen (serial) > VIRTIO_BLK_ID_BYTES)
    {
      vmm_log ("blk: %s", path ? "a serial has at most 20 characters" : "file=PATH is needed");
      return -EINVAL;
    }
  blk = calloc (1, sizeof *blk);
  if (blk == NULL)
    return -ENOMEM;
  blk->disk.fd = -1;
  blk->path = strdup (path);
  ret = blk->path ? disk_open (&blk->disk, path, readonly) : -ENOMEM;
  if (ret < 0)
    {
      blk_free (&blk->dev);
      return ret;
    }
  memcpy (blk->serial, serial, strlen (serial));
  vdev_init (&blk->dev, &blk_ops, "blk", VIRTIO_ID_BLOCK, (unsigned) queues);
  blk->dev.n_workers = (unsigned) queues;
  blk->dev.threads = SANDBOX_DISK;
  blk->dev.poll_us = (unsigned) poll;
  if (!packed)
    blk->dev.features &= ~VIRTIO_BIT (VIRTIO_F_RING_PACKED);
  describe (blk, (unsigned) queues);
  ret = choose_aio (blk, options_get (options, "aio", "threads"));
  if (ret < 0)
    {
      blk_free (&blk->dev);
      return ret;
    }
  *dev = &blk->dev;
  return 0;
}
