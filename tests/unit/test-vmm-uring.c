/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A disk with many requests under way, by its own thread: they come back in their order with
 * the right bytes, by io_uring as one by one; nothing is under way while it is held. */
#include "tap-main.h"

#include "tests/support/guest-ram.h"

#include "host-side/vmm/virtio/blk-private.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define RING 256u
#define SLOTS (RING / 3) /* requests at once, each of three descriptors */
#define DISK (1u << 20)
#define ROUNDS 200u

static struct guest_memory memory;
static uint8_t *ram;
static struct vdev *dev;
static uint16_t seen;

static void
on_notify (void *data, unsigned q)
{
}

static void
on_event (void *data)
{
}

static const struct vdev_transport transport = { on_notify, on_event, on_event };

static void
begin_with (struct vdev *disk)
{
  struct virtq_config config = { RING, RAM_DESC, RAM_DRIVER, RAM_DEVICE, 0 };

  if (ram == NULL)
    ram = ram_new (&memory);
  memset (ram, 0, RAM_SIZE);
  seen = 0;
  dev = disk;
  assert_non_null (dev);
  vdev_attach (dev, &memory, &transport, NULL);
  assert_int_equal (vdev_start_workers (dev), 0);
  assert_int_equal (vdev_accept (dev, VIRTIO_BIT (VIRTIO_F_VERSION_1) | VIRTIO_BIT (VIRTIO_BLK_F_FLUSH)), 0);
  config.features = dev->accepted;
  assert_int_equal (vdev_queue_start (dev, 0, &config, NULL, eventfd (0, EFD_NONBLOCK | EFD_CLOEXEC)), 0);
}

static void
begin (const char *aio)
{
  begin_with (ram_disk_by (DISK, "off", aio));
}

static void
end (void)
{
  int kick = dev->queues[0].kick.fd;

  vdev_free (dev);
  close (kick);
}

static uint8_t *
data_of (unsigned slot)
{
  return ram + (RAM_DATA - RAM_GPA) + slot * 1024; /* a sector, head and status */
}

/* Makes a request of one sector available; slots are used in a circle. */
static void
ask (uint32_t type, uint64_t sector)
{
  struct virtio_desc *desc = (struct virtio_desc *) (ram + (RAM_DESC - RAM_GPA));
  struct virtio_avail *avail = (struct virtio_avail *) (ram + (RAM_DRIVER - RAM_GPA));
  struct virtio_blk_req req = { type, 0, sector };
  unsigned slot = avail->idx % SLOTS, at = slot * 3;
  uint64_t data = RAM_DATA + slot * 1024;
  uint16_t direction = type == VIRTIO_BLK_T_IN ? VIRTIO_DESC_F_WRITE : 0;

  memcpy (data_of (slot) + 512, &req, sizeof req);
  data_of (slot)[600] = 0xee;
  desc[at] = (struct virtio_desc){ data + 512, sizeof req, VIRTIO_DESC_F_NEXT, (uint16_t) (at + 1) };
  if (type == VIRTIO_BLK_T_FLUSH)
    desc[at].next++;
  desc[at + 1] = (struct virtio_desc){ data, 512, direction | VIRTIO_DESC_F_NEXT, (uint16_t) (at + 2) };
  desc[at + 2] = (struct virtio_desc){ data + 600, 1, VIRTIO_DESC_F_WRITE, 0 };
  avail->ring[avail->idx % RING] = (uint16_t) at;
  __atomic_store_n (&avail->idx, (uint16_t) (avail->idx + 1), __ATOMIC_RELEASE);
}

static uint16_t
used_index (void)
{
  return __atomic_load_n (&((struct virtio_used *) (ram + (RAM_DEVICE - RAM_GPA)))->idx, __ATOMIC_ACQUIRE);
}

/* The next that came back is the next that was asked for. Its slot. */
static unsigned
next_answer (void)
{
  const struct virtio_used *used = (const struct virtio_used *) (ram + (RAM_DEVICE - RAM_GPA));
  unsigned slot = seen % SLOTS;

  while (used_index () == seen)
    sched_yield ();
  assert_int_equal (used->ring[seen % RING].id, slot * 3);
  assert_int_equal (data_of (slot)[600], VIRTIO_BLK_S_OK);
  seen++;
  return slot;
}

/* Writes, a flush, and the same sectors read, with one kick. */
static void
exercise (const char *aio)
{
  const unsigned n = SLOTS / 2 - 1;
  gint64 since;

  begin (aio);
  since = g_get_monotonic_time ();
  for (unsigned round = 0; round < ROUNDS; round++)
    {
      for (unsigned i = 0; i < n; i++)
        {
          memset (data_of ((seen + i) % SLOTS), (int) (round + i), 512);
          ask (VIRTIO_BLK_T_OUT, (round * 7 + i) % (DISK / 512));
        }
      ask (VIRTIO_BLK_T_FLUSH, 0);
      for (unsigned i = 0; i < n; i++)
        ask (VIRTIO_BLK_T_IN, (round * 7 + i) % (DISK / 512)); /* behind the flush's barrier */
      vdev_kick (dev, 0);
      for (unsigned i = 0; i <= n; i++)
        next_answer ();
      for (unsigned i = 0; i < n; i++)
        {
          const uint8_t *data = data_of (next_answer ());

          assert_int_equal (data[0], (uint8_t) (round + i));
          assert_int_equal (data[511], (uint8_t) (round + i));
        }
    }
  print_message ("# aio=%s: %u requests in %.1f ms\n", aio, seen,
                 (double) (g_get_monotonic_time () - since) / 1000);
  end ();
}

#define COLD_SECTORS 65536u
#define COLD_READS 4096u

/* A file of numbered sectors, none of them in the page cache where files are on a disk. */
static char *
make_cold_file (void)
{
  char *path = g_build_filename (g_get_tmp_dir (), "pvt-uring-XXXXXX", NULL);
  int fd = g_mkstemp (path);
  static uint32_t sectors[128][128];

  assert_true (fd >= 0);
  for (uint32_t at = 0; at < COLD_SECTORS; at += 128)
    {
      for (uint32_t i = 0; i < 128; i++)
        sectors[i][0] = at + i;
      assert_int_equal (write (fd, sectors, sizeof sectors), sizeof sectors);
    }
  fdatasync (fd);
  posix_fadvise (fd, 0, 0, POSIX_FADV_DONTNEED);
  close (fd);
  return path;
}

/* Reads all over a file, many at a time. */
static void
read_cold (const char *aio)
{
  g_autofree char *path = make_cold_file ();
  struct options options = { 0 };
  struct vdev *disk = NULL;
  uint32_t wanted[SLOTS];
  gint64 since;

  options_add (&options, "file", path);
  options_add (&options, "aio", aio);
  assert_int_equal (blk_create (&options, &disk), 0);
  unlink (path);
  begin_with (disk);
  since = g_get_monotonic_time ();
  for (uint32_t n = 0; n < COLD_READS;)
    {
      for (unsigned i = 0; i < SLOTS; i++, n++)
        ask (VIRTIO_BLK_T_IN, wanted[i] = n * 2654435761u % COLD_SECTORS);
      vdev_kick (dev, 0);
      for (unsigned i = 0; i < SLOTS; i++)
        assert_memory_equal (data_of (next_answer ()), &wanted[i], sizeof wanted[i]);
    }
  print_message ("# aio=%s: %u reads of a file out of the cache in %.1f ms\n", aio, seen,
                 (double) (g_get_monotonic_time () - since) / 1000);
  end ();
}

static void
test_files (void **state)
{
  read_cold ("threads");
  read_cold ("io_uring");
}

static void
test_one_by_one (void **state)
{
  exercise ("threads");
}

static void
test_by_io_uring (void **state)
{
  exercise ("io_uring");
}

static void
nothing (void *data)
{
}

/* What was taken from the ring is in the file when vdev_hold() returns, and given back. */
static void
test_hold_waits_for_all (void **state)
{
  struct blk_info info;
  uint8_t sector[512];

  begin ("io_uring");
  blk_describe (dev, &info);
  for (unsigned round = 0; round < ROUNDS; round++)
    {
      for (unsigned i = 0; i < SLOTS; i++) /* more than a ring takes at once */
        {
          memset (data_of ((seen + i) % SLOTS), (int) (round + 1), 512);
          ask (VIRTIO_BLK_T_OUT, i);
        }
      vdev_kick (dev, 0);
      if (round % 2)
        worker_call (dev->workers[0], nothing, NULL);
      vdev_hold (dev);
      for (unsigned i = 0; i < (uint16_t) (used_index () - seen); i++)
        {
          assert_int_equal (pread (info.fd, sector, sizeof sector, i * 512), sizeof sector);
          assert_int_equal (sector[0], (uint8_t) (round + 1));
        }
      assert_int_equal ((uint16_t) (dev->queues[0].ring.next_avail - seen),
                        (uint16_t) (used_index () - seen));
      vdev_release (dev);
      for (unsigned i = 0; i < SLOTS; i++)
        next_answer ();
    }
  end ();
}

/* A queue that stops has nothing under way either: where it stands is what is used. */
static void
test_stop_waits_for_all (void **state)
{
  begin ("io_uring");
  for (unsigned i = 0; i < SLOTS; i++)
    ask (VIRTIO_BLK_T_IN, i);
  vdev_kick (dev, 0);
  while (used_index () == 0)
    sched_yield ();
  end ();
  assert_true (used_index () > 0 && used_index () <= SLOTS);
}

/* As a seccomp filter, the sysctl io_uring_disabled or an old kernel would. */
static void
refuse_rings (void)
{
  struct sock_filter filter[] = {
    BPF_STMT (BPF_LD | BPF_W | BPF_ABS, offsetof (struct seccomp_data, nr)),
    BPF_JUMP (BPF_JMP | BPF_JEQ | BPF_K, SYS_io_uring_setup, 0, 1),
    BPF_STMT (BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
    BPF_STMT (BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  struct sock_fprog program = { sizeof filter / sizeof filter[0], filter };

  if (prctl (PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0
      || prctl (PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0)
    _exit (2);
}

static void
test_goes_without (void **state)
{
  int status = 0;
  pid_t pid = fork ();

  if (pid == 0)
    {
      refuse_rings ();
      dev = ram_disk_by (DISK, "off", "io_uring");
      _exit (dev == NULL || blk_of (dev)->urings[0]);
    }
  assert_int_equal (waitpid (pid, &status, 0), pid);
  assert_int_equal (status, 0);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_one_by_one),
    cmocka_unit_test (test_by_io_uring),
    cmocka_unit_test (test_files),
    cmocka_unit_test (test_hold_waits_for_all),
    cmocka_unit_test (test_stop_waits_for_all),
    cmocka_unit_test (test_goes_without),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
