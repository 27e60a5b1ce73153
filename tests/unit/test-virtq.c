/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The device's side of a virtqueue against a driver of few lines: good chains
 * around every corner of the ring, every broken rule, and a second thread that
 * changes descriptors while they are read. */
#include "tap-main.h"

#include "tests/support/guest-ram.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#define V1 VIRTIO_BIT (VIRTIO_F_VERSION_1)
#define INDIRECT VIRTIO_BIT (VIRTIO_F_INDIRECT_DESC)
#define EVENT VIRTIO_BIT (VIRTIO_F_EVENT_IDX)
#define PACKED VIRTIO_BIT (VIRTIO_F_RING_PACKED)

static struct guest_memory memory;
static uint8_t *ram;
static struct virtq_chain chain;

static void *
at (uint64_t gpa)
{
  return ram + (gpa - RAM_GPA);
}

static int
begin (struct virtq *ring, uint16_t size, uint64_t features)
{
  struct virtq_config config = { size, RAM_DESC, RAM_DRIVER, RAM_DEVICE, V1 | features };

  if (ram == NULL)
    ram = ram_new (&memory);
  memset (ram, 0, RAM_SIZE);
  return virtq_start (ring, &memory, &config);
}

static void
set_desc (unsigned i, uint64_t addr, uint32_t len, uint16_t flags, uint16_t next)
{
  ((struct virtio_desc *) at (RAM_DESC))[i] = (struct virtio_desc){ addr, len, flags, next };
}

static void
offer (uint16_t size, uint16_t head)
{
  struct virtio_avail *avail = at (RAM_DRIVER);

  avail->ring[avail->idx % size] = head;
  avail->idx++;
}

static void
test_split_goes_around (void **state)
{
  struct virtio_used *used;
  struct virtq ring;

  assert_int_equal (begin (&ring, 4, 0), 0);
  used = at (RAM_DEVICE);
  for (unsigned i = 0; i < 70000; i++) /* the index wraps, too */
    {
      uint8_t in[3] = { 0 };

      set_desc (i % 4, RAM_DATA, 3, VIRTIO_DESC_F_NEXT, (i + 1) % 4);
      set_desc ((i + 1) % 4, RAM_DATA + 64, 5, VIRTIO_DESC_F_WRITE, 0);
      memcpy (at (RAM_DATA), &i, 3);
      offer (4, i % 4);
      assert_int_equal (virtq_pop (&ring, &chain), 1);
      assert_int_equal (chain.id, i % 4);
      assert_int_equal (chain.out_len, 3);
      assert_int_equal (chain.in_len, 5);
      assert_int_equal (virtq_read (&chain, 0, in, 9), 3);
      assert_memory_equal (in, &i, 3);
      assert_int_equal (virtq_write (&chain, 3, "abc", 3), 2);
      virtq_push (&ring, &chain, 5);
      assert_true (virtq_must_notify (&ring));
      assert_false (virtq_must_notify (&ring));
      assert_int_equal (used->idx, (uint16_t) (i + 1));
      assert_int_equal (used->ring[i % 4].id, i % 4);
      assert_int_equal (used->ring[i % 4].len, 5);
      assert_int_equal (virtq_pop (&ring, &chain), 0);
    }
}

/* Sizes that are no power of two, and lists that straddle the end (2.8.10.1). */
static void
packed_goes_around (uint16_t size, uint16_t list)
{
  struct virtio_packed_desc *desc;
  struct virtq ring;
  bool wrap = true;
  uint16_t next = 0;

  assert_int_equal (begin (&ring, size, PACKED), 0);
  desc = at (RAM_DESC);
  for (unsigned round = 0; round < 1000; round++)
    {
      uint16_t head = next;
      bool head_wrap = wrap;

      for (uint16_t i = 0; i < list; i++)
        {
          uint16_t flags = wrap ? VIRTIO_PACKED_F_AVAIL : VIRTIO_PACKED_F_USED;

          if (i + 1 < list)
            flags |= VIRTIO_DESC_F_NEXT;
          desc[next] = (struct virtio_packed_desc){ RAM_DATA + i, 1, (uint16_t) round, flags };
          if (++next == size)
            next = 0, wrap = !wrap;
        }
      assert_int_equal (virtq_pop (&ring, &chain), 1);
      assert_int_equal (chain.out_len, list);
      assert_int_equal (chain.slots, list);
      virtq_unpop (&ring, &chain);
      assert_int_equal (virtq_pop (&ring, &chain), 1);
      virtq_push (&ring, &chain, 0);
      assert_int_equal (desc[head].id, (uint16_t) round);
      assert_int_equal (!!(desc[head].flags & VIRTIO_PACKED_F_USED), head_wrap);
      assert_int_equal (!!(desc[head].flags & VIRTIO_PACKED_F_AVAIL), head_wrap);
      assert_int_equal (virtq_pop (&ring, &chain), 0);
    }
}

static void
test_packed_goes_around (void **state)
{
  static const uint16_t sizes[] = { 1, 2, 3, 5, 7, 255, 256 };

  for (unsigned i = 0; i < G_N_ELEMENTS (sizes); i++)
    for (uint16_t list = 1; list <= sizes[i] && list <= 8; list++)
      packed_goes_around (sizes[i], list);
}

/* Several given back at once: all in order, none of them before the last is written. */
static void
test_push_many (void **state)
{
  struct virtq_used used[3];
  struct virtq ring;

  for (unsigned packed = 0; packed < 2; packed++)
    {
      const struct virtio_packed_desc *desc;
      const struct virtio_used *area;

      assert_int_equal (begin (&ring, 4, packed ? PACKED : 0), 0);
      for (unsigned i = 0; i < 3; i++)
        {
          uint16_t flags = VIRTIO_DESC_F_WRITE | (packed ? VIRTIO_PACKED_F_AVAIL : 0);

          /* In a packed descriptor the id comes before the flags. */
          set_desc (i, RAM_DATA + i * 64, 8, packed ? (uint16_t) (40 + i) : flags, packed ? flags : 0);
          if (!packed)
            offer (4, (uint16_t) i);
          assert_int_equal (virtq_pop (&ring, &chain), 1);
          used[i] = (struct virtq_used){ chain.id, chain.slots, 8 - i };
        }
      virtq_unpop (&ring, &chain);
      virtq_push_many (&ring, used, 2);
      assert_int_equal (virtq_pop (&ring, &chain), 1);
      assert_int_equal (chain.id, used[2].id);
      virtq_push_many (&ring, used + 2, 1);
      assert_true (virtq_must_notify (&ring));
      assert_int_equal (virtq_pop (&ring, &chain), 0);
      area = at (RAM_DEVICE);
      desc = at (RAM_DESC);
      if (!packed)
        assert_int_equal (area->idx, 3);
      for (unsigned i = 0; i < 3; i++)
        {
          assert_int_equal (packed ? desc[i].id : area->ring[i].id, packed ? 40 + i : i);
          assert_int_equal (packed ? desc[i].len : area->ring[i].len, 8 - i);
          if (packed)
            assert_int_equal (desc[i].flags, VIRTIO_PACKED_F_AVAIL | VIRTIO_PACKED_F_USED
                                               | VIRTIO_DESC_F_WRITE);
        }
    }
}

static void
test_indirect (void **state)
{
  struct virtio_desc *table;
  struct virtq ring;

  assert_int_equal (begin (&ring, 8, INDIRECT), 0);
  table = at (RAM_TABLE);
  table[0] = (struct virtio_desc){ RAM_DATA, 10, VIRTIO_DESC_F_NEXT, 2 };
  table[2] = (struct virtio_desc){ RAM_DATA + 100, 20, VIRTIO_DESC_F_WRITE, 0 };
  set_desc (0, RAM_DATA + 7, 1, VIRTIO_DESC_F_NEXT, 1); /* a direct one in front is allowed */
  set_desc (1, RAM_TABLE, 48, VIRTIO_DESC_F_INDIRECT | VIRTIO_DESC_F_WRITE, 0);
  offer (8, 0);
  assert_int_equal (virtq_pop (&ring, &chain), 1);
  assert_int_equal (chain.out_len, 11);
  assert_int_equal (chain.in_len, 20);
}

static void
test_event_index (void **state)
{
  struct virtio_avail *avail;
  uint16_t *avail_event;
  struct virtq ring;

  assert_int_equal (begin (&ring, 8, EVENT), 0);
  avail = at (RAM_DRIVER);
  avail->ring[8] = 2; /* used_event: tell us of the third */
  avail->flags = VIRTIO_AVAIL_F_NO_INTERRUPT; /* which means nothing now */
  for (unsigned i = 0; i < 5; i++)
    {
      set_desc (0, RAM_DATA, 1, 0, 0);
      offer (8, 0);
      assert_int_equal (virtq_pop (&ring, &chain), 1);
      virtq_push (&ring, &chain, 0);
      assert_int_equal (virtq_must_notify (&ring), i == 2);
    }
  assert_false (virtq_arm (&ring));
  avail_event = at (RAM_DEVICE + 4 + 8 * 8); /* behind the used ring's entries */
  assert_int_equal (*avail_event, 5);
  offer (8, 0);
  assert_true (virtq_arm (&ring));
}

/* Each a rule of 2.7.5 and 2.7.6 that the descriptors of one chain break. */
static const struct
{
  const char *why;
  struct virtio_desc desc[3];
  uint16_t head, jump;
} bad_chains[] = {
  { "head beyond the table", { { RAM_DATA, 1, 0, 0 } }, 8, 0 },
  { "next beyond the table", { { RAM_DATA, 1, VIRTIO_DESC_F_NEXT, 8 } }, 0, 0 },
  { "a loop", { { RAM_DATA, 1, VIRTIO_DESC_F_NEXT, 0 } }, 0, 0 },
  { "outside memory", { { RAM_GPA + RAM_SIZE, 1, 0, 0 } }, 0, 0 },
  { "across the end", { { RAM_GPA + RAM_SIZE - 1, 2, 0, 0 } }, 0, 0 },
  { "below memory", { { RAM_GPA - 1, 2, 0, 0 } }, 0, 0 },
  { "wraps around", { { UINT64_MAX - 1, 8, 0, 0 } }, 0, 0 },
  { "readable behind writable",
    { { RAM_DATA, 1, VIRTIO_DESC_F_NEXT | VIRTIO_DESC_F_WRITE, 1 }, { RAM_DATA, 1, 0, 0 } }, 0, 0 },
  { "an indirect table of no entry", { { RAM_TABLE, 0, VIRTIO_DESC_F_INDIRECT, 0 } }, 0, 0 },
  { "an indirect table of half an entry", { { RAM_TABLE, 24, VIRTIO_DESC_F_INDIRECT, 0 } }, 0, 0 },
  { "an indirect table longer than the queue", { { RAM_TABLE, 144, VIRTIO_DESC_F_INDIRECT, 0 } }, 0, 0 },
  { "indirect and next", { { RAM_TABLE, 16, VIRTIO_DESC_F_INDIRECT | VIRTIO_DESC_F_NEXT, 1 } }, 0, 0 },
  { "indirect in indirect", { { RAM_DESC + 16, 16, VIRTIO_DESC_F_INDIRECT, 0 },
                              { RAM_TABLE, 16, VIRTIO_DESC_F_INDIRECT, 0 } }, 0, 0 },
  { "a table outside memory", { { RAM_GPA + RAM_SIZE - 16, 32, VIRTIO_DESC_F_INDIRECT, 0 } }, 0, 0 },
  { "the available index jumps", { { RAM_DATA, 1, 0, 0 } }, 0, 8 },
};

static void
test_broken_rules (void **state)
{
  for (unsigned i = 0; i < G_N_ELEMENTS (bad_chains); i++)
    {
      struct virtq ring;

      assert_int_equal (begin (&ring, 8, INDIRECT), 0);
      memcpy (at (RAM_DESC), bad_chains[i].desc, sizeof bad_chains[i].desc);
      offer (8, bad_chains[i].head);
      ((struct virtio_avail *) at (RAM_DRIVER))->idx += bad_chains[i].jump;
      if (virtq_pop (&ring, &chain) != -EPROTO)
        fail_msg ("%s was taken", bad_chains[i].why);
      assert_true (ring.broken);
      assert_int_equal (virtq_pop (&ring, &chain), -EPROTO);
      assert_false (virtq_must_notify (&ring));
      virtq_push (&ring, &chain, 0); /* goes nowhere */
      assert_int_equal (((struct virtio_used *) at (RAM_DEVICE))->idx, 0);
      assert_int_equal (begin (&ring, 8, 0), 0); /* a reset heals it */
      assert_int_equal (virtq_pop (&ring, &chain), 0);
    }
}

/* Where a chain says more than once across the seam of two pieces of memory, it becomes more
 * pieces than it has descriptors: as many as there is room for, and not one more. */
static void
test_pieces_are_bounded (void **state)
{
  struct virtq_config config = { VIRTQ_SIZE_MAX, RAM_DESC, RAM_DRIVER, RAM_DEVICE, V1 };
  struct guest_memory two = { 0 };
  struct virtq ring;

  assert_int_equal (begin (&ring, 8, 0), 0);
  guest_memory_add (&two, RAM_GPA, RAM_SIZE / 2, ram);
  guest_memory_add (&two, RAM_GPA + RAM_SIZE / 2, RAM_SIZE / 2, ram + RAM_SIZE / 2);
  for (unsigned n = VIRTQ_IOV_MAX / 2; n <= VIRTQ_IOV_MAX / 2 + 1; n++)
    {
      memset (ram, 0, RAM_SIZE);
      assert_int_equal (virtq_start (&ring, &two, &config), 0);
      for (unsigned i = 0; i < n; i++)
        set_desc (i, RAM_GPA + RAM_SIZE / 2 - 1, 2, i < n - 1 ? VIRTIO_DESC_F_NEXT : 0,
                  (uint16_t) (i + 1));
      offer (VIRTQ_SIZE_MAX, 0);
      assert_int_equal (virtq_pop (&ring, &chain), n <= VIRTQ_IOV_MAX / 2 ? 1 : -EPROTO);
    }
  assert_true (chain.n_out <= VIRTQ_IOV_MAX);
}

/* What the driver writes where only we may is not read back. */
static void
test_used_index_is_ours (void **state)
{
  struct virtio_used *used;
  struct virtq ring;

  assert_int_equal (begin (&ring, 4, 0), 0);
  used = at (RAM_DEVICE);
  for (unsigned i = 1; i <= 6; i++)
    {
      set_desc (0, RAM_DATA, 1, 0, 0);
      offer (4, 0);
      used->idx = 0x7777;
      assert_int_equal (virtq_pop (&ring, &chain), 1);
      virtq_push (&ring, &chain, 0);
      assert_int_equal (used->idx, i);
    }
}

static void
test_not_negotiated (void **state)
{
  struct virtq ring;

  assert_int_equal (begin (&ring, 8, 0), 0);
  set_desc (0, RAM_TABLE, 16, VIRTIO_DESC_F_INDIRECT, 0);
  offer (8, 0);
  assert_int_equal (virtq_pop (&ring, &chain), -EPROTO);
}

static void
test_configurations (void **state)
{
  static const struct
  {
    struct virtq_config config;
    int ret;
  } cases[] = {
    { { 8, RAM_DESC, RAM_DRIVER, RAM_DEVICE, V1 }, 0 },
    { { 0, RAM_DESC, RAM_DRIVER, RAM_DEVICE, V1 }, -EINVAL },
    { { 7, RAM_DESC, RAM_DRIVER, RAM_DEVICE, V1 }, -EINVAL },
    { { 7, RAM_DESC, RAM_DRIVER, RAM_DEVICE, V1 | PACKED }, 0 },
    { { VIRTQ_SIZE_MAX, RAM_DESC, RAM_DRIVER, RAM_DEVICE, V1 }, 0 },
    { { 2 * VIRTQ_SIZE_MAX, RAM_DESC, RAM_DRIVER, RAM_DEVICE, V1 }, -EINVAL },
    { { 8, RAM_DESC + 8, RAM_DRIVER, RAM_DEVICE, V1 }, -EINVAL },
    { { 8, RAM_DESC, RAM_DRIVER + 1, RAM_DEVICE, V1 }, -EINVAL },
    { { 8, RAM_DESC, RAM_DRIVER, RAM_DEVICE + 2, V1 }, -EINVAL },
    { { 8, RAM_GPA + RAM_SIZE - 112, RAM_DRIVER, RAM_DEVICE, V1 }, -EINVAL },
    { { 8, RAM_GPA + RAM_SIZE - 128, RAM_DRIVER, RAM_DEVICE, V1 }, 0 },
    { { 8, RAM_DESC, 0, RAM_DEVICE, V1 }, -EINVAL },
    { { 8, RAM_DESC, RAM_DRIVER, UINT64_MAX - 3, V1 }, -EINVAL },
  };
  struct virtq ring;

  begin (&ring, 8, 0);
  for (unsigned i = 0; i < G_N_ELEMENTS (cases); i++)
    assert_int_equal (virtq_start (&ring, &memory, &cases[i].config), cases[i].ret);
}

static atomic_bool racing;

static void *
change_descriptors (void *data)
{
  static const uint64_t wild[] = { RAM_DATA, UINT64_MAX, RAM_GPA + RAM_SIZE - 1, 0, RAM_TABLE };
  volatile struct virtio_desc *desc = at (RAM_DESC), *table = at (RAM_TABLE);

  for (unsigned i = 0; atomic_load (&racing); i++)
    {
      volatile struct virtio_desc *one = i & 8 ? &table[i % 8] : &desc[i % 8];

      one->addr = wild[i / 3 % 5];
      one->len = i % 11 * 16;
      one->flags = i / 5 % 8;
      one->next = i % 9;
    }
  return NULL;
}

static bool
inside (const struct iovec *piece)
{
  const uint8_t *from = piece->iov_base;

  return from >= ram && from <= ram + RAM_SIZE && piece->iov_len <= (size_t) (ram + RAM_SIZE - from);
}

/* Whatever is seen half changed: every piece lies in memory. */
static void
test_descriptors_change_under_the_walk (void **state)
{
  struct virtq ring;
  pthread_t thread;
  unsigned good = 0;

  begin (&ring, 8, INDIRECT);
  atomic_store (&racing, true);
  assert_int_equal (pthread_create (&thread, NULL, change_descriptors, NULL), 0);
  for (unsigned i = 0; i < 200000 || good == 0; i++)
    {
      struct virtq_config config = { 8, RAM_DESC, RAM_DRIVER, RAM_DEVICE, V1 | INDIRECT };
      uint64_t total = 0;

      /* The other thread may have been stopped behind a bad one. */
      if (i >= 200000)
        sched_yield ();

      virtq_start (&ring, &memory, &config);
      ((struct virtio_avail *) at (RAM_DRIVER))->idx = 1;
      if (virtq_pop (&ring, &chain) != 1)
        continue;
      good++;
      for (unsigned p = 0; p < chain.n_in + chain.n_out; p++)
        {
          assert_true (inside (&chain.iov[p]));
          total += chain.iov[p].iov_len;
        }
      assert_int_equal (total, chain.in_len + chain.out_len);
    }
  atomic_store (&racing, false);
  pthread_join (thread, NULL);
  assert_true (good > 0);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_split_goes_around),
    cmocka_unit_test (test_packed_goes_around),
    cmocka_unit_test (test_push_many),
    cmocka_unit_test (test_indirect),
    cmocka_unit_test (test_event_index),
    cmocka_unit_test (test_broken_rules),
    cmocka_unit_test (test_pieces_are_bounded),
    cmocka_unit_test (test_used_index_is_ours),
    cmocka_unit_test (test_not_negotiated),
    cmocka_unit_test (test_configurations),
    cmocka_unit_test (test_descriptors_change_under_the_walk),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
