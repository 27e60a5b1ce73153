/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Every request of the block device, good and bad, through a ring in memory. */
#include "tap-main.h"

#include "tests/support/guest-ram.h"

#include <sys/stat.h>
#include <unistd.h>
#include <virtio/blk.h>

#define DISK (64u * 1024)
#define IN VIRTIO_DESC_F_WRITE

static struct guest_memory memory;
static uint8_t *ram;
static struct vdev *dev;
static uint16_t used_seen;
static unsigned notified;
static const char *aio; /* which way all requests go */

static void
on_notify (void *data, unsigned q)
{
  notified++;
}

static void
on_event (void *data)
{
}

static const struct vdev_transport transport = { on_notify, on_event, on_event };

static uint8_t *
data_area (void)
{
  return ram + (RAM_DATA - RAM_GPA);
}

static void
begin_with (size_t size, const char *readonly, uint64_t without)
{
  if (ram == NULL)
    ram = ram_new (&memory);
  memset (ram, 0, RAM_SIZE);
  vdev_free (dev);
  dev = ram_disk_by (size, readonly, aio);
  assert_non_null (dev);
  vdev_attach (dev, &memory, &transport, NULL);
  assert_int_equal (vdev_accept (dev, dev->features & ~VIRTIO_BIT (VIRTIO_F_RING_PACKED)
                                          & ~VIRTIO_BIT (VIRTIO_F_EVENT_IDX) & ~without), 0);
  assert_int_equal (ram_start (dev, 0, 8, dev->accepted), 0);
  used_seen = 0;
}

static void
begin (const char *readonly, uint64_t without)
{
  begin_with (DISK, readonly, without);
}

/* Puts a request with @len bytes of data at data_area() + 1024 into the ring. */
static void
make_request (uint32_t type, uint64_t sector, uint32_t len, uint16_t direction)
{
  struct virtio_desc *desc = (struct virtio_desc *) (ram + (RAM_DESC - RAM_GPA));
  struct virtio_avail *avail = (struct virtio_avail *) (ram + (RAM_DRIVER - RAM_GPA));
  struct virtio_blk_req req = { type, 0, sector };

  memcpy (data_area (), &req, sizeof req);
  data_area ()[512] = 0xee;
  desc[0] = (struct virtio_desc){ RAM_DATA, sizeof req, VIRTIO_DESC_F_NEXT, len ? 1 : 2 };
  desc[1] = (struct virtio_desc){ RAM_DATA + 1024, len, direction | VIRTIO_DESC_F_NEXT, 2 };
  desc[2] = (struct virtio_desc){ RAM_DATA + 512, 1, IN, 0 };
  avail->ring[avail->idx % 8] = 0;
  avail->idx++;
}

/* The request's status; 0xee when the device wrote none. @used: what the used ring says. */
static uint8_t
request (uint32_t type, uint64_t sector, uint32_t len, uint16_t direction, uint32_t *used_len)
{
  struct virtio_used *used = (struct virtio_used *) (ram + (RAM_DEVICE - RAM_GPA));

  make_request (type, sector, len, direction);
  notified = 0;
  vdev_kick (dev, 0);
  assert_int_equal (used->idx, ++used_seen);
  assert_int_equal (notified, 1);
  if (used_len)
    *used_len = used->ring[(used_seen - 1) % 8].len;
  return data_area ()[512];
}

static void
test_read_and_write (void **state)
{
  uint8_t want[2048];
  uint32_t used;

  begin ("off", 0);
  memset (want, 0x5a, sizeof want);
  memcpy (data_area () + 1024, want, sizeof want);
  assert_int_equal (request (VIRTIO_BLK_T_OUT, 5, 2048, 0, &used), VIRTIO_BLK_S_OK);
  assert_int_equal (used, 1);
  memset (data_area () + 1024, 0, 2048);
  assert_int_equal (request (VIRTIO_BLK_T_IN, 5, 2048, IN, &used), VIRTIO_BLK_S_OK);
  assert_int_equal (used, 2049);
  assert_memory_equal (data_area () + 1024, want, sizeof want);
  assert_int_equal (request (VIRTIO_BLK_T_FLUSH, 0, 0, 0, &used), VIRTIO_BLK_S_OK);
  assert_int_equal (request (VIRTIO_BLK_T_IN, 9, 512, IN, NULL), VIRTIO_BLK_S_OK);
  assert_int_equal (data_area ()[1024], 0);
}

static void
test_bounds (void **state)
{
  begin ("off", 0);
  assert_int_equal (request (VIRTIO_BLK_T_IN, DISK / 512 - 1, 512, IN, NULL), VIRTIO_BLK_S_OK);
  assert_int_equal (request (VIRTIO_BLK_T_IN, DISK / 512 - 1, 1024, IN, NULL), VIRTIO_BLK_S_IOERR);
  assert_int_equal (request (VIRTIO_BLK_T_IN, DISK / 512, 512, IN, NULL), VIRTIO_BLK_S_IOERR);
  assert_int_equal (request (VIRTIO_BLK_T_IN, UINT64_MAX, 512, IN, NULL), VIRTIO_BLK_S_IOERR);
  assert_int_equal (request (VIRTIO_BLK_T_OUT, UINT64_MAX / 512, 512, 0, NULL), VIRTIO_BLK_S_IOERR);
  assert_int_equal (request (VIRTIO_BLK_T_OUT, 0, 511, 0, NULL), VIRTIO_BLK_S_IOERR);
  assert_int_equal (request (VIRTIO_BLK_T_IN, 0, 100, IN, NULL), VIRTIO_BLK_S_IOERR);
  assert_int_equal (request (77, 0, 512, IN, NULL), VIRTIO_BLK_S_UNSUPP);
}

static void
make_range (uint64_t sector, uint32_t count, uint32_t flags)
{
  struct virtio_blk_range segment = { sector, count, flags };

  memcpy (data_area () + 1024, &segment, sizeof segment);
}

static uint8_t
range (uint32_t type, uint64_t sector, uint32_t count, uint32_t flags)
{
  make_range (sector, count, flags);
  return request (type, 0, sizeof (struct virtio_blk_range), 0, NULL);
}

static void
expect_bytes (uint64_t sector, uint8_t value)
{
  assert_int_equal (request (VIRTIO_BLK_T_IN, sector, 512, IN, NULL), VIRTIO_BLK_S_OK);
  for (unsigned i = 0; i < 512; i++)
    assert_int_equal (data_area ()[1024 + i], value);
}

static void
test_ranges (void **state)
{
  begin ("off", 0);
  memset (data_area () + 1024, 0x77, 32768);
  assert_int_equal (request (VIRTIO_BLK_T_OUT, 0, 32768, 0, NULL), VIRTIO_BLK_S_OK);
  assert_int_equal (range (VIRTIO_BLK_T_WRITE_ZEROES, 3, 2, 0), VIRTIO_BLK_S_OK);
  expect_bytes (2, 0x77);
  expect_bytes (3, 0);
  expect_bytes (4, 0);
  expect_bytes (5, 0x77);
  assert_int_equal (range (VIRTIO_BLK_T_WRITE_ZEROES, 8, 8, VIRTIO_BLK_RANGE_F_UNMAP), VIRTIO_BLK_S_OK);
  expect_bytes (15, 0);
  expect_bytes (16, 0x77);
  assert_int_equal (range (VIRTIO_BLK_T_DISCARD, 16, 8, 0), VIRTIO_BLK_S_OK);
  expect_bytes (24, 0x77);
  assert_int_equal (range (VIRTIO_BLK_T_DISCARD, 16, 8, VIRTIO_BLK_RANGE_F_UNMAP), VIRTIO_BLK_S_UNSUPP);
  assert_int_equal (range (VIRTIO_BLK_T_DISCARD, 16, 8, 2), VIRTIO_BLK_S_UNSUPP);
  assert_int_equal (range (VIRTIO_BLK_T_DISCARD, DISK / 512, 1, 0), VIRTIO_BLK_S_IOERR);
  assert_int_equal (range (VIRTIO_BLK_T_WRITE_ZEROES, UINT64_MAX, 2, 0), VIRTIO_BLK_S_IOERR);
  assert_int_equal (request (VIRTIO_BLK_T_DISCARD, 0, 17, 0, NULL), VIRTIO_BLK_S_IOERR);
}

#define LARGE (UINT64_C (160) << 20)
#define MARK (UINT64_C (8) << 20)

/* A range of more than one piece, one sector askew: nothing beside it, all of it, and no block
 * is kept at the borders of pieces. */
static void
test_large_ranges (void **state)
{
  static const uint32_t types[] = { VIRTIO_BLK_T_DISCARD, VIRTIO_BLK_T_WRITE_ZEROES };
  struct blk_info info;
  struct stat st;
  uint8_t byte;

  begin_with (LARGE, "off", 0);
  blk_describe (dev, &info);
  for (unsigned i = 0; i < 2; i++)
    {
      for (uint64_t at = 0; at < LARGE; at += MARK) /* on both sides of each border */
        {
          assert_int_equal (pwrite (info.fd, "\x77", 1, (off_t) at), 1);
          assert_int_equal (pwrite (info.fd, "\x77", 1, (off_t) (at + MARK - 1)), 1);
        }
      assert_int_equal (range (types[i], 1, LARGE / 512 - 2, i ? VIRTIO_BLK_RANGE_F_UNMAP : 0),
                        VIRTIO_BLK_S_OK);
      for (uint64_t at = 0; at < LARGE; at += MARK)
        {
          assert_int_equal (pread (info.fd, &byte, 1, (off_t) at), 1);
          assert_int_equal (byte, at ? 0 : 0x77);
          assert_int_equal (pread (info.fd, &byte, 1, (off_t) (at + MARK - 1)), 1);
          assert_int_equal (byte, at + MARK < LARGE ? 0 : 0x77);
        }
      assert_int_equal (fstat (info.fd, &st), 0);
      assert_true (st.st_blocks * 512 <= 2 * sysconf (_SC_PAGESIZE)); /* one at either end */
    }
}

/* Who stops the queue finds the request in it as it was. */
static void
test_range_that_is_left_undone (void **state)
{
  const struct virtio_used *used;

  begin ("off", 0);
  used = (const struct virtio_used *) (ram + (RAM_DEVICE - RAM_GPA));
  memset (data_area () + 1024, 0x77, 512);
  assert_int_equal (request (VIRTIO_BLK_T_OUT, 0, 512, 0, NULL), VIRTIO_BLK_S_OK);
  dev->queues[0].stopping = true;
  make_range (0, 8, 0);
  make_request (VIRTIO_BLK_T_WRITE_ZEROES, 0, 16, 0);
  vdev_kick (dev, 0);
  assert_int_equal (used->idx, used_seen);
  dev->queues[0].stopping = false;
  vdev_kick (dev, 0);
  assert_int_equal (used->idx, ++used_seen);
  assert_int_equal (data_area ()[512], VIRTIO_BLK_S_OK);
  expect_bytes (0, 0);
}

static void
test_serial (void **state)
{
  begin ("off", 0);
  memset (data_area () + 1024, 1, 64);
  assert_int_equal (request (VIRTIO_BLK_T_GET_ID, 0, 20, IN, NULL), VIRTIO_BLK_S_OK);
  assert_memory_equal (data_area () + 1024, "serial\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1", 21);
}

static void
test_read_only (void **state)
{
  begin ("on", 0);
  assert_true (dev->features >> VIRTIO_BLK_F_RO & 1);
  assert_false (dev->features >> VIRTIO_BLK_F_DISCARD & 1);
  assert_int_equal (request (VIRTIO_BLK_T_OUT, 0, 512, 0, NULL), VIRTIO_BLK_S_IOERR);
  assert_int_equal (range (VIRTIO_BLK_T_WRITE_ZEROES, 0, 1, 0), VIRTIO_BLK_S_IOERR);
  assert_int_equal (range (VIRTIO_BLK_T_DISCARD, 0, 1, 0), VIRTIO_BLK_S_IOERR);
  assert_int_equal (request (VIRTIO_BLK_T_IN, 0, 512, IN, NULL), VIRTIO_BLK_S_OK);
}

static void
test_features_and_configuration (void **state)
{
  struct virtio_blk_config config;
  uint8_t zero = 0;

  begin ("off", 0);
  assert_int_equal (vdev_accept (dev, dev->features | 1), -22);
  assert_int_equal (vdev_accept (dev, dev->features & ~VIRTIO_BIT (VIRTIO_F_VERSION_1)), -22);
  assert_int_equal (vdev_accept (dev, dev->features), 0);
  vdev_write_config (dev, 0, &zero, 1); /* the capacity is ours */
  vdev_write_config (dev, 32, &zero, 1);
  vdev_write_config (dev, UINT32_MAX, &zero, 1);
  vdev_read_config (dev, 0, &config, sizeof config);
  assert_int_equal (config.capacity, DISK / 512);
  assert_int_equal (config.writeback, 0);
  vdev_read_config (dev, 1000, &config, 4);
  assert_int_equal (config.capacity & UINT32_MAX, 0);
  vdev_reset (dev);
  vdev_read_config (dev, 0, &config, sizeof config);
  assert_int_equal (config.writeback, 1);
}

/* A head cut in pieces, and data and status in one descriptor (2.6.4). */
static void
test_framing_is_free (void **state)
{
  struct virtio_desc *desc;
  struct virtio_avail *avail;
  struct virtio_blk_req req = { VIRTIO_BLK_T_IN, 0, 1 };

  begin ("off", 0);
  desc = (struct virtio_desc *) (ram + (RAM_DESC - RAM_GPA));
  avail = (struct virtio_avail *) (ram + (RAM_DRIVER - RAM_GPA));
  memcpy (data_area (), &req, sizeof req);
  memset (data_area () + 1024, 0xee, 1024);
  desc[0] = (struct virtio_desc){ RAM_DATA, 1, VIRTIO_DESC_F_NEXT, 1 };
  desc[1] = (struct virtio_desc){ RAM_DATA + 1, 15, VIRTIO_DESC_F_NEXT, 2 };
  desc[2] = (struct virtio_desc){ RAM_DATA + 1024, 7, VIRTIO_DESC_F_NEXT | IN, 3 };
  desc[3] = (struct virtio_desc){ RAM_DATA + 1031, 506, IN, 0 };
  avail->idx = 1;
  vdev_kick (dev, 0);
  for (unsigned i = 0; i < 513; i++)
    assert_int_equal (data_area ()[1024 + i], 0);
  assert_int_equal (data_area ()[1024 + 513], 0xee);
}

/* A driver that cannot ask for flushes: each write is followed by one. */
static void
test_write_through (void **state)
{
  begin ("off", VIRTIO_BIT (VIRTIO_BLK_F_FLUSH));
  memset (data_area () + 1024, 0x5a, 1024);
  assert_int_equal (request (VIRTIO_BLK_T_OUT, 2, 1024, 0, NULL), VIRTIO_BLK_S_OK);
  expect_bytes (3, 0x5a);
  assert_int_equal (request (VIRTIO_BLK_T_OUT, 2, 0, 0, NULL), VIRTIO_BLK_S_OK);
  assert_int_equal (request (VIRTIO_BLK_T_OUT, 2, 511, 0, NULL), VIRTIO_BLK_S_IOERR);
}

/* A guest that writes what another format begins with has written that, and nothing else:
 * a disk is raw, and nobody looks what may be in it. */
static void
test_format_is_not_guessed (void **state)
{
  static const char *const beginnings[] = { "QFI\xfb\0\0\0\3", "KDMV\1\0\0\0", "vhdxfile", "QED\0\0\0\0" };
  g_autofree char *path = g_build_filename (g_get_tmp_dir (), "pvt-format-XXXXXX", NULL);
  int fd = g_mkstemp (path);

  for (unsigned i = 0; i < G_N_ELEMENTS (beginnings); i++)
    {
      struct options options = { 0 };
      uint8_t sector[512] = { 0 };

      memcpy (sector, beginnings[i], 8);
      memset (sector + 8, '/', 500); /* a file it lies on, would say who believes it */
      assert_int_equal (pwrite (fd, sector, sizeof sector, 0), sizeof sector);
      assert_int_equal (ftruncate (fd, DISK), 0);
      begin ("off", 0);
      vdev_free (dev);
      options_add (&options, "file", path);
      assert_int_equal (blk_create (&options, &dev), 0);
      vdev_attach (dev, &memory, &transport, NULL);
      assert_int_equal (vdev_accept (dev, VIRTIO_BIT (VIRTIO_F_VERSION_1)), 0);
      assert_int_equal (ram_start (dev, 0, 8, dev->accepted), 0);
      assert_int_equal (((struct virtio_blk_config *) dev->config)->capacity, DISK / 512);
      assert_int_equal (request (VIRTIO_BLK_T_IN, 0, 512, IN, NULL), VIRTIO_BLK_S_OK);
      assert_memory_equal (data_area () + 1024, sector, sizeof sector);
    }
  close (fd);
  unlink (path);
}

/* The disk became shorter behind our back: reads end early. */
static void
test_image_cut_short (void **state)
{
  struct blk_info info;

  begin ("off", 0);
  blk_describe (dev, &info);
  assert_int_equal (ftruncate (info.fd, 1024 + 100), 0);
  assert_int_equal (request (VIRTIO_BLK_T_IN, 1, 512, IN, NULL), VIRTIO_BLK_S_OK);
  assert_int_equal (request (VIRTIO_BLK_T_IN, 2, 512, IN, NULL), VIRTIO_BLK_S_IOERR);
  assert_int_equal (request (VIRTIO_BLK_T_IN, 0, 2048, IN, NULL), VIRTIO_BLK_S_IOERR);
}

static int
use_threads (void **state)
{
  aio = "threads";
  return 0;
}

static int
use_io_uring (void **state)
{
  aio = "io_uring";
  return 0;
}

static void
test_options (void **state)
{
  assert_null (ram_disk_by (DISK, "off", "native"));
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_read_and_write),
    cmocka_unit_test (test_bounds),
    cmocka_unit_test (test_ranges),
    cmocka_unit_test (test_large_ranges),
    cmocka_unit_test (test_range_that_is_left_undone),
    cmocka_unit_test (test_serial),
    cmocka_unit_test (test_read_only),
    cmocka_unit_test (test_features_and_configuration),
    cmocka_unit_test (test_framing_is_free),
    cmocka_unit_test (test_write_through),
    cmocka_unit_test (test_format_is_not_guessed),
    cmocka_unit_test (test_image_cut_short),
    cmocka_unit_test (test_options),
  };

  return cmocka_run_group_tests_name ("threads", tests, use_threads, NULL)
         + cmocka_run_group_tests_name ("io_uring", tests, use_io_uring, NULL);
}
