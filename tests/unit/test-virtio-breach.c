/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Both rings against devices that break the rules. */
#include "virtio-bench.h"

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
    cmocka_unit_test (breaches_break_the_queue),
    cmocka_unit_test (a_batch_needs_its_index),
    cmocka_unit_test (lengths_nobody_uses_are_clamped),
    cmocka_unit_test (scribbles_are_not_read_back),
    cmocka_unit_test (outstanding_buffers_come_back),
    cmocka_unit_test (waits_end),
  };

  return cmocka_run_group_tests_name ("virtio-breach", tests, NULL, NULL);
}
