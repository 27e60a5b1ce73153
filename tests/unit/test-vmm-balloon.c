/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The balloon: pages that are given are the host's, no others, whatever a guest lists;
 * statistics come when asked for; what changes is told. */
#include "tap-main.h"

#include "tests/support/guest-ram.h"

#include "host-side/vmm/virtio/balloon-device.h"

#include <sched.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <virtio/balloon.h>

#define PAGE 4096u
#define ROOM 0x400000u         /* the memory: 4 MiB, of a memfd as a machine's */
#define PAGES (RAM_GPA + 0x200000u) /* from here on they are given away */
#define FIRST (PAGES / PAGE)
#define REPORTS (VIRTIO_BIT (VIRTIO_BALLOON_F_PAGE_REPORTING))
#define STATS VIRTIO_BIT (VIRTIO_BALLOON_F_STATS_VQ)
#define POISON VIRTIO_BIT (VIRTIO_BALLOON_F_PAGE_POISON)

static struct guest_memory memory;
static uint8_t *ram;
static int ram_fd = -1;
static struct vdev *dev;
static _Atomic uint64_t told;
static _Atomic unsigned times_told;

static void
on_notify (void *data, unsigned q)
{
}

static void
on_event (void *data)
{
}

static const struct vdev_transport transport = { on_notify, on_event, on_event };

static uint8_t *
at (uint64_t gpa)
{
  return ram + (gpa - RAM_GPA);
}

/* All of it is there, with something in it. */
static void
fill_memory (void)
{
  uint8_t *base;

  if (ram == NULL)
    {
      ram_fd = memfd_create ("ram", MFD_CLOEXEC);
      assert_int_equal (ftruncate (ram_fd, ROOM), 0);
      base = mmap (NULL, ROOM + 2 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
      ram = mmap (base + PAGE, ROOM, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, ram_fd, 0);
      assert_int_equal (guest_memory_add (&memory, RAM_GPA, ROOM, ram), 0);
    }
  memset (ram, 0, ROOM / 2);
  memset (ram + ROOM / 2, 0x5a, ROOM / 2);
}

/* Pages of the memory that the host keeps. */
static unsigned
resident (void)
{
  struct stat st;

  assert_int_equal (fstat (ram_fd, &st), 0);
  return (unsigned) (st.st_blocks * 512 / PAGE);
}

static void
begin_with (uint64_t without, bool threads)
{
  struct options options = { 0 };

  options_add (&options, "free-page-reporting", "on");
  fill_memory ();
  vdev_free (dev);
  assert_int_equal (balloon_create (&options, &dev), 0);
  vdev_attach (dev, &memory, &transport, NULL);
  if (threads)
    assert_int_equal (vdev_start_workers (dev), 0);
  assert_int_equal (vdev_accept (dev, dev->features & ~VIRTIO_BIT (VIRTIO_F_RING_PACKED)
                                          & ~VIRTIO_BIT (VIRTIO_F_EVENT_IDX) & ~without), 0);
}

static void
begin (unsigned q, uint64_t without)
{
  begin_with (without, false);
  assert_int_equal (ram_start (dev, q, 8, dev->accepted), 0);
}

static unsigned
used_index (void)
{
  return __atomic_load_n (&((struct virtio_used *) at (RAM_DEVICE))->idx, __ATOMIC_ACQUIRE);
}

/* One descriptor for @len bytes at @gpa. */
static void
offer (unsigned q, uint64_t gpa, uint32_t len, uint16_t flags)
{
  struct virtio_desc *desc = (struct virtio_desc *) at (RAM_DESC);
  struct virtio_avail *avail = (struct virtio_avail *) at (RAM_DRIVER);

  desc[avail->idx % 8] = (struct virtio_desc){ gpa, len, flags, 0 };
  avail->ring[avail->idx % 8] = avail->idx % 8;
  __atomic_store_n (&avail->idx, avail->idx + 1, __ATOMIC_RELEASE);
  vdev_kick (dev, q);
}

static void
list (unsigned q, const uint32_t *frames, unsigned n)
{
  unsigned before = used_index ();

  memcpy (at (RAM_DATA), frames, n * sizeof *frames);
  offer (q, RAM_DATA, n * (uint32_t) sizeof *frames, 0);
  assert_int_equal (used_index (), (before + 1) & 0xffff);
}

static bool
is_gone (uint32_t frame)
{
  static const uint8_t zeroes[PAGE], filled[PAGE] = { [0 ... PAGE - 1] = 0x5a };
  const uint8_t *page = at ((uint64_t) frame * PAGE);
  bool gone = memcmp (page, zeroes, PAGE) == 0;

  assert_true (gone || memcmp (page, filled, PAGE) == 0);
  return gone;
}

static void
test_pages_go_and_come_back (void **state)
{
  const uint32_t up[] = { FIRST, FIRST + 1, FIRST + 2 }, down[] = { FIRST + 12, FIRST + 11, FIRST + 10 };
  const uint32_t apart[] = { FIRST + 20, FIRST + 22, FIRST + 21, FIRST + 30 };
  unsigned before;

  begin (VIRTIO_BALLOON_QUEUE_INFLATE, 0);
  before = resident ();
  list (0, up, 3);
  list (0, down, 3);
  list (0, apart, 4);
  assert_int_equal (resident (), before - 10);
  for (uint32_t i = 0; i < 64; i++)
    assert_int_equal (is_gone (FIRST + i),
                      i < 3 || (i >= 10 && i < 13) || (i >= 20 && i < 23) || i == 30);
  vdev_queue_stop (dev, 0);
  memset (at (RAM_DESC), 0, RAM_TABLE - RAM_DESC);
  assert_int_equal (ram_start (dev, 1, 8, dev->accepted), 0);
  list (1, up, 3);
  at (PAGES)[0] = 1;
  assert_int_equal (at (PAGES)[0], 1);
}

/* Memory of larger pages, as if they were of four: only whole ones go, and those are. */
static void
test_huge_pages (void **state)
{
  uint32_t row[16];
  unsigned before;

  memory.page = 4 * PAGE;
  begin (VIRTIO_BALLOON_QUEUE_INFLATE, 0);
  before = resident ();
  for (unsigned i = 0; i < 16; i++)
    row[i] = FIRST + i;
  list (0, row, 3);
  assert_int_equal (resident (), before);
  list (0, row, 16);
  assert_in_range (before - resident (), 12, 16);
  assert_int_equal ((before - resident ()) % 4, 0);
  memory.page = 0;
}

/* A list that breaks off in a number, none at all, one longer than any driver's. */
static void
test_lengths_of_lists (void **state)
{
  static uint32_t frames[6000];

  begin (VIRTIO_BALLOON_QUEUE_INFLATE, 0);
  for (unsigned i = 0; i < 6000; i++)
    frames[i] = FIRST + 100 + i % 8;
  frames[4095] = FIRST + 1;
  frames[4096] = FIRST + 2; /* nobody looks that far */
  list (0, frames, 6000);
  assert_true (is_gone (FIRST + 1));
  assert_false (is_gone (FIRST + 2));
  memcpy (at (RAM_DATA), (uint32_t[]){ FIRST + 4, FIRST + 5 }, 8);
  offer (0, RAM_DATA, 7, 0);
  offer (0, RAM_DATA, 0, 0);
  offer (0, RAM_DATA, 64, VIRTIO_DESC_F_WRITE);
  assert_int_equal (used_index (), 4);
  assert_true (is_gone (FIRST + 4));
  assert_false (is_gone (FIRST + 5));
}

static void
test_pages_that_are_not_there (void **state)
{
  const uint32_t wild[] = { 0, 1, RAM_GPA / PAGE - 1, (RAM_GPA + ROOM) / PAGE, UINT32_MAX, 0x80000000u,
                            FIRST };
  unsigned before;

  begin (VIRTIO_BALLOON_QUEUE_INFLATE, 0);
  before = resident ();
  list (0, wild, 7);
  assert_int_equal (resident (), before - 1);
  assert_true (is_gone (FIRST));
}

/* Who gives his own rings away loses them; a reset heals. */
static void
test_a_guest_gives_its_rings_away (void **state)
{
  uint32_t frames[(RAM_DATA - RAM_GPA) / PAGE + 1];

  for (unsigned round = 0; round < 3; round++)
    {
      begin (VIRTIO_BALLOON_QUEUE_INFLATE, 0);
      for (uint32_t i = 0; i < G_N_ELEMENTS (frames); i++)
        frames[i] = RAM_GPA / PAGE + i;
      memcpy (at (RAM_DATA), frames, sizeof frames);
      offer (0, RAM_DATA, sizeof frames, 0);
      for (unsigned i = 0; i < 20; i++)
        vdev_kick (dev, 0);
      vdev_reset (dev);
      assert_int_equal (vdev_accept (dev, VIRTIO_BIT (VIRTIO_F_VERSION_1)), 0);
      memset (at (RAM_DESC), 0, RAM_TABLE - RAM_DESC);
      assert_int_equal (ram_start (dev, 0, 8, dev->accepted), 0);
      list (0, (uint32_t[]){ FIRST }, 1);
      assert_true (is_gone (FIRST));
    }
}

static void
test_reports (void **state)
{
  const uint8_t poison[4] = { 0xaa, 0xaa, 0xaa, 0xaa };
  unsigned before;

  begin (3, 0);
  before = resident ();
  offer (3, PAGES, 64 * PAGE, VIRTIO_DESC_F_WRITE);
  assert_int_equal (resident (), before - 64);
  /* Parts of pages are nobody's to give. */
  offer (3, PAGES + 100 * PAGE + 1, 2 * PAGE, VIRTIO_DESC_F_WRITE);
  assert_int_equal (resident (), before - 65);
  assert_int_equal (is_gone (FIRST + 100) + is_gone (FIRST + 101) + is_gone (FIRST + 102), 1);
  vdev_write_config (dev, offsetof (struct virtio_balloon_config, poison_val), poison, 4);
  offer (3, PAGES + 200 * PAGE, PAGE, VIRTIO_DESC_F_WRITE);
  assert_int_equal (used_index (), 3);
  assert_false (is_gone (FIRST + 200));
  begin (3, POISON);
  vdev_write_config (dev, offsetof (struct virtio_balloon_config, poison_val), poison, 4);
  offer (3, PAGES + 200 * PAGE, PAGE, VIRTIO_DESC_F_WRITE);
  assert_true (is_gone (FIRST + 200));
}

/* Without statistics the third queue is that of the reports; not accepted, nobody's. */
static void
test_queues_follow_each_other (void **state)
{
  begin (2, STATS);
  offer (2, PAGES, PAGE, VIRTIO_DESC_F_WRITE);
  assert_int_equal (used_index (), 1);
  assert_true (is_gone (FIRST));
  begin (2, STATS | REPORTS);
  offer (2, PAGES, PAGE, VIRTIO_DESC_F_WRITE);
  assert_int_equal (used_index (), 0);
  assert_false (is_gone (FIRST));
}

static void
put_stats (uint64_t base)
{
  struct virtio_balloon_stat entries[] = { { VIRTIO_BALLOON_S_MEMFREE, base },
                                           { VIRTIO_BALLOON_S_MEMTOT, base + 1 },
                                           { 0xffff, 7 }, { BALLOON_STATS, 8 } };

  memcpy (at (RAM_DATA), entries, sizeof entries);
  offer (2, RAM_DATA, sizeof entries + 9, 0);
}

static void
test_statistics_are_kept (void **state)
{
  struct balloon_stats stats;

  begin (2, 0);
  balloon_describe (dev, &stats);
  assert_int_equal (stats.updated, 0);
  assert_int_equal (stats.value[VIRTIO_BALLOON_S_MEMFREE], UINT64_MAX);
  put_stats (1000);
  assert_int_equal (used_index (), 0); /* until they are due */
  balloon_describe (dev, &stats);
  assert_int_not_equal (stats.updated, 0);
  assert_int_equal (stats.value[VIRTIO_BALLOON_S_MEMFREE], 1000);
  assert_int_equal (stats.value[VIRTIO_BALLOON_S_MEMTOT], 1001);
  assert_int_equal (stats.value[VIRTIO_BALLOON_S_CACHES], UINT64_MAX);
  put_stats (2000); /* the first one goes back */
  assert_int_equal (used_index (), 1);
  balloon_describe (dev, &stats);
  assert_int_equal (stats.value[VIRTIO_BALLOON_S_MEMFREE], 2000);
  vdev_reset (dev);
  balloon_describe (dev, &stats);
  assert_int_equal (stats.updated, 0);
  for (unsigned i = 0; i < BALLOON_STATS; i++)
    assert_non_null (balloon_stat_name (i));
}

static void
test_statistics_are_asked_for (void **state)
{
  struct virtq_config config = { 8, RAM_DESC, RAM_DRIVER, RAM_DEVICE, 0 };
  int kick = eventfd (0, EFD_NONBLOCK | EFD_CLOEXEC);

  begin_with (0, true);
  config.features = dev->accepted;
  assert_int_equal (vdev_queue_start (dev, 2, &config, NULL, kick), 0);
  assert_int_equal (balloon_set_interval (dev, (uint64_t) BALLOON_INTERVAL_MAX + 1), -EINVAL);
  assert_int_equal (balloon_set_interval (dev, 1), 0);
  assert_int_equal (balloon_interval (dev), 1);
  for (unsigned round = 0; round < 2; round++)
    {
      put_stats (round);
      while (used_index () == round)
        sched_yield ();
    }
  assert_int_equal (balloon_set_interval (dev, 0), 0);
  vdev_free (dev);
  dev = NULL;
  close (kick);
}

static uint32_t
num_pages (void)
{
  virtio_le32 value;

  vdev_read_config (dev, 0, &value, sizeof value);
  return virtio_from_le32 (value);
}

static void
on_change (void *data, uint64_t actual)
{
  times_told++;
  told = actual;
}

static void
test_size (void **state)
{
  virtio_le32 pages;

  begin_with (0, true);
  assert_int_equal (balloon_actual (dev), ROOM);
  balloon_set_target (dev, ROOM / 2);
  assert_int_equal (num_pages (), ROOM / 2 / PAGE);
  balloon_set_target (dev, UINT64_MAX);
  assert_int_equal (num_pages (), 0);
  balloon_on_change (dev, on_change, NULL);
  for (uint32_t i = 1; i <= 100; i++)
    {
      pages = virtio_to_le32 (i);
      vdev_write_config (dev, 4, &pages, 4);
    }
  while (told != ROOM - 100 * PAGE)
    sched_yield ();
  assert_true (times_told < 100);
  assert_int_equal (balloon_actual (dev), ROOM - 100 * PAGE);
  /* Not the driver's to write: what is wanted, and bytes of two fields. */
  vdev_write_config (dev, 0, &pages, 4);
  vdev_write_config (dev, 2, &pages, 4);
  vdev_write_config (dev, 6, &pages, 4);
  assert_int_equal (num_pages (), 0);
  assert_int_equal (balloon_actual (dev), ROOM - 100 * PAGE);
  pages = virtio_to_le32 (UINT32_MAX);
  vdev_write_config (dev, 4, &pages, 4);
  assert_int_equal (balloon_actual (dev), 0);
  vdev_reset (dev);
  assert_int_equal (balloon_actual (dev), ROOM);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_pages_go_and_come_back),
    cmocka_unit_test (test_huge_pages),
    cmocka_unit_test (test_lengths_of_lists),
    cmocka_unit_test (test_pages_that_are_not_there),
    cmocka_unit_test (test_a_guest_gives_its_rings_away),
    cmocka_unit_test (test_reports),
    cmocka_unit_test (test_queues_follow_each_other),
    cmocka_unit_test (test_statistics_are_kept),
    cmocka_unit_test (test_statistics_are_asked_for),
    cmocka_unit_test (test_size),
  };
  int failed = cmocka_run_group_tests (tests, NULL, NULL);

  vdev_free (dev);
  return failed;
}
