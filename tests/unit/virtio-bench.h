/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A queue of a fake device on the bench: what the tests of rings share. */
#pragma once

#include "tap-main.h"

#include "drivers/fake/fake.h"

#define VERSION_1 VIRTIO_BIT (VIRTIO_F_VERSION_1)
#define PACKED VIRTIO_BIT (VIRTIO_F_RING_PACKED)
#define INDIRECT VIRTIO_BIT (VIRTIO_F_INDIRECT_DESC)
#define EVENT VIRTIO_BIT (VIRTIO_F_EVENT_IDX)
#define IN_ORDER VIRTIO_BIT (VIRTIO_F_IN_ORDER)

struct bench
{
  struct fake_platform platform;
  struct fake_device fake;
  struct virtio_device dev;
  struct virtio_queue queue;
  uint8_t out[16], in[64];
};

static inline void
setup (struct bench *bench, uint64_t features, uint16_t size, uint16_t segs,
       enum virtio_len_policy policy)
{
  struct virtio_options options = { .queue_size = size, .timeout_ms = 100 };

  memset (bench, 0, sizeof *bench);
  fake_platform_init (&bench->platform);
  fake_device_init (&bench->fake, &bench->platform, VIRTIO_ID_RNG, VERSION_1 | features);
  fake_device_queue (&bench->fake, 0, size);
  assert_int_equal (virtio_device_begin (&bench->dev, &bench->fake.transport, &options, 0, NULL, 0), 0);
  assert_int_equal (virtio_queue_start (&bench->queue, &bench->dev, 0, size, segs, policy), 0);
  assert_int_equal (virtio_device_ready (&bench->dev), 0);
}

/* Resets, and all that was ever taken is back. */
static inline void
teardown (struct bench *bench)
{
  void *token;

  assert_int_equal (virtio_device_reset (&bench->dev), 0);
  while (virtio_queue_drain (&bench->queue, &token))
    ;
  virtio_queue_free (&bench->queue);
  assert_int_equal (bench->platform.allocs, 0);
  assert_int_equal (bench->platform.n_mappings, 0);
  if (bench->platform.wrong)
    fail_msg ("the driver: %s", bench->platform.wrong);
  fake_platform_clear (&bench->platform);
}

/* A buffer of @out read and @in written segments; the token is a number. */
static inline int
add (struct bench *bench, unsigned out, unsigned in, uintptr_t number)
{
  struct virtio_seg segs[8];

  for (unsigned i = 0; i < out; i++)
    segs[i] = (struct virtio_seg) { bench->out + i, 1 };
  for (unsigned i = 0; i < in; i++)
    segs[out + i] = (struct virtio_seg) { bench->in + 4 * i, 4 };
  return virtio_queue_add (&bench->queue, segs, out, in, (void *) number);
}

static inline void
take (struct bench *bench, uintptr_t number, uint32_t wanted)
{
  void *token = NULL;
  uint32_t len = 0;

  assert_int_equal (virtio_queue_get (&bench->queue, &token, &len), 1);
  assert_int_equal ((uintptr_t) token, number);
  assert_int_equal (len, wanted);
}

static inline void
take_none (struct bench *bench)
{
  void *token;
  uint32_t len;

  assert_int_equal (virtio_queue_get (&bench->queue, &token, &len), 0);
}

/* Broken, and stays so. */
static inline void
take_broken (struct bench *bench)
{
  void *token;
  uint32_t len;

  for (unsigned i = 0; i < 3; i++)
    assert_int_equal (virtio_queue_get (&bench->queue, &token, &len), -VIRTIO_EIO);
  assert_true (bench->queue.broken);
  assert_true (bench->fake.status & VIRTIO_STATUS_FAILED);
  assert_int_equal (add (bench, 1, 1, 1), -VIRTIO_EIO);
  assert_false (virtio_queue_kick (&bench->queue));
  assert_false (virtio_queue_arm (&bench->queue));
  assert_int_equal (virtio_device_check (&bench->dev), -VIRTIO_EIO);
}
