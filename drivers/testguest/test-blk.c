/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Cases for a disk. The first SUM_SECTORS come from the host, whose checksum is
 * the option blk-sum=; the rest is ours to write, and the host looks at it after. */
#include "guest.h"

#include <virtio/driver/blk.h>

#define SUM_SECTORS 64u
#define OURS 64u /* first sector of ours */
#define SECTORS 64u
#define PINGS 32u

static void
reads_what_the_host_wrote (struct virtio_blk *blk, uint8_t *data)
{
  const char *wanted = guest_option ("blk-sum=");

  if (!check_error (virtio_blk_read (blk, 0, data, SUM_SECTORS * 512), "reads") || !wanted)
    return;
  check (checksum (data, SUM_SECTORS * 512) == guest_number (wanted, &wanted),
         "reads what the host wrote");
}

static void
keeps_what_we_write (struct virtio_blk *blk, uint8_t *data, uint8_t *back)
{
  static const uint16_t sizes[] = { 1, 2, 7, 16, SECTORS };

  for (unsigned i = 0; i < sizeof sizes / sizeof *sizes; i++)
    {
      size_t bytes = sizes[i] * 512u;
      bool good;

      fill_pattern (data, bytes, i + 1);
      memset (back, 0xee, bytes);
      good = virtio_blk_write (blk, OURS + i, data, bytes) == 0
             && virtio_blk_read (blk, OURS + i, back, bytes) == 0;
      check (good && checksum (data, bytes) == checksum (back, bytes), "keeps what was written");
    }
  check_error (virtio_blk_flush (blk), "flushes");
}

static bool
all_zero (const uint8_t *data, size_t bytes)
{
  for (size_t i = 0; i < bytes; i++)
    if (data[i])
      return false;
  return true;
}

static void
zeroes_and_discards (struct virtio_blk *blk, uint8_t *data)
{
  if (virtio_device_has (&blk->dev, VIRTIO_BLK_F_WRITE_ZEROES))
    for (unsigned unmap = 0; unmap < 2; unmap++)
      {
        fill_pattern (data, 8 * 512, 99);
        check_error (virtio_blk_write (blk, OURS, data, 8 * 512), "writes before zeroing");
        check_error (virtio_blk_write_zeroes (blk, OURS + 2, 4, unmap), "writes zeroes");
        check (virtio_blk_read (blk, OURS, data, 8 * 512) == 0 && all_zero (data + 1024, 2048)
                 && !all_zero (data, 1024) && !all_zero (data + 3072, 1024),
               "zeroes read as zeroes, their neighbours do not [B11]");
      }
  if (virtio_device_has (&blk->dev, VIRTIO_BLK_F_DISCARD))
    check_error (virtio_blk_discard (blk, OURS, 8), "discards");
}

static void
write_through (struct virtio_blk *blk, uint8_t *data, uint8_t *back)
{
  if (!virtio_device_has (&blk->dev, VIRTIO_BLK_F_CONFIG_WCE))
    return;
  check_error (virtio_blk_set_write_back (blk, false), "writes through from now on, what was before is flushed [B8]");
  fill_pattern (data, 512, 99);
  check (virtio_blk_write (blk, OURS, data, 512) == 0 && virtio_blk_read (blk, OURS, back, 512) == 0
           && memcmp (data, back, 512) == 0, "and so it does");
  check_error (virtio_blk_set_write_back (blk, true), "and back");
}

static void
limits (struct virtio_blk *blk, uint8_t *data)
{
  check (virtio_blk_read (blk, blk->capacity, data, 512) == -VIRTIO_ERANGE, "refuses to go past the end");
  check_error (virtio_blk_read (blk, blk->capacity - 1, data, 512), "reads the last sector");
}

/* As many requests under way as there are, answered in any order. */
static void
many_at_a_time (struct virtio_blk *blk, uint8_t *data)
{
  unsigned sent = 0, good = 0;
  uint64_t start = cycles ();
  unsigned got = 0;

  for (unsigned i = 0; i < SECTORS; i++)
    memset (data + 512 * i, 0xee, 512);
  while (sent < VIRTIO_BLK_REQUESTS
         && virtio_blk_submit (blk, VIRTIO_BLK_T_IN, OURS + 4 + sent, data + 512 * sent, 512,
                               data + 512 * sent) == 0)
    sent++;
  virtio_blk_kick (blk);
  while (got < sent && cycles () - start < 20000000000ull)
    {
      void *token;
      int result, more = virtio_blk_poll (blk, &token, &result);

      if (more < 0)
        break;
      if (more == 0)
        continue;
      got++;
      good += result == 0 && !all_zero (token, 512) && ((uint8_t *) token)[0] != 0xee;
    }
  check (sent > 0 && got == sent, "answers many requests at a time");
  check (good == sent, "and each with its data");
}

static void
measure (struct virtio_blk *blk)
{
  char id[VIRTIO_BLK_ID_BYTES + 1];
  struct meter meter;
  unsigned n = 0;

  meter_begin (&meter);
  while (n < PINGS && virtio_blk_get_id (blk, id) == 0)
    n++;
  check (n == PINGS, "tells its serial number many times");
  meter_end (&meter, PINGS, "request");
  print ("# serial number '%s'\n", id);
}

/* What lies on the disk in the end: the host knows it too. */
static void
leave_a_pattern (struct virtio_blk *blk, uint8_t *data)
{
  fill_pattern (data, SECTORS * 512, 4711);
  check_error (virtio_blk_write (blk, OURS, data, SECTORS * 512), "leaves its pattern");
  check_error (virtio_blk_flush (blk), "which is flushed");
}

void
test_blk (struct virtio_transport *transport, const struct virtio_options *options)
{
  static struct virtio_blk blk;
  uint8_t *data = guest_memory (SECTORS * 512), *back = guest_memory (SECTORS * 512);
  uint64_t features;

  if (!check_error (virtio_blk_start (&blk, transport, options), "starts"))
    return;
  test_features (&blk.dev);
  features = blk.dev.features;
  check (blk.capacity >= OURS + SECTORS, "is large enough");
  reads_what_the_host_wrote (&blk, data);
  if (!blk.read_only)
    {
      keeps_what_we_write (&blk, data, back);
      zeroes_and_discards (&blk, data);
      write_through (&blk, data, back);
      leave_a_pattern (&blk, data);
    }
  many_at_a_time (&blk, data);
  limits (&blk, data);
  measure (&blk);
  check_error (virtio_blk_stop (&blk), "stops");
  if (check_error (virtio_blk_start (&blk, transport, options), "starts again"))
    check (blk.dev.features == features, "with the same features [C12]");
  check_error (virtio_blk_stop (&blk), "and stops");
}
