/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Where the drivers have their barriers (2.7.13, 2.8.21). Between processors a missing one
 * shows once in a million; with ORDER_PLATFORM each is a call of the platform's, and there
 * the device acts: what it sees, and what it may still change, is the barrier's place. */
#include "virtio-bench.h"

#define SIZE 8u
#define ORDER VIRTIO_BIT (VIRTIO_F_ORDER_PLATFORM)

/* What the device saw, and does, at a barrier. */
struct watcher
{
  struct bench *bench;
  unsigned calls;
  bool available;                 /* the buffer, when the last one was passed */
  bool complete;                  /* its descriptor, when the first one was */
  void (*act) (struct watcher *); /* at every barrier; NULL: nothing */
  struct fake_chain chain;        /* a buffer the device has */
};

static void *
area (const struct watcher *watcher, uint64_t dma, size_t bytes)
{
  return fake_mem (&watcher->bench->platform, dma, bytes, 0);
}

/* The first buffer's entry and descriptor are written: all but what makes it available. */
static bool
is_complete (const struct watcher *watcher)
{
  const struct virtio_queue_setup *setup = &watcher->bench->fake.queues[0].setup;
  const struct virtio_desc *split = area (watcher, setup->desc, sizeof *split);
  const struct virtio_packed_desc *packed = (const struct virtio_packed_desc *) split;

  return watcher->bench->fake.accepted & PACKED ? packed->len == 4 && packed->addr != 0
                                                : split->len == 4 && split->addr != 0;
}

static bool
is_available (const struct watcher *watcher)
{
  const struct virtio_queue_setup *setup = &watcher->bench->fake.queues[0].setup;

  if (watcher->bench->fake.accepted & PACKED)
    return ((struct virtio_packed_desc *) area (watcher, setup->desc, 16))->flags & VIRTIO_PACKED_F_AVAIL;
  return ((struct virtio_avail *) area (watcher, setup->driver, 4))->idx > 0;
}

static void
at_barrier (void *user)
{
  struct watcher *watcher = user;

  if (watcher->calls++ == 0)
    watcher->complete = is_complete (watcher);
  watcher->available = is_available (watcher);
  if (watcher->act)
    watcher->act (watcher);
}

static void
watch (struct watcher *watcher, struct bench *bench, void (*act) (struct watcher *))
{
  watcher->bench = bench;
  watcher->act = act;
  bench->platform.at_barrier = at_barrier;
  bench->platform.barrier_user = watcher;
}

/* ---- adding ---- */

/* 2.7.13.3.1, 2.8.6: entry and descriptor, then the barrier, then the index or the flags. */
static void
entries_come_before_what_publishes_them (void **state G_GNUC_UNUSED)
{
  for (unsigned packed = 0; packed < 2; packed++)
    {
      struct watcher watcher = { 0 };
      struct bench bench;

      setup (&bench, (packed ? PACKED : 0) | ORDER, SIZE, 1, VIRTIO_LEN_STRICT);
      watch (&watcher, &bench, NULL);
      assert_int_equal (add (&bench, 0, 1, 1), 0);
      assert_int_equal (watcher.calls, 1);
      assert_true (watcher.complete);
      assert_false (watcher.available);
      assert_true (is_available (&watcher));
      teardown (&bench);
    }
}

static void
wants_to_hear (struct watcher *watcher)
{
  fake_want (&watcher->bench->fake, 0, true);
}

/* 2.7.13.4.1, 2.8.21.3.1: the device goes to sleep between our publishing and our look. It
 * has not seen the buffer, so the look must see that it asks; who looks first, hangs. */
static void
who_falls_asleep_is_woken (void **state G_GNUC_UNUSED)
{
  for (unsigned mode = 0; mode < 4; mode++)
    {
      struct watcher watcher = { 0 };
      struct bench bench;

      setup (&bench, (mode & 1 ? PACKED : 0) | (mode & 2 ? EVENT : 0) | ORDER, SIZE, 1,
             VIRTIO_LEN_STRICT);
      fake_want (&bench.fake, 0, false);
      assert_int_equal (add (&bench, 0, 1, 1), 0);
      watch (&watcher, &bench, wants_to_hear);
      assert_true (virtio_queue_kick (&bench.queue));
      assert_int_equal (watcher.calls, 1);
      assert_true (watcher.available); /* and the buffer is there for one who stays awake */
      teardown (&bench);
    }
}

/* ---- taking ---- */

static void
gives_back (struct watcher *watcher)
{
  if (watcher->calls == 1)
    fake_push (&watcher->bench->fake, 0, &watcher->chain, 4);
}

/* 2.7.7: a buffer that comes back between our wish for an interrupt and our look has none:
 * the look must see it. */
static void
a_late_completion_is_seen (void **state G_GNUC_UNUSED)
{
  for (unsigned mode = 0; mode < 4; mode++)
    {
      struct watcher watcher = { 0 };
      struct bench bench;

      setup (&bench, (mode & 1 ? PACKED : 0) | (mode & 2 ? EVENT : 0) | ORDER, SIZE, 1,
             VIRTIO_LEN_STRICT);
      assert_int_equal (add (&bench, 0, 1, 1), 0);
      assert_true (fake_pop (&bench.fake, 0, &watcher.chain));
      watch (&watcher, &bench, gives_back);
      assert_false (virtio_queue_arm (&bench.queue)); /* there is one: it asks to be called */
      take (&bench, 1, 4);
      teardown (&bench);
    }
}

static void
writes_length (struct watcher *watcher)
{
  const struct virtio_queue_setup *setup = &watcher->bench->fake.queues[0].setup;

  if (watcher->bench->fake.accepted & PACKED)
    ((struct virtio_packed_desc *) area (watcher, setup->desc, 16))->len = 3;
  else
    ((struct virtio_used *) area (watcher, setup->device, 16))->ring[0].len = 3;
}

/* 2.7.14, 2.8.22: id and length are read behind the barrier that follows the index or the
 * flags: what was written last in front of it is what counts. */
static void
lengths_are_read_last (void **state G_GNUC_UNUSED)
{
  for (unsigned packed = 0; packed < 2; packed++)
    {
      struct watcher watcher = { 0 };
      struct bench bench;

      setup (&bench, (packed ? PACKED : 0) | ORDER, SIZE, 1, VIRTIO_LEN_STRICT);
      assert_int_equal (add (&bench, 0, 1, 1), 0);
      assert_true (fake_pop (&bench.fake, 0, &watcher.chain));
      fake_push (&bench.fake, 0, &watcher.chain, 4);
      watch (&watcher, &bench, writes_length);
      take (&bench, 1, 3);
      assert_int_equal (watcher.calls, 1);
      teardown (&bench);
    }
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (entries_come_before_what_publishes_them),
    cmocka_unit_test (who_falls_asleep_is_woken),
    cmocka_unit_test (a_late_completion_is_seen),
    cmocka_unit_test (lengths_are_read_last),
  };

  return cmocka_run_group_tests_name ("virtio-barrier", tests, NULL, NULL);
}
