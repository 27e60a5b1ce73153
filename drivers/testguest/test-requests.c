/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Requests to a disk that no driver would make, on a queue without one. */
#include "guest.h"

#include <virtio/driver/blk.h>

#define PIECES 8u

static struct virtio_device dev;
static struct virtio_queue queue;
static struct virtio_blk_req head;
static uint8_t answer;

/* One request of any pieces; its status byte, 0xfe when it never came back. */
static uint8_t
ask (const struct virtio_seg *segs, unsigned n_out, unsigned n_in)
{
  void *token;
  uint32_t len;

  answer = 0xff;
  if (virtio_queue_add (&queue, segs, n_out, n_in, &head) != 0)
    return 0xfe;
  virtio_queue_kick (&queue);
  return virtio_queue_wait (&queue, &token, &len) == 1 ? answer : 0xfe;
}

static uint8_t
simple (uint32_t type, uint64_t sector, uint8_t *data, uint32_t bytes, bool write)
{
  struct virtio_seg segs[] = { { &head, sizeof head }, { data, bytes }, { &answer, 1 } };
  struct virtio_seg none[] = { { &head, sizeof head }, { &answer, 1 } };

  head = (struct virtio_blk_req){ .type = type, .sector = sector };
  return bytes ? ask (segs, write ? 2 : 1, write ? 1 : 2) : ask (none, 1, 1);
}

/* The same sector, cut in every way. */
static void
framing (uint8_t *data, uint8_t *back)
{
  uint8_t *bytes = (uint8_t *) &head;
  struct virtio_seg cut[] = { { bytes, 1 },      { bytes + 1, 15 },     { back, 1 },
                              { back + 1, 500 }, { back + 501, 11 }, { &answer, 1 } };
  struct virtio_blk_req before;

  if (simple (VIRTIO_BLK_T_IN, 0, data, 512, false) != VIRTIO_BLK_S_OK)
    return;
  before = head;
  memset (back, 0xee, 512);
  check (ask (cut, 2, 4) == VIRTIO_BLK_S_OK && memcmp (data, back, 512) == 0,
         "a request may be cut anywhere [S2 P7]");
  check (memcmp (&before, &head, sizeof head) == 0, "what it reads is not written [S4]");
}

static void
ranges (uint8_t *data)
{
  struct virtio_blk_range *range = (struct virtio_blk_range *) data;

  if (virtio_device_has (&dev, VIRTIO_BLK_F_DISCARD))
    {
      *range = (struct virtio_blk_range){ 64, 8, 2 };
      check (simple (VIRTIO_BLK_T_DISCARD, 0, data, 16, true) == VIRTIO_BLK_S_UNSUPP,
             "a discard with an unknown flag is not supported [B10]");
      range->flags = VIRTIO_BLK_RANGE_F_UNMAP;
      check (simple (VIRTIO_BLK_T_DISCARD, 0, data, 16, true) == VIRTIO_BLK_S_UNSUPP,
             "nor one with unmap [B10]");
    }
}

static void
nonsense (uint8_t *data)
{
  uint64_t far = UINT64_MAX / 512 - 1;

  check (simple (99, 0, data, 0, false) == VIRTIO_BLK_S_UNSUPP, "an unknown request is not supported [B15]");
  check (simple (16, 0, data, 512, false) == VIRTIO_BLK_S_UNSUPP, "nor a report of zones [B13 B16]");
  check (simple (VIRTIO_BLK_T_IN, far, data, 512, false) == VIRTIO_BLK_S_IOERR, "a sector far away fails [B15]");
  check (simple (VIRTIO_BLK_T_IN, UINT64_MAX, data, 512, false) == VIRTIO_BLK_S_IOERR, "and the last there is [B15]");
  check (simple (VIRTIO_BLK_T_IN, 0, data, 512, false) == VIRTIO_BLK_S_OK, "and the disk works on [B15]");
}

static void
read_only (uint8_t *data, uint8_t *back)
{
  memset (back, 0xa5, 512);
  check (simple (VIRTIO_BLK_T_OUT, 3, back, 512, true) == VIRTIO_BLK_S_IOERR,
         "a write to a read-only disk fails [B9]");
  check (simple (VIRTIO_BLK_T_IN, 3, data, 512, false) == VIRTIO_BLK_S_OK
           && memcmp (data, back, 512) != 0, "and changes nothing [B9]");
}

static void
configuration (struct virtio_transport *transport)
{
  bool wce = dev.offered & VIRTIO_BIT (VIRTIO_BLK_F_CONFIG_WCE);

  check (!wce || (dev.offered & VIRTIO_BIT (VIRTIO_BLK_F_FLUSH)), "FLUSH is offered with CONFIG_WCE [B1]");
  if (transport->config_size >= 36)
    check (transport->ops->config_read (transport, 33, 1) == 0, "padding is zero [B2]");
}

void
test_requests (struct virtio_transport *transport, const struct virtio_options *options)
{
  uint64_t wanted = VIRTIO_BIT (VIRTIO_BLK_F_DISCARD) | VIRTIO_BIT (VIRTIO_BLK_F_FLUSH);
  uint8_t *data = guest_memory (512), *back = guest_memory (512);
  int error = virtio_device_begin (&dev, transport, options, wanted, NULL, 0);

  if (error == 0)
    error = virtio_queue_start (&queue, &dev, 0, 16, PIECES, VIRTIO_LEN_CLAMP);
  if (error == 0)
    error = virtio_device_ready (&dev);
  if (!check_error (error, "takes requests without a driver"))
    return;
  configuration (transport);
  framing (data, back);
  ranges (data);
  nonsense (data);
  if (dev.offered & VIRTIO_BIT (VIRTIO_BLK_F_RO))
    read_only (data, back);
  check_error (virtio_device_reset (&dev), "resets");
  virtio_queue_drain_and_free (&queue);
}
