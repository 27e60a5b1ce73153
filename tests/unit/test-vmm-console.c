/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The console device with its worker: a guest that opens and closes its port without end,
 * and buffers in which nothing can be written. */
#include "tap-main.h"

#include "tests/support/guest-ram.h"

#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <virtio/console.h>

#define SIZE 64u
#define STEP 0x1000u /* between the rings of two queues */

static struct guest_memory memory;
static uint8_t *ram;
static struct vdev *dev;
static char path[64];
static _Atomic unsigned told;
static _Atomic int last;

static void
on_notify (void *data, unsigned q)
{
}

static void
on_event (void *data)
{
}

static const struct vdev_transport transport = { on_notify, on_event, on_event };

static void *
at (uint64_t gpa)
{
  return ram + (gpa - RAM_GPA);
}

static void
on_change (void *data, unsigned index, bool open)
{
  atomic_store (&last, open);
  atomic_fetch_add (&told, 1);
}

static void
begin (void)
{
  struct options options = { 0 };

  ram = ram_new (&memory);
  snprintf (path, sizeof path, "/tmp/pvt-console-%d", (int) getpid ());
  options_add (&options, "org.pvtools.0", path);
  assert_int_equal (console_create (&options, &dev), 0);
  vdev_attach (dev, &memory, &transport, NULL);
  assert_int_equal (vdev_start_workers (dev), 0);
  console_on_change (dev, on_change, NULL);
  assert_int_equal (vdev_accept (dev, VIRTIO_BIT (VIRTIO_F_VERSION_1)
                                        | VIRTIO_BIT (VIRTIO_CONSOLE_F_MULTIPORT)), 0);
  for (unsigned q = 0; q < dev->n_queues; q++)
    {
      struct virtq_config config = { SIZE, RAM_DESC + q * STEP, RAM_DRIVER + q * STEP / 2,
                                     RAM_DEVICE + q * STEP / 2, dev->accepted };

      assert_int_equal (vdev_queue_start (dev, q, &config, NULL, eventfd (0, EFD_NONBLOCK)), 0);
    }
}

static void
offer (unsigned q, uint64_t addr, uint32_t len, uint16_t flags)
{
  struct virtio_avail *avail = at (RAM_DRIVER + q * STEP / 2);
  struct virtio_desc *desc = at (RAM_DESC + q * STEP);
  uint16_t slot = avail->idx % SIZE;

  desc[slot] = (struct virtio_desc){ addr, len, flags, 0 };
  avail->ring[slot] = slot;
  __atomic_store_n (&avail->idx, (uint16_t) (avail->idx + 1), __ATOMIC_RELEASE);
}

static uint16_t
used (unsigned q)
{
  return __atomic_load_n (&((struct virtio_used *) at (RAM_DEVICE + q * STEP / 2))->idx,
                          __ATOMIC_ACQUIRE);
}

static void
wait_until_used (unsigned q, uint16_t n)
{
  for (unsigned i = 0; i < 60000 && used (q) != n; i++)
    g_usleep (1000);
  assert_int_equal (used (q), n);
}

/* The guest's program opens or closes the port; the caller kicks. */
static void
set_open (bool open)
{
  const struct virtio_console_control control = { 1, VIRTIO_CONSOLE_PORT_OPEN, open };
  uint64_t place = RAM_DATA + open * 64u;

  memcpy (at (place), &control, sizeof control);
  offer (VIRTIO_CONSOLE_QUEUE_CTRL_TX, place, sizeof control, 0);
}

/* Who listens to the machine's events is told of the first, and of how it ends. */
static void
test_port_that_opens_and_closes (void **state)
{
  unsigned before;

  set_open (true);
  vdev_kick (dev, VIRTIO_CONSOLE_QUEUE_CTRL_TX);
  for (unsigned i = 0; i < 60000 && atomic_load (&told) == 0; i++)
    g_usleep (1000);
  assert_int_equal (atomic_load (&told), 1);
  assert_int_equal (atomic_load (&last), 1);
  for (unsigned i = 0; i < SIZE - 1; i++)
    set_open (i % 2);
  before = atomic_load (&told);
  vdev_kick (dev, VIRTIO_CONSOLE_QUEUE_CTRL_TX);
  wait_until_used (VIRTIO_CONSOLE_QUEUE_CTRL_TX, SIZE);
  for (unsigned i = 0; i < 60000 && atomic_load (&last) == 1; i++)
    g_usleep (1000);
  assert_int_equal (atomic_load (&last), 0);
  assert_true (atomic_load (&told) - before <= 2); /* not 63 */
}

/* What is sent while nobody is there goes nowhere. */
static void
wait_for_client (bool there)
{
  struct console_port_info info = { .host_connected = !there };

  for (unsigned i = 0; i < 60000 && info.host_connected != there; i++)
    {
      g_usleep (1000);
      assert_true (console_port (dev, 0, &info));
    }
  assert_int_equal (info.host_connected, there);
}

static int
connected (void)
{
  struct sockaddr_un address = { .sun_family = AF_UNIX };
  int fd = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

  strcpy (address.sun_path, path);
  assert_int_equal (connect (fd, (struct sockaddr *) &address, sizeof address), 0);
  wait_for_client (true);
  return fd;
}

/* A buffer in which nothing can be written is not the end of the host's program. */
static void
test_buffer_for_nothing (void **state)
{
  char byte;
  int fd;

  set_open (true);
  vdev_kick (dev, VIRTIO_CONSOLE_QUEUE_CTRL_TX);
  wait_until_used (VIRTIO_CONSOLE_QUEUE_CTRL_TX, SIZE + 1);
  offer (VIRTIO_CONSOLE_QUEUE_RX (1), RAM_DATA, 16, 0);
  offer (VIRTIO_CONSOLE_QUEUE_RX (1), RAM_DATA + 512, 16, VIRTIO_DESC_F_WRITE);
  fd = connected ();
  assert_int_equal (send (fd, "hello", 5, 0), 5);
  vdev_kick (dev, VIRTIO_CONSOLE_QUEUE_RX (1));
  wait_until_used (VIRTIO_CONSOLE_QUEUE_RX (1), 2);
  assert_memory_equal (at (RAM_DATA + 512), "hello", 5);
  assert_int_equal (recv (fd, &byte, 1, MSG_DONTWAIT), -1); /* and no end */
  close (fd);
  wait_for_client (false);
}

/* A request whose client did not take all of it goes with its queue: the next one of the
 * queue, begun anew, is sent from its beginning. */
static void
test_queue_that_is_reset (void **state)
{
  unsigned q = VIRTIO_CONSOLE_QUEUE_TX (1);
  struct virtq_config config = { SIZE, RAM_DESC + q * STEP, RAM_DRIVER + q * STEP / 2,
                                 RAM_DEVICE + q * STEP / 2, dev->accepted };
  struct virtio_avail *avail = at (config.driver);
  int fd = connected (), kick = dev->queues[q].kick.fd;
  char bytes[4096], got[6] = "";

  for (uint16_t i = 0; i < 16; i++) /* 512 KiB */
    ((struct virtio_desc *) at (config.desc))[i]
      = (struct virtio_desc){ RAM_DATA, 0x8000, i < 15 ? VIRTIO_DESC_F_NEXT : 0, i + 1 };
  avail->ring[0] = 0;
  __atomic_store_n (&avail->idx, 1, __ATOMIC_RELEASE);
  vdev_kick (dev, q);
  assert_int_equal (recv (fd, bytes, 1, 0), 1); /* so it has begun */
  vdev_queue_stop (dev, q);
  assert_int_equal (used (q), 0);
  while (recv (fd, bytes, sizeof bytes, MSG_DONTWAIT) > 0)
    continue;
  memset (avail, 0, sizeof *avail);
  memcpy (at (RAM_DATA), "hello", 5);
  assert_int_equal (vdev_queue_start (dev, q, &config, NULL, kick), 0);
  offer (q, RAM_DATA, 5, 0);
  vdev_kick (dev, q);
  wait_until_used (q, 1);
  assert_int_equal (recv (fd, got, 5, MSG_DONTWAIT), 5);
  assert_string_equal (got, "hello");
  close (fd);
}

static struct virtio_console_control
told_of (unsigned n)
{
  struct virtio_console_control control;

  for (unsigned i = 0; i < 60000 && used (VIRTIO_CONSOLE_QUEUE_CTRL_RX) <= n; i++)
    g_usleep (1000);
  assert_true (used (VIRTIO_CONSOLE_QUEUE_CTRL_RX) > n);
  memcpy (&control, at (RAM_DATA + 0x2000 + n * 128), sizeof control);
  return control;
}

static void
say (uint32_t id, uint16_t event, uint16_t value)
{
  const struct virtio_console_control control = { id, event, value };
  uint16_t before = used (VIRTIO_CONSOLE_QUEUE_CTRL_TX);

  memcpy (at (RAM_DATA), &control, sizeof control);
  offer (VIRTIO_CONSOLE_QUEUE_CTRL_TX, RAM_DATA, sizeof control, 0);
  vdev_kick (dev, VIRTIO_CONSOLE_QUEUE_CTRL_TX);
  wait_until_used (VIRTIO_CONSOLE_QUEUE_CTRL_TX, (uint16_t) (before + 1));
}

/* To the guest a port with another name is another port; what it had said of the first is
 * forgotten, also when that comes late. */
static void
test_port_is_renamed (void **state)
{
  static const uint16_t events[] = {
    VIRTIO_CONSOLE_DEVICE_ADD, VIRTIO_CONSOLE_PORT_NAME, VIRTIO_CONSOLE_PORT_OPEN,
    VIRTIO_CONSOLE_DEVICE_REMOVE, VIRTIO_CONSOLE_DEVICE_ADD, VIRTIO_CONSOLE_PORT_NAME,
    VIRTIO_CONSOLE_PORT_OPEN,
  };
  struct console_port_info info;
  char name[64] = "";

  memset (name, 'x', 63);
  say (99, VIRTIO_CONSOLE_PORT_OPEN, 1); /* ports that there are not */
  say (UINT32_MAX, VIRTIO_CONSOLE_PORT_READY, 1);
  say (0, VIRTIO_CONSOLE_PORT_OPEN, 1);
  assert_int_equal (console_rename (dev, 1, "y"), -ENOENT);
  assert_int_equal (console_rename (dev, 0, ""), -EINVAL);
  assert_int_equal (console_rename (dev, 0, "0123456789012345678901234567890123456789012345678901234567890123"),
                    -EINVAL);
  assert_int_equal (console_rename (dev, 0, "before"), 0); /* nobody knows it yet */
  for (unsigned i = 0; i < G_N_ELEMENTS (events); i++)
    offer (VIRTIO_CONSOLE_QUEUE_CTRL_RX, RAM_DATA + 0x2000 + i * 128, 128, VIRTIO_DESC_F_WRITE);
  say (0, VIRTIO_CONSOLE_DEVICE_READY, 1);
  assert_int_equal (told_of (0).event, events[0]);
  say (1, VIRTIO_CONSOLE_PORT_READY, 1);
  say (1, VIRTIO_CONSOLE_PORT_OPEN, 1);
  assert_memory_equal (at (RAM_DATA + 0x2000 + 128 + sizeof (struct virtio_console_control)), "before", 6);
  assert_true (console_port (dev, 0, &info) && info.guest_open);
  assert_int_equal (console_rename (dev, 0, name), 0);
  assert_true (console_port (dev, 0, &info) && !info.guest_open);
  assert_string_equal (info.name, name);
  say (1, VIRTIO_CONSOLE_PORT_OPEN, 1); /* of the old one */
  say (1, VIRTIO_CONSOLE_PORT_READY, 1);
  assert_true (console_port (dev, 0, &info) && !info.guest_open);
  for (unsigned i = 0; i < G_N_ELEMENTS (events); i++)
    {
      assert_int_equal (told_of (i).event, events[i]);
      assert_int_equal (told_of (i).id, 1);
    }
  assert_memory_equal (at (RAM_DATA + 0x2000 + 5 * 128 + sizeof (struct virtio_console_control)), name, 63);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_port_that_opens_and_closes),
    cmocka_unit_test (test_buffer_for_nothing),
    cmocka_unit_test (test_queue_that_is_reset),
    cmocka_unit_test (test_port_is_renamed),
  };
  int failed;

  begin ();
  failed = cmocka_run_group_tests (tests, NULL, NULL);
  vdev_free (dev);
  return failed;
}
