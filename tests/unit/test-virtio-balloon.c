/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The balloon driver over the fake transport. */
#include "tap-main.h"

#include "drivers/fake/fake.h"

#include <virtio/driver/balloon.h>

#define PAGES 600u

struct bench
{
  struct fake_platform platform;
  struct fake_device fake;
  struct virtio_balloon balloon;
  uint8_t owner[1000]; /* by frame: 1 the host's */
  uint32_t frames[PAGES];
};

static const struct virtio_options quick = { .timeout_ms = 50 };

static void
host (struct fake_device *device, uint16_t index)
{
  struct bench *bench = device->user;
  struct fake_chain chain;
  uint32_t frame;

  while (fake_pop (device, index, &chain))
    {
      for (uint32_t at = 0; at + 4 <= chain.segs[0].len; at += 4)
        {
          memcpy (&frame, chain.segs[0].mem + at, 4);
          assert_in_range (frame, 0, 999);
          bench->owner[frame] = index == VIRTIO_BALLOON_QUEUE_INFLATE;
        }
      fake_push (device, index, &chain, 0);
    }
  fake_want (device, index, true);
}

static void
start (struct bench *bench, uint64_t features)
{
  memset (bench, 0, sizeof *bench);
  fake_platform_init (&bench->platform);
  fake_device_init (&bench->fake, &bench->platform, VIRTIO_ID_BALLOON,
                    VIRTIO_BIT (VIRTIO_F_VERSION_1) | features);
  fake_device_queue (&bench->fake, VIRTIO_BALLOON_QUEUE_INFLATE, 8);
  fake_device_queue (&bench->fake, VIRTIO_BALLOON_QUEUE_DEFLATE, 8);
  bench->fake.process = host;
  bench->fake.user = bench;
  for (uint32_t i = 0; i < PAGES; i++)
    bench->frames[i] = 300 + i;
  assert_int_equal (virtio_balloon_start (&bench->balloon, &bench->fake.transport, &quick), 0);
}

static void
finish (struct bench *bench)
{
  assert_int_equal (virtio_balloon_stop (&bench->balloon), 0);
  assert_int_equal (bench->platform.allocs, 0);
  assert_int_equal (bench->platform.n_mappings, 0);
  if (bench->platform.wrong)
    fail_msg ("the driver: %s", bench->platform.wrong);
  fake_platform_clear (&bench->platform);
}

static uint32_t
told (const struct bench *bench)
{
  uint32_t actual;

  memcpy (&actual, bench->fake.config + offsetof (struct virtio_balloon_config, actual), 4);
  return actual;
}

static void
pages_go_and_come_back (void **state G_GNUC_UNUSED)
{
  for (unsigned packed = 0; packed < 2; packed++)
    {
      struct bench bench;
      uint32_t target = 0;

      start (&bench, packed ? VIRTIO_BIT (VIRTIO_F_RING_PACKED) : 0);
      bench.fake.config[0] = 77;
      assert_int_equal (virtio_balloon_target (&bench.balloon, &target), 0);
      assert_int_equal (target, 77);
      assert_int_equal (virtio_balloon_inflate (&bench.balloon, bench.frames, PAGES), 0);
      assert_int_equal (told (&bench), PAGES);
      for (uint32_t i = 0; i < 1000; i++)
        assert_int_equal (bench.owner[i], i >= 300 && i < 300 + PAGES);
      assert_int_equal (virtio_balloon_deflate (&bench.balloon, bench.frames, PAGES + 1), -VIRTIO_EINVAL);
      assert_int_equal (virtio_balloon_deflate (&bench.balloon, bench.frames, 257), 0);
      assert_int_equal (told (&bench), PAGES - 257);
      for (uint32_t i = 0; i < PAGES; i++)
        assert_int_equal (bench.owner[300 + i], i >= 257);
      finish (&bench);
    }
}

static void
a_host_that_does_not_answer (void **state G_GNUC_UNUSED)
{
  struct bench bench;
  uint32_t target = 5;

  start (&bench, 0);
  bench.fake.process = NULL;
  assert_int_equal (virtio_balloon_inflate (&bench.balloon, bench.frames, 3), -VIRTIO_ETIMEDOUT);
  assert_int_equal (bench.balloon.actual, 0);
  assert_int_equal (virtio_balloon_target (&bench.balloon, &target), -VIRTIO_EIO);
  assert_int_equal (target, 5);
  assert_int_equal (virtio_balloon_inflate (&bench.balloon, bench.frames, 3), -VIRTIO_EIO);
  finish (&bench);
}

static void
start_fails_cleanly (void **state G_GNUC_UNUSED)
{
  struct bench bench;

  start (&bench, 0);
  assert_int_equal (virtio_balloon_stop (&bench.balloon), 0);
  fake_device_queue (&bench.fake, VIRTIO_BALLOON_QUEUE_DEFLATE, 0);
  assert_int_equal (virtio_balloon_start (&bench.balloon, &bench.fake.transport, &quick), -VIRTIO_ENODEV);
  bench.fake.transport.device_id = VIRTIO_ID_NET;
  assert_int_equal (virtio_balloon_start (&bench.balloon, &bench.fake.transport, &quick), -VIRTIO_ENODEV);
  finish (&bench);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (pages_go_and_come_back),
    cmocka_unit_test (a_host_that_does_not_answer),
    cmocka_unit_test (start_fails_cleanly),
  };

  return cmocka_run_group_tests_name ("virtio-balloon", tests, NULL, NULL);
}
