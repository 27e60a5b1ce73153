/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A device that is held does nothing until it is released; a disk that grows tells
 * its driver; the process that copies makes all or nothing. */
#include "tap-main.h"

#include "tests/support/guest-ram.h"

#include "host-side/vmm/core/copier.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <virtio/blk.h>

#define DISK (64u * 1024)

static struct guest_memory memory;
static uint8_t *ram;
static _Atomic unsigned changes, interrupts;

static void
on_notify (void *data, unsigned q)
{
  interrupts++;
}

static void
on_change (void *data)
{
  changes++;
}

static const struct vdev_transport transport = { on_notify, on_change, on_change };

static struct vdev *
begin (void)
{
  struct virtq_config config = { 8, RAM_DESC, RAM_DRIVER, RAM_DEVICE, 0 };
  struct vdev *dev = ram_disk (DISK, "off");

  assert_non_null (dev);
  if (ram == NULL)
    ram = ram_new (&memory);
  memset (ram, 0, RAM_SIZE);
  vdev_attach (dev, &memory, &transport, NULL);
  assert_int_equal (vdev_start_workers (dev), 0);
  assert_int_equal (vdev_accept (dev, VIRTIO_BIT (VIRTIO_F_VERSION_1)), 0);
  config.features = dev->accepted;
  assert_int_equal (vdev_queue_start (dev, 0, &config, NULL, eventfd (0, EFD_NONBLOCK | EFD_CLOEXEC)), 0);
  return dev;
}

static void
end (struct vdev *dev)
{
  int kick = dev->queues[0].kick.fd;

  vdev_free (dev);
  close (kick);
}

static void
nothing (void *data)
{
}

static unsigned
used_index (const struct virtio_used *used)
{
  return __atomic_load_n (&used->idx, __ATOMIC_ACQUIRE);
}

/* A chain at @head, at an even place, that asks for @len bytes. */
static void
make_chain (unsigned head, uint32_t type, uint32_t len)
{
  struct virtio_desc *desc = (struct virtio_desc *) (ram + (RAM_DESC - RAM_GPA)) + head;
  struct virtio_blk_req req = { .type = type };

  memcpy (ram + (RAM_DATA - RAM_GPA) + 1024 * head, &req, sizeof req);
  desc[0] = (struct virtio_desc){ RAM_DATA + 1024 * head, sizeof req, VIRTIO_DESC_F_NEXT, (uint16_t) (head + 1) };
  desc[1] = (struct virtio_desc){ RAM_DATA + 1024 * head + 512, len + 1, VIRTIO_DESC_F_WRITE, 0 };
}

/* One that asks for the disk's serial. */
static void
make_request (void)
{
  make_chain (0, VIRTIO_BLK_T_GET_ID, VIRTIO_BLK_ID_BYTES);
}

/* Makes it available, once more; nobody is kicked. */
static void
put_chain (unsigned head)
{
  struct virtio_avail *avail = (struct virtio_avail *) (ram + (RAM_DRIVER - RAM_GPA));

  avail->ring[avail->idx % 8] = (uint16_t) head;
  __atomic_store_n (&avail->idx, avail->idx + 1, __ATOMIC_RELEASE);
}

static void
put_request (void)
{
  put_chain (0);
}

static void
test_hold (void **state)
{
  const struct virtio_used *used;
  struct vdev *dev = begin ();

  used = (const struct virtio_used *) (ram + (RAM_DEVICE - RAM_GPA));
  make_request ();
  for (unsigned round = 0; round < 50; round++)
    {
      vdev_hold (dev);
      put_request ();
      vdev_kick (dev, 0);
      sched_yield ();
      assert_int_equal (used_index (used), round);
      vdev_release (dev);
      worker_call (dev->workers[0], nothing, NULL); /* the loop has turned */
      while (used_index (used) == round)
        sched_yield ();
      assert_int_equal (used_index (used), round + 1);
    }
  end (dev);
}

/* Nobody kicks for the second request and those behind it: the worker looks, as it may for
 * long. Whoever wants the worker does not wait for that. */
static void
test_poll (void **state)
{
  struct vdev *dev = begin ();
  const struct virtio_used *used = (const struct virtio_used *) (ram + (RAM_DEVICE - RAM_GPA));

  dev->poll_us = 1000u * 1000 * 1000;
  make_request ();
  /* The queue's beginning has looked at it once, and found it empty. */
  worker_call (dev->workers[0], nothing, NULL);
  vdev_hold (dev);
  dev->queues[0].polls_left_out = 0;
  vdev_release (dev);
  for (unsigned round = 0; round < 12; round++) /* fewer than its turn has: 2 * 8 */
    {
      put_request ();
      if (round == 0)
        vdev_kick (dev, 0);
      while (used_index (used) == round)
        sched_yield ();
      assert_true (used->flags & VIRTIO_USED_F_NO_NOTIFY);
    }
  worker_call (dev->workers[0], nothing, NULL);
  assert_false (used->flags & VIRTIO_USED_F_NO_NOTIFY);
  assert_int_equal (dev->queues[0].polls_in_vain, 1);
  end (dev);
}

/* Each look in vain leaves twice as many out, up to a bound. */
static void
test_polls_in_vain (void **state)
{
  struct vdev *dev = begin ();
  unsigned looked = 0, before = dev->queues[0].polls_in_vain;

  dev->poll_us = 1;
  for (unsigned i = 0; i < 1000; i++)
    {
      vdev_hold (dev);
      looked += dev->queues[0].polls_in_vain != before;
      before = dev->queues[0].polls_in_vain;
      vdev_release (dev);
      vdev_kick (dev, 0);
      worker_call (dev->workers[0], nothing, NULL);
    }
  assert_in_range (looked, 1, 7); /* 1, 2, 4 ... 64 */
  assert_int_equal (dev->queues[0].polls_in_vain, 64);
  end (dev);
}

/* What is in the queue at once is answered, and the worker waits for a kick. */
static void
put_at_once (struct vdev *dev, const unsigned *heads, unsigned n)
{
  vdev_hold (dev);
  interrupts = 0;
  for (unsigned i = 0; i < n; i++)
    put_chain (heads[i]);
  vdev_kick (dev, 0);
  vdev_release (dev);
  /* Whoever calls the worker cuts its turn short. */
  while (used_index ((const struct virtio_used *) (ram + (RAM_DEVICE - RAM_GPA)))
         != ((const struct virtio_avail *) (ram + (RAM_DRIVER - RAM_GPA)))->idx)
    sched_yield ();
  worker_call (dev->workers[0], nothing, NULL);
}

/* Reads that are there at once share an interrupt; a flush, which may take long, does not keep
 * their answers. A disk that is not to look on tells of each. */
static void
test_answers_share_an_interrupt (void **state)
{
  static const unsigned reads[] = { 0, 0, 0, 0, 0 }, flush_last[] = { 0, 0, 0, 2 }, one[] = { 0 };
  struct vdev *dev = begin ();

  make_chain (0, VIRTIO_BLK_T_IN, 512);
  make_chain (2, VIRTIO_BLK_T_FLUSH, 0);
  dev->poll_us = 0;
  put_at_once (dev, reads, 5);
  assert_int_equal (interrupts, 5);
  dev->poll_us = 1000u * 1000 * 1000;
  dev->queues[0].polls_left_out = UINT_MAX; /* the queue is looked at for no longer than a burst */
  put_at_once (dev, reads, 5);
  assert_int_equal (interrupts, 1);
  put_at_once (dev, flush_last, 4);
  assert_int_equal (interrupts, 2);
  /* Behind a burst nobody waits for another: one alone is told of, too. */
  put_at_once (dev, reads, 5);
  put_at_once (dev, one, 1);
  assert_int_equal (interrupts, 1);
  end (dev);
}

static void
test_growth (void **state)
{
  struct vdev *dev = begin ();
  uint8_t generation = dev->config_generation;
  uint64_t capacity = 0;
  struct blk_info info;

  changes = 0;
  assert_int_equal (blk_resize (dev, DISK - 512), -EINVAL);
  assert_int_equal (blk_resize (dev, DISK + 1), -EINVAL);
  assert_int_equal (blk_resize (dev, UINT64_MAX - 511), -EINVAL);
  assert_int_equal (changes, 0);
  assert_int_equal (blk_resize (dev, 4 * DISK), 0);
  assert_int_equal (changes, 1);
  assert_int_not_equal (dev->config_generation, generation);
  vdev_read_config (dev, offsetof (struct virtio_blk_config, capacity), &capacity, 8);
  assert_int_equal (capacity, 4 * DISK / 512);
  blk_describe (dev, &info);
  assert_int_equal (info.size, 4 * DISK);
  end (dev);
}

static void
test_copier (void **state)
{
  g_autofree char *directory = g_dir_make_tmp ("pvt-copies-XXXXXX", NULL);
  g_autofree char *one = g_build_filename (directory, "one", NULL);
  g_autofree char *two = g_build_filename (directory, "two", NULL);
  int fd = memfd_create ("from", MFD_CLOEXEC);
  struct copy copies[2] = { { fd, 5000, one }, { fd, 100, two } };
  struct copier *copier = NULL;
  g_autofree char *text = NULL;
  unsigned failed = 9;
  gsize len;

  assert_int_equal (copier_new (&copier, true), 0);
  assert_int_equal (pwrite (fd, "hello", 5, 0), 5);
  assert_int_equal (copier_copy (copier, copies, 2, &failed), 0);
  assert_true (g_file_get_contents (one, &text, &len, NULL));
  assert_int_equal (len, 5000); /* more than there was: zeroes */
  assert_memory_equal (text, "hello\0\0\0", 8);
  unlink (one);
  assert_int_equal (copier_copy (copier, copies, 2, &failed), -EEXIST);
  assert_int_equal (failed, 1);
  assert_false (g_file_test (one, G_FILE_TEST_EXISTS));
  unlink (two);
  assert_int_equal (copier_copy (copier, copies, 0, &failed), -EINVAL);
  assert_int_equal (copier_copy (copier, copies, 2, &failed), 0);
  copier_free (copier);
  unlink (one);
  unlink (two);
  rmdir (directory);
  close (fd);
}

/* ---- a worker that is wanted ---- */

struct slow
{
  struct vdev dev;
  pthread_mutex_t lock;
  pthread_cond_t changed;
  bool may_go_on;
  unsigned served;
};

static void
tell_served (struct slow *slow)
{
  pthread_mutex_lock (&slow->lock);
  slow->served++;
  pthread_cond_broadcast (&slow->changed);
  pthread_mutex_unlock (&slow->lock);
}

/* A request that takes as long as somebody says. */
static uint32_t
serve_slowly (struct vdev *dev, unsigned q, struct virtq_chain *chain)
{
  struct slow *slow = (struct slow *) dev;

  tell_served (slow);
  pthread_mutex_lock (&slow->lock);
  while (!slow->may_go_on)
    pthread_cond_wait (&slow->changed, &slow->lock);
  pthread_mutex_unlock (&slow->lock);
  return 0;
}

static void
kick_slowly (struct vdev *dev, unsigned q)
{
  vdev_serve (dev, q, serve_slowly);
}

static void
free_nothing (struct vdev *dev)
{
}

static void *
stop_it (void *data)
{
  vdev_queue_stop (data, 0);
  return NULL;
}

/* Requests may be large and disks slow: who resets the device or ends the machine waits for
 * one of them, and not for all that a guest can put into a ring. */
static void
test_who_wants_the_worker_waits_for_one (void **state)
{
  static const struct vdev_ops ops = { .kick = kick_slowly, .free = free_nothing };
  static struct slow slow = { .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER };
  struct virtq_config config = { 8, RAM_DESC, RAM_DRIVER, RAM_DEVICE, 0 };
  struct virtio_avail *avail;
  int kick = eventfd (0, EFD_NONBLOCK | EFD_CLOEXEC);
  pthread_t caller;

  if (ram == NULL)
    ram = ram_new (&memory);
  memset (ram, 0, RAM_SIZE);
  avail = (struct virtio_avail *) (ram + (RAM_DRIVER - RAM_GPA));
  vdev_init (&slow.dev, &ops, "slow", VIRTIO_ID_RNG, 1);
  vdev_attach (&slow.dev, &memory, &transport, NULL);
  assert_int_equal (vdev_start_workers (&slow.dev), 0);
  assert_int_equal (vdev_accept (&slow.dev, VIRTIO_BIT (VIRTIO_F_VERSION_1)), 0);
  config.features = slow.dev.accepted;
  assert_int_equal (vdev_queue_start (&slow.dev, 0, &config, NULL, kick), 0);
  __atomic_store_n (&avail->idx, 8, __ATOMIC_RELEASE); /* descriptors of no length */
  vdev_kick (&slow.dev, 0);
  pthread_mutex_lock (&slow.lock);
  while (slow.served == 0)
    pthread_cond_wait (&slow.changed, &slow.lock);
  pthread_mutex_unlock (&slow.lock);
  assert_int_equal (pthread_create (&caller, NULL, stop_it, &slow.dev), 0);
  while (!worker_is_wanted (slow.dev.workers[0]))
    g_usleep (1000);
  pthread_mutex_lock (&slow.lock);
  slow.may_go_on = true;
  pthread_cond_broadcast (&slow.changed);
  pthread_mutex_unlock (&slow.lock);
  assert_int_equal (pthread_join (caller, NULL), 0);
  assert_in_range (slow.served, 1, 2); /* the doorbell may have been heard once more */
  /* The others come when the queue goes on. */
  assert_int_equal (vdev_queue_start (&slow.dev, 0, &config, &(uint32_t){ 1 }, kick), 0);
  vdev_reset (&slow.dev);
  assert_true (slow.served > 2);
  vdev_free (&slow.dev);
  close (kick);
}

/* A request that never ends by itself. */
static uint32_t
serve_until_stopped (struct vdev *dev, unsigned q, struct virtq_chain *chain)
{
  tell_served ((struct slow *) dev);
  while (!vdev_is_stopping (dev, q))
    g_usleep (1000);
  return VDEV_UNDONE;
}

static void
kick_until_stopped (struct vdev *dev, unsigned q)
{
  vdev_serve (dev, q, serve_until_stopped);
}

/* Who stops a queue does not wait for it, and finds it in the queue as it was. */
static void
test_long_request_is_left_undone (void **state)
{
  static const struct vdev_ops ops = { .kick = kick_until_stopped, .free = free_nothing };
  static struct slow slow = { .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER };
  struct virtq_config config = { 8, RAM_DESC, RAM_DRIVER, RAM_DEVICE, 0 };
  const struct virtio_used *used;
  struct virtio_avail *avail;
  int kick = eventfd (0, EFD_NONBLOCK | EFD_CLOEXEC);

  if (ram == NULL)
    ram = ram_new (&memory);
  memset (ram, 0, RAM_SIZE);
  used = (const struct virtio_used *) (ram + (RAM_DEVICE - RAM_GPA));
  vdev_init (&slow.dev, &ops, "slow", VIRTIO_ID_RNG, 1);
  vdev_attach (&slow.dev, &memory, &transport, NULL);
  assert_int_equal (vdev_start_workers (&slow.dev), 0);
  assert_int_equal (vdev_accept (&slow.dev, VIRTIO_BIT (VIRTIO_F_VERSION_1)), 0);
  config.features = slow.dev.accepted;
  assert_int_equal (vdev_queue_start (&slow.dev, 0, &config, NULL, kick), 0);
  avail = (struct virtio_avail *) (ram + (RAM_DRIVER - RAM_GPA));
  __atomic_store_n (&avail->idx, 1, __ATOMIC_RELEASE);
  vdev_kick (&slow.dev, 0);
  pthread_mutex_lock (&slow.lock);
  while (slow.served == 0)
    pthread_cond_wait (&slow.changed, &slow.lock);
  pthread_mutex_unlock (&slow.lock);
  assert_int_equal (vdev_queue_stop (&slow.dev, 0), 0); /* where it stands: before the request */
  assert_int_equal (used_index (used), 0);
  vdev_free (&slow.dev);
  close (kick);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_copier),
    cmocka_unit_test (test_hold),
    cmocka_unit_test (test_poll),
    cmocka_unit_test (test_polls_in_vain),
    cmocka_unit_test (test_answers_share_an_interrupt),
    cmocka_unit_test (test_growth),
    cmocka_unit_test (test_who_wants_the_worker_waits_for_one),
    cmocka_unit_test (test_long_request_is_left_undone),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
