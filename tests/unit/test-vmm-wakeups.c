/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Our driver and a disk with a thread of its own, which keep each other from needless kicks
 * and interrupts: whoever sleeps is woken, on every kind of ring, whatever is under way. */
#include "tap-main.h"

#include <poll.h>
#include <sys/eventfd.h>

#include <virtio/driver/blk.h>
#include <virtio/driver/error.h>

#include "tests/support/guest-ram.h"
#include "virtio-lane.h"

#define PACKED VIRTIO_BIT (VIRTIO_F_RING_PACKED)
#define EVENT VIRTIO_BIT (VIRTIO_F_EVENT_IDX)
#define SECTORS 64u
#define REQUESTS 3000u
#define DEPTH_MAX 32u
#define PATIENCE 60000 /* ms: an interrupt that has not come by then does not come */

static struct lane lane;

/* How long a driver takes over things: it is there before, while and after the worker looks. */
static void
dawdle (uint32_t *seed)
{
  *seed = *seed * 1664525u + 1013904223u;
  for (unsigned i = *seed >> 16 & (*seed >> 28 ? 0xf : 0xfff); i > 0; i--)
    __builtin_ia32_pause ();
}

/* One answer at least; how many interrupts it took. */
static unsigned
sleep_until_answered (struct virtio_blk *disk)
{
  struct pollfd heard = { .fd = lane.heard, .events = POLLIN };
  eventfd_t count;
  unsigned n = 0;

  while (virtio_queue_arm (&disk->queue))
    {
      assert_int_equal (poll (&heard, 1, PATIENCE), 1);
      assert_int_equal (eventfd_read (lane.heard, &count), 0);
      n++;
    }
  virtio_queue_disarm (&disk->queue);
  return n;
}

/* Keeps @depth reads under way, as many again as were answered. Returns the interrupts. */
static unsigned
read_much (struct virtio_blk *disk, unsigned depth, uint32_t *seed)
{
  static uint8_t data[DEPTH_MAX][VIRTIO_BLK_SECTOR];
  unsigned sent = 0, got = 0, interrupts = 0;
  void *token;
  int result;

  while (got < REQUESTS)
    {
      while (sent < REQUESTS && sent - got < depth)
        {
          assert_int_equal (virtio_blk_submit (disk, VIRTIO_BLK_T_IN, sent % SECTORS, data[sent % depth],
                                               VIRTIO_BLK_SECTOR, NULL), 0);
          virtio_blk_kick (disk);
          sent++;
          dawdle (seed);
        }
      interrupts += sleep_until_answered (disk);
      while (virtio_blk_poll (disk, &token, &result) == 1)
        {
          assert_int_equal (result, 0);
          got++;
        }
    }
  return interrupts;
}

static void
on_a_ring (uint64_t refused, const char *aio, unsigned poll_us)
{
  static const unsigned depths[] = { 1, 2, 7, DEPTH_MAX, 1 };
  struct virtio_options options = { .refuse = refused };
  struct vdev *dev = ram_disk_by (SECTORS * VIRTIO_BLK_SECTOR, "off", aio);
  struct virtio_blk disk;
  uint32_t seed = 1;

  assert_non_null (dev);
  dev->poll_us = poll_us;
  lane_init_with_workers (&lane, dev);
  assert_int_equal (virtio_blk_start (&disk, &lane.transport, &options), 0);
  for (unsigned i = 0; i < G_N_ELEMENTS (depths); i++)
    print_message ("# %s%s, %s, poll=%u, depth %u: %.2f interrupts a request\n",
                   refused & PACKED ? "split" : "packed", refused & EVENT ? "" : " with events", aio, poll_us,
                   depths[i], (double) read_much (&disk, depths[i], &seed) / REQUESTS);
  assert_int_equal (virtio_blk_stop (&disk), 0);
  lane_finish (&lane);
  vdev_free (dev);
}

static void
on_every_ring (const char *aio, unsigned poll_us)
{
  on_a_ring (0, aio, poll_us);
  on_a_ring (EVENT, aio, poll_us);
  on_a_ring (PACKED, aio, poll_us);
  on_a_ring (PACKED | EVENT, aio, poll_us);
}

static void
test_worker_that_sleeps_at_once (void **state)
{
  on_every_ring ("threads", 0);
}

/* About as long as the driver takes. */
static void
test_worker_that_looks_on (void **state)
{
  on_every_ring ("threads", 20);
}

static void
test_io_uring (void **state)
{
  on_every_ring ("io_uring", 20);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_worker_that_sleeps_at_once),
    cmocka_unit_test (test_worker_that_looks_on),
    cmocka_unit_test (test_io_uring),
  };

  return cmocka_run_group_tests_name ("vmm-wakeups", tests, NULL, NULL);
}
