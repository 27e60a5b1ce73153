/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Block device (5.2): a request is a head, its data and one byte of status. */
#include <virtio/driver/blk.h>
#include <virtio/driver/mem.h>

/* No status a device has (5.2.6): it never answered. */
#define STATUS_NONE 0xffu

/* What a request has of its own beside the caller's data: the device reads the head and a
 * range, it writes the status and an id. */
struct virtio_blk_request
{
  struct virtio_blk_req head;
  struct virtio_blk_range range;
  uint8_t status;
  uint8_t number;
  uint8_t id[VIRTIO_BLK_ID_BYTES];
  void *token;
};

/* 5.2.3; one queue, no geometry, no topology, and whoever writes flushes. */
#define WANTED \
  (VIRTIO_BIT (VIRTIO_BLK_F_SIZE_MAX) | VIRTIO_BIT (VIRTIO_BLK_F_SEG_MAX) \
   | VIRTIO_BIT (VIRTIO_BLK_F_RO) | VIRTIO_BIT (VIRTIO_BLK_F_BLK_SIZE) \
   | VIRTIO_BIT (VIRTIO_BLK_F_FLUSH) | VIRTIO_BIT (VIRTIO_BLK_F_CONFIG_WCE) \
   | VIRTIO_BIT (VIRTIO_BLK_F_DISCARD) | VIRTIO_BIT (VIRTIO_BLK_F_WRITE_ZEROES))

/* 5.2.5.2: a cache that can be switched can be flushed. */
static const struct virtio_feature_rule rules[] = {
  { .bit = VIRTIO_BLK_F_CONFIG_WCE, .all = VIRTIO_BIT (VIRTIO_BLK_F_FLUSH) },
};

static int
config32 (struct virtio_blk *blk, uint32_t offset, uint32_t *to)
{
  virtio_le32 value = 0;
  int error = virtio_device_config (&blk->dev, offset, &value, sizeof value, 4);

  *to = virtio_from_le32 (value);
  return error;
}

/* 5.2.4: in sectors of 512 bytes, whatever the block's size is; it may change (5.2.6.1). */
int
virtio_blk_refresh (struct virtio_blk *blk)
{
  virtio_le64 value = 0;
  uint64_t capacity;
  int error = virtio_device_config (&blk->dev, offsetof (struct virtio_blk_config, capacity), &value,
                                    sizeof value, 4);

  if (error)
    return error;
  capacity = virtio_from_le64 (value);
  if (capacity > INT64_MAX / VIRTIO_BLK_SECTOR) /* bytes no longer fit anywhere */
    return -VIRTIO_EPROTO;
  blk->capacity = capacity;
  return 0;
}

/* A limit of 0, or one that was not offered, is no limit. */
static int
limit (struct virtio_blk *blk, unsigned feature, uint32_t offset, uint32_t most, uint32_t *to)
{
  uint32_t value = 0;
  int error = virtio_device_has (&blk->dev, feature) ? config32 (blk, offset, &value) : 0;

  *to = value == 0 || value > most ? most : value;
  return error;
}

#define AT(field) offsetof (struct virtio_blk_config, field)

/* 5.2.4; nothing of it is believed beyond what makes sense. */
static int
read_config (struct virtio_blk *blk)
{
  int error = virtio_blk_refresh (blk);

  if (!error)
    error = limit (blk, VIRTIO_BLK_F_SIZE_MAX, AT (size_max), VIRTIO_BLK_BYTES_MAX, &blk->segment_bytes);
  if (!error)
    error = limit (blk, VIRTIO_BLK_F_SEG_MAX, AT (seg_max), VIRTIO_BLK_SEGS, &blk->segments);
  if (!error)
    error = limit (blk, VIRTIO_BLK_F_BLK_SIZE, AT (blk_size), 65536, &blk->block_size);
  if (!error)
    error = limit (blk, VIRTIO_BLK_F_DISCARD, AT (max_discard_sectors), 1u << 22, &blk->max_discard);
  if (!error)
    error = limit (blk, VIRTIO_BLK_F_WRITE_ZEROES, AT (max_write_zeroes_sectors), 1u << 22,
                   &blk->max_write_zeroes);
  if (error)
    return error;
  if (!virtio_device_has (&blk->dev, VIRTIO_BLK_F_BLK_SIZE) || blk->block_size < VIRTIO_BLK_SECTOR
      || (blk->block_size & (blk->block_size - 1)))
    blk->block_size = VIRTIO_BLK_SECTOR;
  blk->segment_bytes &= ~(VIRTIO_BLK_SECTOR - 1); /* so that requests end between sectors */
  if (blk->segment_bytes == 0)
    return -VIRTIO_EPROTO;
  blk->read_only = virtio_device_has (&blk->dev, VIRTIO_BLK_F_RO);
  return 0;
}

/* 5.2.2: requests go into one queue; each takes head and status beside its segments. */
static int
start_requests (struct virtio_blk *blk)
{
  const struct virtio_hal *hal = blk->dev.hal;
  int error = virtio_queue_start (&blk->queue, &blk->dev, 0, 0, (uint16_t) (blk->segments + 2),
                                  VIRTIO_LEN_CLAMP);

  if (error)
    return error;
  if (blk->queue.max_segs < 3) /* head, data and status do not fit into this ring */
    return -VIRTIO_EPROTO;
  if (blk->segments > blk->queue.max_segs - 2u)
    blk->segments = blk->queue.max_segs - 2u;
  blk->n_requests = VIRTIO_BLK_REQUESTS;
  blk->free_requests = UINT32_MAX;
  blk->requests = hal->ops->alloc (hal->ctx, blk->n_requests * sizeof *blk->requests,
                                   _Alignof (struct virtio_blk_request));
  return blk->requests ? 0 : -VIRTIO_ENOMEM;
}

/* 3.1.1, with 5.2.5 between negotiation and DRIVER_OK. */
int
virtio_blk_start (struct virtio_blk *blk, struct virtio_transport *transport,
                  const struct virtio_options *options)
{
  int error;

  memset (blk, 0, sizeof *blk);
  if (transport->device_id != VIRTIO_ID_BLOCK)
    return -VIRTIO_ENODEV;
  error = virtio_device_begin (&blk->dev, transport, options, WANTED, rules,
                               sizeof rules / sizeof *rules);
  if (!error)
    error = read_config (blk);
  if (!error)
    error = start_requests (blk);
  if (!error)
    error = virtio_device_ready (&blk->dev);
  if (error)
    {
      virtio_device_fail (&blk->dev); /* 3.1.1: a driver that gives up says so */
      virtio_blk_stop (blk);
    }
  return error;
}

int
virtio_blk_stop (struct virtio_blk *blk)
{
  const struct virtio_hal *hal = blk->dev.hal;
  void *token;
  int error;

  if (!hal)
    return 0;
  error = virtio_device_reset (&blk->dev);
  if (error)
    return error;
  while (virtio_queue_drain (&blk->queue, &token))
    ;
  virtio_queue_free (&blk->queue);
  if (blk->requests)
    hal->ops->free (hal->ctx, blk->requests, blk->n_requests * sizeof *blk->requests);
  memset (blk, 0, sizeof *blk);
  return 0;
}

/* ---- requests ---- */

static struct virtio_blk_request *
take_request (struct virtio_blk *blk, uint32_t type, uint64_t sector, void *token)
{
  struct virtio_blk_request *request;
  unsigned number;

  if (blk->free_requests == 0)
    return NULL;
  number = (unsigned) __builtin_ctz (blk->free_requests);
  blk->free_requests &= ~(1u << number);
  request = &blk->requests[number];
  memset (request, 0, sizeof *request);
  request->head.type = virtio_to_le32 (type);
  request->head.sector = virtio_to_le64 (sector);
  request->status = STATUS_NONE;
  request->number = (uint8_t) number;
  request->token = token;
  return request;
}

/* 5.2.3: no segment is longer than size_max. */
static unsigned
split_data (const struct virtio_blk *blk, void *data, uint32_t bytes, struct virtio_seg *segs)
{
  unsigned n = 0;

  for (uint32_t at = 0; at < bytes; at += segs[n++].len)
    {
      segs[n].addr = (uint8_t *) data + at;
      segs[n].len = bytes - at < blk->segment_bytes ? bytes - at : blk->segment_bytes;
    }
  return n;
}

/* 5.2.6: what the device writes lies behind what it reads (2.7.4.2), so these two have
 * their data with the status, the others with the head. */
static bool
reads_data (uint32_t type)
{
  return type == VIRTIO_BLK_T_IN || type == VIRTIO_BLK_T_GET_ID;
}

static int
add_request (struct virtio_blk *blk, struct virtio_blk_request *request, void *data, uint32_t bytes)
{
  struct virtio_seg segs[VIRTIO_BLK_SEGS + 2];
  bool in = reads_data (virtio_from_le32 (request->head.type));
  unsigned n;
  int error;

  segs[0] = (struct virtio_seg) { &request->head, sizeof request->head };
  n = split_data (blk, data, bytes, segs + 1);
  segs[n + 1] = (struct virtio_seg) { &request->status, 1 };
  error = virtio_queue_add (&blk->queue, segs, in ? 1 : n + 1, in ? n + 1 : 1, request);
  if (error)
    blk->free_requests |= 1u << request->number;
  return error;
}

/* 5.2.6.1: nothing is asked for beyond the capacity. */
static bool
in_range (const struct virtio_blk *blk, uint64_t sector, uint64_t sectors)
{
  return sectors <= blk->capacity && sector <= blk->capacity - sectors;
}

int
virtio_blk_submit (struct virtio_blk *blk, uint32_t type, uint64_t sector, void *data,
                   uint32_t bytes, void *token)
{
  struct virtio_blk_request *request;

  if ((type != VIRTIO_BLK_T_IN && type != VIRTIO_BLK_T_OUT) || bytes == 0
      || bytes % VIRTIO_BLK_SECTOR || bytes > VIRTIO_BLK_BYTES_MAX
      || bytes > (uint64_t) blk->segments * blk->segment_bytes)
    return -VIRTIO_EINVAL;
  if (!in_range (blk, sector, bytes / VIRTIO_BLK_SECTOR))
    return -VIRTIO_ERANGE;
  if (type == VIRTIO_BLK_T_OUT && blk->read_only)
    return -VIRTIO_EROFS;
  request = take_request (blk, type, sector, token);
  return request ? add_request (blk, request, data, bytes) : -VIRTIO_EAGAIN;
}

bool
virtio_blk_kick (struct virtio_blk *blk)
{
  return virtio_queue_kick (&blk->queue);
}

/* 5.2.6: one byte, read once. */
static int
result_of (const struct virtio_blk_request *request)
{
  switch (__atomic_load_n (&request->status, __ATOMIC_ACQUIRE))
    {
    case VIRTIO_BLK_S_OK:
      return 0;
    case VIRTIO_BLK_S_UNSUPP:
      return -VIRTIO_ENOTSUP;
    default: /* IOERR, nothing at all, or nothing we know */
      return -VIRTIO_EIO;
    }
}

static void
finish (struct virtio_blk *blk, struct virtio_blk_request *request, void **token, int *result)
{
  *token = request->token;
  *result = result_of (request);
  blk->free_requests |= 1u << request->number;
}

int
virtio_blk_poll (struct virtio_blk *blk, void **token, int *result)
{
  void *request;
  uint32_t len;
  int got = virtio_queue_get (&blk->queue, &request, &len);

  if (got == 1)
    finish (blk, request, token, result);
  return got;
}

/* ---- one at a time ---- */

/* Until @request is done. Its memory stays the device's when it does not answer,
 * so the device is given up. */
static int
wait_for (struct virtio_blk *blk, struct virtio_blk_request *request)
{
  void *done, *token;
  uint32_t len;
  int got, result;

  virtio_queue_kick (&blk->queue);
  do
    {
      got = virtio_queue_wait (&blk->queue, &done, &len);
      if (got < 0)
        {
          virtio_device_fail (&blk->dev);
          return got;
        }
      finish (blk, done, &token, &result);
    }
  while (done != request);
  return result;
}

/* Synchronous calls are not to be mixed with submitted requests under way: whose
 * answers would be lost. */
static bool
busy (const struct virtio_blk *blk)
{
  return blk->free_requests != UINT32_MAX;
}

static int
transfer (struct virtio_blk *blk, uint32_t type, uint64_t sector, uint8_t *data, size_t bytes)
{
  uint64_t most = (uint64_t) blk->segments * blk->segment_bytes;

  if (bytes % VIRTIO_BLK_SECTOR)
    return -VIRTIO_EINVAL;
  if (!in_range (blk, sector, bytes / VIRTIO_BLK_SECTOR))
    return -VIRTIO_ERANGE;
  if (type == VIRTIO_BLK_T_OUT && blk->read_only)
    return -VIRTIO_EROFS;
  if (busy (blk))
    return blk->dev.failed ? -VIRTIO_EIO : -VIRTIO_EAGAIN;
  if (most > VIRTIO_BLK_BYTES_MAX)
    most = VIRTIO_BLK_BYTES_MAX;
  while (bytes > 0)
    {
      uint32_t now = (uint32_t) (bytes < most ? bytes : most);
      struct virtio_blk_request *request = take_request (blk, type, sector, NULL);
      int error = add_request (blk, request, data, now);

      if (!error)
        error = wait_for (blk, request);
      if (error)
        return error;
      data += now;
      bytes -= now;
      sector += now / VIRTIO_BLK_SECTOR;
    }
  return 0;
}

int
virtio_blk_read (struct virtio_blk *blk, uint64_t sector, void *to, size_t bytes)
{
  return transfer (blk, VIRTIO_BLK_T_IN, sector, to, bytes);
}

int
virtio_blk_write (struct virtio_blk *blk, uint64_t sector, const void *from, size_t bytes)
{
  return transfer (blk, VIRTIO_BLK_T_OUT, sector, (uint8_t *) (uintptr_t) from, bytes);
}

/* A request whose data, if any, lies in the request itself. */
static int
command (struct virtio_blk *blk, struct virtio_blk_request *request, void *data, uint32_t bytes)
{
  int error = add_request (blk, request, data, bytes);

  return error ? error : wait_for (blk, request);
}

/* 5.2.6.1: sector 0 and no data. */
int
virtio_blk_flush (struct virtio_blk *blk)
{
  if (!virtio_device_has (&blk->dev, VIRTIO_BLK_F_FLUSH)) /* 5.2.5: it writes through */
    return blk->dev.live && !blk->dev.failed ? 0 : -VIRTIO_EIO;
  if (busy (blk))
    return blk->dev.failed ? -VIRTIO_EIO : -VIRTIO_EAGAIN;
  return command (blk, take_request (blk, VIRTIO_BLK_T_FLUSH, 0, NULL), NULL, 0);
}

/* 5.2.6.1: of what was written before the change none is stable by it. */
int
virtio_blk_set_write_back (struct virtio_blk *blk, bool on)
{
  struct virtio_transport *transport = blk->dev.transport;
  int error = virtio_device_check (&blk->dev);

  if (error)
    return error;
  if (!virtio_device_has (&blk->dev, VIRTIO_BLK_F_CONFIG_WCE))
    return -VIRTIO_ENOTSUP;
  transport->ops->config_write (transport, AT (writeback), 1, on);
  return on ? 0 : virtio_blk_flush (blk);
}

/* 5.2.6.1: one segment a request, no longer than the device takes. */
static int
ranges (struct virtio_blk *blk, uint32_t type, uint64_t sector, uint64_t sectors, uint32_t most,
        uint32_t flags)
{
  if (!in_range (blk, sector, sectors))
    return -VIRTIO_ERANGE;
  if (blk->read_only)
    return -VIRTIO_EROFS;
  if (busy (blk))
    return blk->dev.failed ? -VIRTIO_EIO : -VIRTIO_EAGAIN;
  while (sectors > 0)
    {
      uint32_t now = (uint32_t) (sectors < most ? sectors : most);
      struct virtio_blk_request *request = take_request (blk, type, 0, NULL);
      int error;

      request->range.sector = virtio_to_le64 (sector);
      request->range.num_sectors = virtio_to_le32 (now);
      request->range.flags = virtio_to_le32 (flags);
      error = command (blk, request, &request->range, sizeof request->range);
      if (error)
        return error;
      sector += now;
      sectors -= now;
    }
  return 0;
}

int
virtio_blk_discard (struct virtio_blk *blk, uint64_t sector, uint64_t sectors)
{
  if (!virtio_device_has (&blk->dev, VIRTIO_BLK_F_DISCARD))
    return -VIRTIO_ENOTSUP;
  return ranges (blk, VIRTIO_BLK_T_DISCARD, sector, sectors, blk->max_discard, 0);
}

int
virtio_blk_write_zeroes (struct virtio_blk *blk, uint64_t sector, uint64_t sectors, bool unmap)
{
  if (!virtio_device_has (&blk->dev, VIRTIO_BLK_F_WRITE_ZEROES))
    return -VIRTIO_ENOTSUP;
  return ranges (blk, VIRTIO_BLK_T_WRITE_ZEROES, sector, sectors, blk->max_write_zeroes,
                 unmap ? VIRTIO_BLK_RANGE_F_UNMAP : 0);
}

/* 5.2.6.1: exactly 20 bytes, which need not end with NUL. */
int
virtio_blk_get_id (struct virtio_blk *blk, char id[VIRTIO_BLK_ID_BYTES + 1])
{
  struct virtio_blk_request *request;
  int error;

  if (busy (blk))
    return blk->dev.failed ? -VIRTIO_EIO : -VIRTIO_EAGAIN;
  request = take_request (blk, VIRTIO_BLK_T_GET_ID, 0, NULL);
  error = command (blk, request, request->id, sizeof request->id);
  if (error)
    return error;
  memcpy (id, request->id, sizeof request->id);
  id[VIRTIO_BLK_ID_BYTES] = 0;
  return 0;
}
