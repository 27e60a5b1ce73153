/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Both rings against a device that keeps the rules. */
#include "virtio-bench.h"

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
  };

  return cmocka_run_group_tests_name ("virtio-ring", tests, NULL, NULL);
}
