/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The registers of virtio-mmio: a queue's own reset (2.6.1, 4.2.2.1) of a disk whose thread has
 * reads under way; what is frozen, out of order or not there. */
#include "tap-main.h"

#include "tests/support/guest-ram.h"
#include "tests/support/without-kvm.h"

#include <virtio/blk.h>
#include <virtio/mmio.h>

#include "host-side/vmm/machine/layout.h"
#include "host-side/vmm/virtio/mmio.h"

#define REQUESTS 8u
#define STEP 2048u /* from request to request: head, status, data */
#define ROUNDS 50u

static struct vm vm;
static struct virtio_mmio mmio;
static struct vdev *dev;
static uint8_t *ram;

static uint32_t
get (unsigned offset)
{
  uint64_t value = 0;

  bus_do (&vm.mmio, MAP_VIRTIO_MMIO + offset, &value, 4, false);
  return (uint32_t) value;
}

static void
set (unsigned offset, uint32_t data)
{
  uint64_t value = data;

  bus_do (&vm.mmio, MAP_VIRTIO_MMIO + offset, &value, 4, true);
}

static void *
at (uint64_t gpa)
{
  return ram + (gpa - RAM_GPA);
}

static void
start_queue (uint32_t size)
{
  set (VIRTIO_MMIO_QUEUE_SEL, 0);
  set (VIRTIO_MMIO_QUEUE_SIZE, size);
  set (VIRTIO_MMIO_QUEUE_DESC_LOW, RAM_DESC);
  set (VIRTIO_MMIO_QUEUE_DRIVER_LOW, RAM_DRIVER);
  set (VIRTIO_MMIO_QUEUE_DEVICE_LOW, RAM_DEVICE);
  set (VIRTIO_MMIO_QUEUE_READY, 1);
  assert_int_equal (get (VIRTIO_MMIO_QUEUE_READY), 1);
}

static void
begin (bool with_resets)
{
  memset (&vm, 0, sizeof vm);
  memset (&mmio, 0, sizeof mmio);
  ram = ram_new (&vm.memory);
  dev = ram_disk_by (1u << 20, "off", "io_uring");
  assert_non_null (dev);
  assert_int_equal (vdev_start_workers (dev), 0);
  assert_int_equal (virtio_mmio_init (&mmio, &vm, dev, 0), 0);
  set (VIRTIO_MMIO_STATUS, VIRTIO_STATUS_ACKNOWLEDGE | VIRTIO_STATUS_DRIVER);
  set (VIRTIO_MMIO_DRIVER_FEATURES_SEL, 1);
  set (VIRTIO_MMIO_DRIVER_FEATURES, with_resets ? 0x101 : 1);
  set (VIRTIO_MMIO_STATUS, 11);
  assert_int_equal (get (VIRTIO_MMIO_STATUS), 11);
  start_queue (32);
  set (VIRTIO_MMIO_STATUS, 15);
}

static void
end (void)
{
  virtio_mmio_finish (&mmio);
  vdev_free (dev);
  munmap (ram, RAM_SIZE);
}

/* Makes reads of a sector each available, without a doorbell. */
static void
put_reads (void)
{
  struct virtio_desc *desc = at (RAM_DESC);
  struct virtio_avail *avail = at (RAM_DRIVER);

  memset (at (RAM_DRIVER), 0, 256);
  memset (at (RAM_DEVICE), 0, 512);
  for (unsigned i = 0; i < REQUESTS; i++)
    {
      uint64_t place = RAM_DATA + i * STEP;
      struct virtio_blk_req req = { .type = VIRTIO_BLK_T_IN, .sector = i };

      memset (at (place), 0xee, STEP);
      memcpy (at (place), &req, sizeof req);
      desc[3 * i] = (struct virtio_desc){ place, sizeof req, VIRTIO_DESC_F_NEXT, (uint16_t) (3 * i + 1) };
      desc[3 * i + 1] = (struct virtio_desc){ place + 1024, 512, VIRTIO_DESC_F_NEXT | VIRTIO_DESC_F_WRITE,
                                              (uint16_t) (3 * i + 2) };
      desc[3 * i + 2] = (struct virtio_desc){ place + 64, 1, VIRTIO_DESC_F_WRITE, 0 };
      avail->ring[i] = (uint16_t) (3 * i);
    }
  __atomic_store_n (&avail->idx, REQUESTS, __ATOMIC_RELEASE);
}

static uint16_t
used (void)
{
  return __atomic_load_n (&((struct virtio_used *) at (RAM_DEVICE))->idx, __ATOMIC_ACQUIRE);
}

/* Whatever was taken from the ring was given back by the time the write returned, and what
 * the driver then does with its memory nobody disturbs. */
static void
test_reset_under_requests (void **state)
{
  unsigned given_back = 0;

  begin (true);
  for (unsigned round = 0; round < ROUNDS; round++)
    {
      put_reads ();
      set (VIRTIO_MMIO_QUEUE_NOTIFY, 0);
      for (unsigned i = round % 4; i > 1; i--)
        sched_yield ();
      set (VIRTIO_MMIO_QUEUE_RESET, 1);
      assert_int_equal (get (VIRTIO_MMIO_QUEUE_RESET), 0);
      assert_int_equal (get (VIRTIO_MMIO_QUEUE_READY), 0);
      given_back += used ();
      memset (ram, 0xa5, RAM_SIZE);
      set (VIRTIO_MMIO_INTERRUPT_ACK, get (VIRTIO_MMIO_INTERRUPT_STATUS));
      set (VIRTIO_MMIO_QUEUE_NOTIFY, 0); /* of a queue that is none */
      vdev_hold (dev); /* its thread stands still: it did what it would */
      for (unsigned i = 0; i < RAM_SIZE; i++)
        assert_int_equal (ram[i], 0xa5);
      vdev_release (dev);
      assert_int_equal (get (VIRTIO_MMIO_INTERRUPT_STATUS), 0);
      /* Again, from the beginning, with another size: all of it is read. */
      put_reads ();
      start_queue (round % 2 ? 32 : 64);
      assert_int_equal (get (VIRTIO_MMIO_QUEUE_RESET), 0);
      set (VIRTIO_MMIO_QUEUE_NOTIFY, 0);
      while (used () < REQUESTS)
        sched_yield ();
      for (unsigned i = 0; i < REQUESTS; i++)
        assert_int_equal (((uint8_t *) at (RAM_DATA + i * STEP))[64], VIRTIO_BLK_S_OK);
      set (VIRTIO_MMIO_QUEUE_RESET, 1);
      memset (ram, 0, RAM_SIZE);
      start_queue (32);
    }
  print_message ("# %u of %u reads were done when the queue was reset\n", given_back, ROUNDS * REQUESTS);
  end ();
}

/* Once a queue is ready nothing behind what was checked changes, nor do features. */
static void
test_what_is_frozen (void **state)
{
  static const unsigned registers[] = {
    VIRTIO_MMIO_QUEUE_DESC_LOW, VIRTIO_MMIO_QUEUE_DESC_HIGH, VIRTIO_MMIO_QUEUE_DRIVER_LOW,
    VIRTIO_MMIO_QUEUE_DRIVER_HIGH, VIRTIO_MMIO_QUEUE_DEVICE_LOW, VIRTIO_MMIO_QUEUE_DEVICE_HIGH,
    VIRTIO_MMIO_QUEUE_SIZE,
  };

  begin (true);
  for (unsigned i = 0; i < G_N_ELEMENTS (registers); i++)
    set (registers[i], 0xffffff00);
  set (VIRTIO_MMIO_QUEUE_READY, 1);
  set (VIRTIO_MMIO_DRIVER_FEATURES_SEL, 0);
  set (VIRTIO_MMIO_DRIVER_FEATURES, UINT32_MAX);
  set (VIRTIO_MMIO_STATUS, 15);
  assert_int_equal (get (VIRTIO_MMIO_STATUS), 15);
  assert_int_equal (dev->accepted, UINT64_C (0x101) << 32);
  put_reads ();
  set (VIRTIO_MMIO_QUEUE_NOTIFY, 0);
  while (used () < REQUESTS)
    sched_yield ();
  for (unsigned i = 0; i < REQUESTS; i++)
    assert_int_equal (((uint8_t *) at (RAM_DATA + i * STEP))[64], VIRTIO_BLK_S_OK);
  end ();
}

/* Steps that are left out, and bits that were not offered. */
static void
test_status (void **state)
{
  begin (true);
  set (VIRTIO_MMIO_STATUS, 0);
  put_reads ();
  set (VIRTIO_MMIO_STATUS, VIRTIO_STATUS_ACKNOWLEDGE | VIRTIO_STATUS_DRIVER | VIRTIO_STATUS_DRIVER_OK);
  assert_int_equal (get (VIRTIO_MMIO_STATUS), 3); /* nothing was agreed */
  set (VIRTIO_MMIO_DRIVER_FEATURES_SEL, 1);
  set (VIRTIO_MMIO_DRIVER_FEATURES, 0x80000001);
  set (VIRTIO_MMIO_STATUS, 15);
  assert_int_equal (get (VIRTIO_MMIO_STATUS), 3);
  set (VIRTIO_MMIO_DRIVER_FEATURES, 1);
  set (VIRTIO_MMIO_STATUS, 11);
  assert_int_equal (get (VIRTIO_MMIO_STATUS), 11);
  set (VIRTIO_MMIO_STATUS, 3); /* bits are gained, or all are lost */
  assert_int_equal (get (VIRTIO_MMIO_STATUS), 11);
  start_queue (32);
  set (VIRTIO_MMIO_QUEUE_NOTIFY, 0); /* before DRIVER_OK */
  vdev_hold (dev);
  assert_int_equal (used (), 0);
  vdev_release (dev);
  set (VIRTIO_MMIO_STATUS, 15);
  while (used () < REQUESTS)
    sched_yield ();
  end ();
}

/* Numbers of queues that there are not, also negative ones, and one that is not ready. */
static void
test_doorbells_of_nothing (void **state)
{
  static const uint32_t wild[] = { 1, 63, 64, 255, 65535, 65536, INT32_MAX, 0x80000000, UINT32_MAX };

  begin (true);
  put_reads ();
  for (unsigned i = 0; i < G_N_ELEMENTS (wild); i++)
    {
      set (VIRTIO_MMIO_QUEUE_NOTIFY, wild[i]);
      set (VIRTIO_MMIO_QUEUE_SEL, wild[i]);
      assert_int_equal (get (VIRTIO_MMIO_QUEUE_SIZE_MAX), 0);
      set (VIRTIO_MMIO_QUEUE_SIZE, 8);
      set (VIRTIO_MMIO_QUEUE_READY, 1);
      assert_int_equal (get (VIRTIO_MMIO_QUEUE_READY), 0);
      set (VIRTIO_MMIO_QUEUE_READY, 0);
      set (VIRTIO_MMIO_QUEUE_RESET, 1);
    }
  set (VIRTIO_MMIO_QUEUE_SEL, 0);
  assert_int_equal (get (VIRTIO_MMIO_QUEUE_READY), 1);
  vdev_hold (dev);
  assert_int_equal (used (), 0);
  vdev_release (dev);
  set (VIRTIO_MMIO_QUEUE_READY, 0);
  set (VIRTIO_MMIO_QUEUE_NOTIFY, 0);
  vdev_hold (dev);
  assert_int_equal (used (), 0);
  vdev_release (dev);
  set (VIRTIO_MMIO_QUEUE_READY, 1);
  while (used () < REQUESTS)
    sched_yield ();
  end ();
}

static void
test_what_resets_nothing (void **state)
{
  begin (false); /* not negotiated */
  set (VIRTIO_MMIO_QUEUE_RESET, 1);
  assert_int_equal (get (VIRTIO_MMIO_QUEUE_RESET), 0);
  assert_int_equal (get (VIRTIO_MMIO_QUEUE_READY), 1);
  end ();
  begin (true);
  set (VIRTIO_MMIO_QUEUE_RESET, 0);
  set (VIRTIO_MMIO_QUEUE_RESET, 2);
  assert_int_equal (get (VIRTIO_MMIO_QUEUE_READY), 1);
  set (VIRTIO_MMIO_QUEUE_SEL, 1); /* there is none */
  set (VIRTIO_MMIO_QUEUE_RESET, 1);
  assert_int_equal (get (VIRTIO_MMIO_QUEUE_RESET), 0);
  set (VIRTIO_MMIO_QUEUE_SEL, 0);
  assert_int_equal (get (VIRTIO_MMIO_QUEUE_READY), 1);
  end ();
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_reset_under_requests),
    cmocka_unit_test (test_what_resets_nothing),
    cmocka_unit_test (test_what_is_frozen),
    cmocka_unit_test (test_status),
    cmocka_unit_test (test_doorbells_of_nothing),
  };

  return cmocka_run_group_tests_name ("vmm-mmio", tests, NULL, NULL);
}
