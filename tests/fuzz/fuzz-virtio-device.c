/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Device models behind rings that a fuzzer makes: mostly good ones, so that the
 * devices are reached, with a bad field where an input byte is 0xff. Guest
 * memory has nothing mapped around it, so that reaching past it is seen. With one bit of
 * the input another processor changes rings, tables and requests meanwhile. */
#include "fuzz.h"
#include "input.h"

#include "tests/support/guest-ram.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <virtio/blk.h>

#define SIZE 16u
#define DISK_SIZE (256u * 1024)
#define DEVICES 7

/* @good from the next byte, or something wild for 0xff. */
static uint64_t
field (struct input *in, uint64_t (*good) (uint8_t byte))
{
  uint8_t byte = take (in);
  uint64_t wild = 0;

  if (byte != 0xff)
    return good (byte);
  for (unsigned i = 0; i < 8; i++)
    wild = wild << 8 | take (in);
  return wild;
}

static uint64_t
good_addr (uint8_t byte)
{
  return RAM_DATA + (uint64_t) byte * 512;
}

static uint64_t
good_len (uint8_t byte)
{
  static const uint16_t lens[] = { 16, 1, 512, 4096, 20, 0, 15, 8192 };

  return lens[byte % 8];
}

static uint64_t
good_next (uint8_t byte)
{
  return byte % SIZE;
}

static uint64_t
good_type (uint8_t byte)
{
  return byte % 16;
}

static uint64_t
good_sector (uint8_t byte)
{
  return byte * 4u;
}

/* Heads of block requests lie where descriptors point, so that types are reached. */
static void
make_requests (struct input *in, uint8_t *ram)
{
  for (unsigned i = 0; i < 8; i++)
    {
      struct virtio_blk_req req = { .type = (uint32_t) field (in, good_type) };

      /* For a console the same bytes are a port, an event and a value. */
      req.reserved = (uint32_t) (field (in, good_type) | (uint64_t) take (in) << 16);
      req.sector = field (in, good_sector);
      memcpy (ram + (RAM_DATA - RAM_GPA) + i * 512, &req, sizeof req);
    }
}

static void
make_table (struct input *in, struct virtio_desc *table, unsigned n, bool packed, bool wrap)
{
  for (unsigned i = 0; i < n; i++)
    {
      uint16_t flags = take (in);
      struct virtio_desc desc = { field (in, good_addr), (uint32_t) field (in, good_len), 0, 0 };
      uint16_t rest = (uint16_t) field (in, good_next);

      flags &= VIRTIO_DESC_F_NEXT | VIRTIO_DESC_F_WRITE | (flags > 0xc0 ? VIRTIO_DESC_F_INDIRECT : 0);
      if (flags & VIRTIO_DESC_F_INDIRECT)
        {
          desc.addr = RAM_TABLE;
          desc.len = 16 * (1 + desc.len % SIZE);
        }
      if (packed) /* id and flags change places */
        {
          desc.flags = rest;
          desc.next = flags | (wrap ? VIRTIO_PACKED_F_AVAIL : VIRTIO_PACKED_F_USED);
        }
      else
        {
          desc.flags = flags;
          desc.next = rest;
        }
      table[i] = desc;
    }
}

static void
make_driver_area (struct input *in, uint8_t *area, bool packed)
{
  struct virtio_avail *avail = (struct virtio_avail *) area;
  struct virtio_packed_event *event = (struct virtio_packed_event *) area;

  if (packed)
    {
      event->off_wrap = (uint16_t) field (in, good_next);
      event->flags = take (in) & 3;
      return;
    }
  avail->flags = take (in) & 1;
  for (unsigned i = 0; i < SIZE; i++)
    avail->ring[i] = (uint16_t) field (in, good_next);
  avail->ring[SIZE] = (uint16_t) field (in, good_next); /* used_event */
  avail->idx += (uint16_t) field (in, good_next);
}

/* Frames go in before the guest is asked, and what it sent is taken away. */
static void
exchange_frames (struct input *in, int fd)
{
  static uint8_t frame[2048];

  while (recv (fd, frame, sizeof frame, MSG_DONTWAIT) >= 0)
    continue;
  for (unsigned n = take (in) % 4; n > 0; n--)
    {
      size_t len = take (in) * 8u % sizeof frame;

      memcpy (frame, in->data, in->left < 40 ? in->left : 40);
      send (fd, frame, len, MSG_DONTWAIT);
    }
}

static void
drive (struct input *in, struct vdev *dev, unsigned q, uint8_t *ram, bool packed, int other)
{
  struct virtio_desc *table = (struct virtio_desc *) (ram + (RAM_DESC - RAM_GPA));

  for (unsigned round = 0; round < 4 && in->left > 0; round++)
    {
      make_requests (in, ram);
      make_table (in, (struct virtio_desc *) (ram + (RAM_TABLE - RAM_GPA)), SIZE, false, false);
      make_table (in, table, SIZE, packed, dev->queues[q].ring.avail_wrap);
      make_driver_area (in, ram + (RAM_DRIVER - RAM_GPA), packed);
      if (other)
        exchange_frames (in, other);
      vdev_kick (dev, q);
    }
}

/* ---- the other processor ---- */

static atomic_bool racing;

/* Words of rings, of tables and of requests, in a circle: addresses, lengths, flags, indices. */
static void *
disturb (void *data)
{
  static const uint32_t values[] = { 0, 1, 2, 3, 16, 255, 0xffff, UINT32_MAX, RAM_DATA, RAM_TABLE,
                                     RAM_GPA + RAM_SIZE - 1, 0x8000 };
  static const uint64_t places[] = { RAM_DESC, RAM_TABLE, RAM_DRIVER, RAM_DATA };
  uint8_t *ram = data;
  uint32_t state = 1;

  while (atomic_load_explicit (&racing, memory_order_relaxed))
    {
      state = state * 1664525u + 1013904223u;
      *(volatile uint32_t *) (ram + (places[state >> 30] - RAM_GPA) + (state >> 8 & 0xfc))
        = values[(state >> 16) % G_N_ELEMENTS (values)];
    }
  return NULL;
}

static void
on_event (void *data)
{
}

static void
on_notify (void *data, unsigned q)
{
}

static struct vdev *
make_console (void)
{
  struct options options = { 0 };
  struct vdev *dev = NULL;
  static char one[64], two[64];

  snprintf (one, sizeof one, "/tmp/pvt-fuzz-%d-1", (int) getpid ());
  snprintf (two, sizeof two, "/tmp/pvt-fuzz-%d-2", (int) getpid ());
  options_add (&options, "one", one);
  options_add (&options, "two", two);
  if (console_create (&options, &dev) < 0)
    abort ();
  unlink (one);
  unlink (two);
  return dev;
}

static struct vdev *
make_balloon (void)
{
  struct options options = { 0 };
  struct vdev *dev = NULL;

  options_add (&options, "free-page-reporting", "on");
  if (balloon_create (&options, &dev) < 0)
    abort ();
  return dev;
}

/* A NIC whose other end sends what comes next in the input. */
static struct vdev *
make_net (int *other, const char *offload)
{
  struct options options = { 0 };
  struct vdev *dev = NULL;
  char number[16];
  int fds[2];

  if (socketpair (AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, fds) < 0)
    abort ();
  snprintf (number, sizeof number, "%d", fds[0]);
  options_add (&options, "socket-fd", number);
  options_add (&options, "offload", offload);
  if (net_create (&options, &dev) < 0)
    abort ();
  *other = fds[1];
  return dev;
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  static const struct vdev_transport transport = { on_notify, on_event, on_event };
  static struct guest_memory memory;
  static struct vdev *devices[DEVICES];
  static int others[DEVICES];
  static uint8_t *ram;
  struct options none = { 0 };
  struct input in = { data, size };
  uint8_t choice = take (&in), bits = take (&in);
  struct vdev *dev;
  uint64_t features;
  bool packed = bits & 1;
  pthread_t thread;
  unsigned q;

  if (ram == NULL)
    {
      ram = ram_new (&memory);
      devices[0] = ram_disk_by (DISK_SIZE, "off", "io_uring");
      devices[1] = ram_disk (DISK_SIZE, "on");
      devices[3] = make_console ();
      devices[6] = make_balloon ();
      devices[4] = make_net (&others[4], "off");
      devices[5] = make_net (&others[5], "on");
      if (rng_create (&none, &devices[2]) < 0)
        abort ();
    }
  memset (ram, 0, RAM_SIZE);
  dev = devices[choice % DEVICES];
  q = choice / DEVICES % dev->n_queues;
  features = VIRTIO_BIT (VIRTIO_F_VERSION_1) | (dev->features & ((1u << 24) - 1));
  if (packed)
    features |= VIRTIO_BIT (VIRTIO_F_RING_PACKED);
  if (bits & 2)
    features |= VIRTIO_BIT (VIRTIO_F_EVENT_IDX);
  if (bits & 4)
    features |= VIRTIO_BIT (VIRTIO_F_INDIRECT_DESC);
  vdev_attach (dev, &memory, &transport, NULL);
  if (vdev_accept (dev, features) < 0 || ram_start (dev, q, SIZE, features) < 0)
    abort ();
  vdev_write_config (dev, choice, data, bits % 9 < size ? bits % 9 : (unsigned) size);
  atomic_store (&racing, bits & 0x80);
  if (bits & 0x80 && pthread_create (&thread, NULL, disturb, ram) != 0)
    abort ();
  drive (&in, dev, q, ram, packed, others[choice % DEVICES]);
  if (bits & 8) /* the queue alone begins again, whatever was in it */
    {
      vdev_queue_stop (dev, q);
      memset (ram, 0, RAM_SIZE);
      if (ram_start (dev, q, SIZE, features) < 0)
        abort ();
      drive (&in, dev, q, ram, packed, others[choice % DEVICES]);
    }
  atomic_store (&racing, false);
  if (bits & 0x80)
    pthread_join (thread, NULL);
  vdev_reset (dev);
  return 0;
}
