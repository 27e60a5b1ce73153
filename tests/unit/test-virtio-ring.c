/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Both rings against a device that keeps the rules, and against ones that do not. */
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

static void
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
static void
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
static int
add (struct bench *bench, unsigned out, unsigned in, uintptr_t number)
{
  struct virtio_seg segs[8];

  for (unsigned i = 0; i < out; i++)
    segs[i] = (struct virtio_seg) { bench->out + i, 1 };
  for (unsigned i = 0; i < in; i++)
    segs[out + i] = (struct virtio_seg) { bench->in + 4 * i, 4 };
  return virtio_queue_add (&bench->queue, segs, out, in, (void *) number);
}

static void
take (struct bench *bench, uintptr_t number, uint32_t wanted)
{
  void *token = NULL;
  uint32_t len = 0;

  assert_int_equal (virtio_queue_get (&bench->queue, &token, &len), 1);
  assert_int_equal ((uintptr_t) token, number);
  assert_int_equal (len, wanted);
}

static void
take_none (struct bench *bench)
{
  void *token;
  uint32_t len;

  assert_int_equal (virtio_queue_get (&bench->queue, &token, &len), 0);
}

/* Broken, and stays so. */
static void
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

/* ---- the kick predicate ---- */

/* Against the plain meaning: some index published since then is the event's. */
static void
kick_predicate_is_right_everywhere (void **state G_GNUC_UNUSED)
{
  static const uint16_t batches[] = { 0, 1, 2, 3, 7, 64, 255, 256, 1024 };

  for (unsigned b = 0; b < G_N_ELEMENTS (batches); b++)
    for (unsigned old = 0; old <= 0xffff; old++)
      {
        uint16_t batch = batches[b];
        uint16_t now = (uint16_t) (old + batch);

        for (int at = -3; at <= batch + 3; at++)
          if (virtio_need_event ((uint16_t) (old + at), now, (uint16_t) old)
              != (at >= 0 && at < batch))
            fail_msg ("event %d of a batch of %u from %u", at, batch, old);
      }
}

static void
kick_predicate_looks_at_every_event (void **state G_GNUC_UNUSED)
{
  for (unsigned old = 65530; old < 65530 + 12; old++)
    for (unsigned event = 0; event <= 0xffff; event++)
      for (unsigned batch = 1; batch < 9; batch++)
        {
          bool wanted = (uint16_t) (event - old) < batch;

          if (virtio_need_event ((uint16_t) event, (uint16_t) (old + batch), (uint16_t) old) != wanted)
            fail_msg ("event %u of a batch of %u from %u", event, batch, old & 0xffff);
        }
}

/* The device asks at each place of the round, the driver adds batches: it is
 * notified exactly when the batch holds the place. */
static void
kicks_when_asked (uint64_t features, uint16_t size)
{
  struct bench bench;
  unsigned rounds = features & PACKED ? 6u * size : 400;

  setup (&bench, features | EVENT, size, 1, VIRTIO_LEN_STRICT);
  for (unsigned round = 0; round < rounds; round++)
    {
      unsigned batch = 1 + round % size;
      unsigned ahead = round / 3 % (size + 1u); /* buffers from now until the event */
      struct fake_queue *q = &bench.fake.queues[0];
      struct fake_queue saved = *q;
      bool kicked;

      for (unsigned i = 0; i < ahead; i++) /* the event is where the device would be then */
        {
          if (features & PACKED)
            {
              q->avail_wrap ^= q->avail + 1 == size;
              q->avail = (uint16_t) ((q->avail + 1) % size);
            }
          else
            q->avail++;
        }
      fake_want (&bench.fake, 0, true);
      q->avail = saved.avail;
      q->avail_wrap = saved.avail_wrap;
      for (unsigned i = 0; i < batch; i++)
        assert_int_equal (add (&bench, 0, 1, i + 1), 0);
      kicked = virtio_queue_kick (&bench.queue);
      if (kicked != (ahead < batch))
        fail_msg ("size %u, batch %u, event %u ahead: %d", size, batch, ahead, kicked);
      for (unsigned i = 0; i < batch; i++)
        {
          struct fake_chain chain;

          assert_true (fake_pop (&bench.fake, 0, &chain));
          fake_push (&bench.fake, 0, &chain, 4);
          take (&bench, i + 1, 4);
        }
    }
  teardown (&bench);
}

static void
split_kicks_when_asked (void **state G_GNUC_UNUSED)
{
  kicks_when_asked (0, 8);
  kicks_when_asked (0, 1);
}

static void
packed_kicks_when_asked (void **state G_GNUC_UNUSED)
{
  static const uint16_t sizes[] = { 1, 2, 3, 5, 7, 16 };

  for (unsigned i = 0; i < G_N_ELEMENTS (sizes); i++)
    kicks_when_asked (PACKED, sizes[i]);
}

static void
kicks_without_events (void **state G_GNUC_UNUSED)
{
  for (unsigned packed = 0; packed < 2; packed++)
    {
      struct bench bench;

      setup (&bench, packed ? PACKED : 0, 8, 1, VIRTIO_LEN_STRICT);
      assert_false (virtio_queue_kick (&bench.queue)); /* nothing was added */
      fake_want (&bench.fake, 0, false);
      assert_int_equal (add (&bench, 0, 1, 1), 0);
      assert_false (virtio_queue_kick (&bench.queue));
      fake_want (&bench.fake, 0, true);
      assert_int_equal (add (&bench, 0, 1, 2), 0);
      assert_true (virtio_queue_kick (&bench.queue));
      assert_int_equal (bench.fake.queues[0].notified, 1);
      teardown (&bench);
    }
}

/* More than the ring was added without a look at the event: it is kicked. */
static void
an_old_event_kicks (void **state G_GNUC_UNUSED)
{
  for (unsigned packed = 0; packed < 2; packed++)
    {
      struct bench bench;
      struct fake_chain chain;

      setup (&bench, (packed ? PACKED : 0) | EVENT, 4, 1, VIRTIO_LEN_STRICT);
      fake_want (&bench.fake, 0, false);
      if (packed) /* an event that is nowhere near */
        {
          bench.fake.queues[0].avail = 3;
          fake_want (&bench.fake, 0, true);
          bench.fake.queues[0].avail = 0;
        }
      for (unsigned i = 0; i < 5; i++)
        {
          assert_int_equal (add (&bench, 0, 1, 1), 0);
          assert_true (fake_pop (&bench.fake, 0, &chain));
          fake_push (&bench.fake, 0, &chain, 4);
          take (&bench, 1, 4);
        }
      assert_true (virtio_queue_kick (&bench.queue));
      teardown (&bench);
    }
}

/* ---- transfers ---- */

/* Chains of all shapes, completed in or out of order, for many rounds. */
static void
churn (uint64_t features, uint16_t size, uint16_t segs)
{
  struct bench bench;
  struct fake_chain chains[256], none;
  unsigned sizes[256], next = 0;
  bool shuffle = !(features & IN_ORDER);

  setup (&bench, features, size, segs, VIRTIO_LEN_STRICT);
  fake_want (&bench.fake, 0, true);
  for (unsigned round = 0; round < 3000; round++)
    {
      unsigned n = 0;

      for (;; n++)
        {
          unsigned parts = 1 + next % bench.queue.max_segs;
          unsigned in = next % (parts + 1);
          int error = n == 256 ? -VIRTIO_EAGAIN : add (&bench, parts - in, in, n + 1);

          if (error)
            {
              assert_int_equal (error, -VIRTIO_EAGAIN);
              break;
            }
          sizes[n] = 4 * in;
          next++;
        }
      assert_true (n > 0);
      virtio_queue_kick (&bench.queue);
      for (unsigned i = 0; i < n; i++)
        assert_true (fake_pop (&bench.fake, 0, &chains[i]));
      assert_false (fake_pop (&bench.fake, 0, &none));
      for (unsigned i = 0; i < n; i++)
        {
          unsigned which = shuffle && round % 2 ? n - 1 - i : i;

          fake_push (&bench.fake, 0, &chains[which], sizes[which]);
          take (&bench, which + 1, sizes[which]);
        }
      take_none (&bench);
    }
  teardown (&bench);
}

static void
packed_of_any_size (void **state G_GNUC_UNUSED)
{
  static const uint16_t sizes[] = { 1, 2, 3, 5, 7, 255, 256 };

  for (unsigned i = 0; i < G_N_ELEMENTS (sizes); i++)
    {
      churn (PACKED, sizes[i], 4);
      churn (PACKED | INDIRECT, sizes[i], 4);
      churn (PACKED | EVENT | IN_ORDER, sizes[i], 3);
    }
}

static void
split_of_any_size (void **state G_GNUC_UNUSED)
{
  static const uint16_t sizes[] = { 1, 2, 4, 128, 256 };

  for (unsigned i = 0; i < G_N_ELEMENTS (sizes); i++)
    {
      churn (0, sizes[i], 4);
      churn (INDIRECT, sizes[i], 4);
      churn (EVENT | IN_ORDER, sizes[i], 3);
    }
}

/* A device may use a batch with one entry: those before come out as full. */
static void
in_order_batches (void **state G_GNUC_UNUSED)
{
  for (unsigned packed = 0; packed < 2; packed++)
    {
      struct bench bench;
      struct fake_chain chain;

      setup (&bench, (packed ? PACKED : 0) | IN_ORDER, 8, 2, VIRTIO_LEN_STRICT);
      for (unsigned round = 0; round < 20; round++)
        {
          for (unsigned i = 1; i <= 4; i++)
            {
              assert_int_equal (add (&bench, 1, 1, i), 0);
              assert_true (fake_pop (&bench.fake, 0, &chain));
            }
          fake_push_raw (&bench.fake, 0, chain.id, 3, packed ? 8 : 4);
          take (&bench, 1, 4);
          take (&bench, 2, 4);
          take (&bench, 3, 4);
          take (&bench, 4, 3);
          take_none (&bench);
        }
      teardown (&bench);
    }
}

/* What the device writes reaches the caller, and nothing else does. */
static void
data_goes_both_ways (void **state G_GNUC_UNUSED)
{
  for (unsigned mode = 0; mode < 4; mode++)
    {
      struct bench bench;
      struct fake_chain chain;

      setup (&bench, (mode & 1 ? PACKED : 0) | (mode & 2 ? INDIRECT : 0), 8, 4, VIRTIO_LEN_STRICT);
      bench.out[0] = 'a';
      bench.out[1] = 'b';
      assert_int_equal (add (&bench, 2, 1, 9), 0);
      bench.out[0] = 'x'; /* too late */
      assert_true (fake_pop (&bench.fake, 0, &chain));
      assert_int_equal (chain.n, 3);
      assert_memory_equal (chain.segs[0].mem, "a", 1);
      assert_memory_equal (chain.segs[1].mem, "b", 1);
      memcpy (chain.segs[2].mem, "1234", 4);
      fake_push (&bench.fake, 0, &chain, 4);
      take (&bench, 9, 4);
      assert_memory_equal (bench.in, "1234", 4);
      teardown (&bench);
    }
}

static void
refuses_what_makes_no_sense (void **state G_GNUC_UNUSED)
{
  struct bench bench;
  struct virtio_seg empty = { bench.in, 0 };
  struct virtio_seg huge[2] = { { bench.in, UINT32_MAX }, { bench.in, 1 } };

  setup (&bench, 0, 8, 4, VIRTIO_LEN_STRICT);
  assert_int_equal (add (&bench, 0, 0, 1), -VIRTIO_EINVAL);
  assert_int_equal (add (&bench, 2, 3, 1), -VIRTIO_EINVAL);
  assert_int_equal (virtio_queue_add (&bench.queue, &empty, 0, 1, NULL), -VIRTIO_EINVAL);
  assert_int_equal (virtio_queue_add (&bench.queue, huge, 0, 2, NULL), -VIRTIO_EINVAL);
  assert_int_equal (virtio_queue_add (&bench.queue, huge, UINT32_MAX, 2, NULL), -VIRTIO_EINVAL);
  teardown (&bench);
}

/* A share that fails half-way is undone. */
static void
a_failed_share_is_undone (void **state G_GNUC_UNUSED)
{
  struct bench bench;

  setup (&bench, 0, 8, 4, VIRTIO_LEN_STRICT);
  for (unsigned i = 0; i < 20; i++)
    {
      size_t before = bench.platform.n_mappings;

      bench.platform.fail_in = 1 + (int) i % 3;
      assert_int_equal (add (&bench, 1, 2, 1), -VIRTIO_ENOMEM);
      assert_int_equal (bench.platform.n_mappings, before);
    }
  assert_int_equal (bench.queue.free_descs, 8);
  teardown (&bench);
}

static void
interrupts_as_asked (void **state G_GNUC_UNUSED)
{
  for (unsigned mode = 0; mode < 4; mode++)
    {
      struct bench bench;
      struct fake_chain chain;
      uint16_t old;

      setup (&bench, (mode & 1 ? PACKED : 0) | (mode & 2 ? EVENT : 0), 8, 1, VIRTIO_LEN_STRICT);
      for (unsigned round = 0; round < 30; round++)
        {
          bool armed = round % 2;

          assert_int_equal (add (&bench, 0, 1, 1), 0);
          assert_true (fake_pop (&bench.fake, 0, &chain));
          if (armed)
            assert_true (virtio_queue_arm (&bench.queue));
          else
            virtio_queue_disarm (&bench.queue);
          old = bench.fake.queues[0].used;
          fake_push (&bench.fake, 0, &chain, 0);
          assert_int_equal (fake_interrupt_wanted (&bench.fake, 0, old), armed);
          assert_false (virtio_queue_arm (&bench.queue)); /* there is one already */
          take (&bench, 1, 0);
        }
      teardown (&bench);
    }
}

static void
notification_data_tells_the_place (void **state G_GNUC_UNUSED)
{
  for (unsigned packed = 0; packed < 2; packed++)
    {
      struct bench bench;

      setup (&bench, (packed ? PACKED : 0) | VIRTIO_BIT (VIRTIO_F_NOTIFICATION_DATA), 4, 1,
             VIRTIO_LEN_STRICT);
      fake_want (&bench.fake, 0, true);
      for (unsigned i = 0; i < 3; i++)
        assert_int_equal (add (&bench, 0, 1, 1), 0);
      assert_true (virtio_queue_kick (&bench.queue));
      assert_int_equal (bench.fake.queues[0].notify_data, packed ? VIRTIO_NOTIFY_DATA (0, 3, 1) : 3u << 16);
      assert_int_equal (add (&bench, 0, 1, 1), 0);
      assert_true (virtio_queue_kick (&bench.queue));
      assert_int_equal (bench.fake.queues[0].notify_data, packed ? 0 : 4u << 16);
      teardown (&bench);
    }
}

/* ---- devices that break the rules ---- */

enum breach
{
  FOREIGN_ID,
  HUGE_ID,
  NOT_A_HEAD,
  REPLAYED_ID,
  NEVER_POSTED,
  TOO_LONG,
  LONGEST,
  INDEX_JUMP,
  INDEX_BACK,
  N_BREACHES,
};

static void
breach (struct bench *bench, enum breach kind, const struct fake_chain *chain, bool packed)
{
  uint16_t count = packed ? chain->count : 1;

  switch (kind)
    {
    case FOREIGN_ID:
      fake_push_raw (&bench->fake, 0, 8, 4, count);
      break;
    case HUGE_ID: /* right in its lower half: only 16 bits of it may not be looked at */
      fake_push_raw (&bench->fake, 0, packed ? 0xffff : 0x10000u | chain->id, 4, count);
      break;
    case NOT_A_HEAD: /* the second descriptor of the chain; packed: an id that is free */
      fake_push_raw (&bench->fake, 0, (chain->id + 1u) % 8, 4, count);
      break;
    case REPLAYED_ID:
      fake_push (&bench->fake, 0, chain, 4);
      take (bench, 1, 4);
      assert_int_equal (add (bench, 1, 1, 2), 0); /* something is in flight, but not that */
      fake_push_raw (&bench->fake, 0, chain->id, 4, count);
      break;
    case NEVER_POSTED:
      fake_push (&bench->fake, 0, chain, 4);
      take (bench, 1, 4);
      fake_push_raw (&bench->fake, 0, chain->id, 4, count);
      break;
    case TOO_LONG:
      fake_push (&bench->fake, 0, chain, 5);
      break;
    case LONGEST:
      fake_push (&bench->fake, 0, chain, UINT32_MAX);
      break;
    case INDEX_JUMP:
      fake_push_raw (&bench->fake, 0, chain->id, 4, 9);
      break;
    default: /* INDEX_BACK */
      bench->fake.queues[0].used--;
      fake_push_raw (&bench->fake, 0, chain->id, 4, 0);
      break;
    }
}

static void
breaches_break_the_queue (void **state G_GNUC_UNUSED)
{
  for (unsigned packed = 0; packed < 2; packed++)
    for (unsigned kind = 0; kind < N_BREACHES; kind++)
      for (unsigned order = 0; order < 2; order++)
        {
          struct bench bench;
          struct fake_chain chain;

          if (packed && kind >= INDEX_JUMP) /* it has no index */
            continue;
          setup (&bench, (packed ? PACKED : 0) | (order ? IN_ORDER : 0), 8, 2, VIRTIO_LEN_STRICT);
          assert_int_equal (add (&bench, 1, 1, 1), 0);
          assert_true (fake_pop (&bench.fake, 0, &chain));
          breach (&bench, (enum breach) kind, &chain, packed);
          take_broken (&bench);
          teardown (&bench);
        }
}

/* A batch that is longer than what was published cannot be. */
static void
a_batch_needs_its_index (void **state G_GNUC_UNUSED)
{
  struct bench bench;
  struct fake_chain chain;

  setup (&bench, IN_ORDER, 8, 2, VIRTIO_LEN_STRICT);
  for (unsigned i = 1; i <= 3; i++)
    {
      assert_int_equal (add (&bench, 1, 1, i), 0);
      assert_true (fake_pop (&bench.fake, 0, &chain));
    }
  fake_push_raw (&bench.fake, 0, chain.id, 4, 2); /* names the third, counts two */
  take_broken (&bench);
  teardown (&bench);
}

static void
lengths_nobody_uses_are_clamped (void **state G_GNUC_UNUSED)
{
  struct bench bench;
  struct fake_chain chain;

  setup (&bench, 0, 8, 2, VIRTIO_LEN_CLAMP);
  assert_int_equal (add (&bench, 1, 1, 1), 0);
  assert_true (fake_pop (&bench.fake, 0, &chain));
  fake_push (&bench.fake, 0, &chain, UINT32_MAX);
  take (&bench, 1, 4);
  teardown (&bench);
}

/* All the device can write to is overwritten: nothing of it is believed. */
static void
scribbles_are_not_read_back (void **state G_GNUC_UNUSED)
{
  struct bench bench;
  struct fake_chain chain;
  void *desc;

  setup (&bench, 0, 8, 4, VIRTIO_LEN_STRICT);
  for (unsigned i = 1; i <= 20; i++)
    {
      assert_int_equal (add (&bench, 1, 3, i), 0);
      assert_true (fake_pop (&bench.fake, 0, &chain));
      desc = fake_mem (&bench.platform, bench.fake.queues[0].setup.desc, VIRTIO_DESC_BYTES (8),
                       VIRTIO_FROM_DEVICE);
      memset (desc, 0xff, VIRTIO_DESC_BYTES (8));
      fake_push (&bench.fake, 0, &chain, 12);
      take (&bench, i, 12);
    }
  assert_int_equal (bench.queue.free_descs, 8);
  teardown (&bench);
}

static void
outstanding_buffers_come_back (void **state G_GNUC_UNUSED)
{
  struct bench bench;
  void *token;
  unsigned seen = 0;

  setup (&bench, INDIRECT, 8, 4, VIRTIO_LEN_STRICT);
  for (unsigned i = 0; i < 5; i++)
    assert_int_equal (add (&bench, 1, 2, i), 0);
  assert_false (virtio_queue_drain (&bench.queue, &token)); /* the device has them */
  assert_int_equal (virtio_device_reset (&bench.dev), 0);
  while (virtio_queue_drain (&bench.queue, &token))
    seen |= 1u << (uintptr_t) token;
  assert_int_equal (seen, 0x1f);
  teardown (&bench);
}

static void
waits_end (void **state G_GNUC_UNUSED)
{
  struct bench bench;
  void *token;
  uint32_t len;

  setup (&bench, 0, 8, 1, VIRTIO_LEN_STRICT);
  assert_int_equal (add (&bench, 0, 1, 1), 0);
  assert_int_equal (virtio_queue_wait (&bench.queue, &token, &len), -VIRTIO_ETIMEDOUT);
  bench.fake.status |= VIRTIO_STATUS_NEEDS_RESET;
  assert_int_equal (virtio_queue_wait (&bench.queue, &token, &len), -VIRTIO_EIO);
  assert_true (bench.fake.status & VIRTIO_STATUS_FAILED);
  teardown (&bench);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (kick_predicate_is_right_everywhere),
    cmocka_unit_test (kick_predicate_looks_at_every_event),
    cmocka_unit_test (split_kicks_when_asked),
    cmocka_unit_test (packed_kicks_when_asked),
    cmocka_unit_test (kicks_without_events),
    cmocka_unit_test (an_old_event_kicks),
    cmocka_unit_test (packed_of_any_size),
    cmocka_unit_test (split_of_any_size),
    cmocka_unit_test (in_order_batches),
    cmocka_unit_test (data_goes_both_ways),
    cmocka_unit_test (refuses_what_makes_no_sense),
    cmocka_unit_test (a_failed_share_is_undone),
    cmocka_unit_test (interrupts_as_asked),
    cmocka_unit_test (notification_data_tells_the_place),
    cmocka_unit_test (breaches_break_the_queue),
    cmocka_unit_test (a_batch_needs_its_index),
    cmocka_unit_test (lengths_nobody_uses_are_clamped),
    cmocka_unit_test (scribbles_are_not_read_back),
    cmocka_unit_test (outstanding_buffers_come_back),
    cmocka_unit_test (waits_end),
  };

  return cmocka_run_group_tests_name ("virtio-ring", tests, NULL, NULL);
}
