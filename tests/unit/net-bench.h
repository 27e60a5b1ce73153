/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A network device with the driver's rings in memory, and a socket pair as the wire. */
#pragma once

#include <sys/eventfd.h>
#include <sys/socket.h>

#include "tests/support/guest-ram.h"

#include "host-side/vmm/virtio/net-device.h"
#include "host-side/vmm/virtio/net-filter.h"
#include "host-side/vmm/virtio/net-header.h"

#include <virtio/net.h>

#define SIZE 8u
#define RX 0u
#define TX 1u
#define CTRL 2u
#define STEP 0x1000u /* between the rings of two queues */

static struct guest_memory memory;
static uint8_t *ram;
static struct vdev *dev;
static int wire;
static unsigned config_changes;
static bool threads; /* it has its own, and does not work in vdev_kick() */

static inline void
on_notify (void *data, unsigned q)
{
}

static inline void
on_config (void *data)
{
  config_changes++;
}

static inline void
on_broken (void *data)
{
}

static const struct vdev_transport transport = { on_notify, on_config, on_broken };

static inline void *
at (uint64_t gpa)
{
  return ram + (gpa - RAM_GPA);
}

static inline struct virtio_desc *
desc_of (unsigned q)
{
  return at (RAM_DESC + q * STEP);
}

static inline struct virtio_used *
used_of (unsigned q)
{
  return at (RAM_DEVICE + q * STEP);
}

static inline void
start_queue (unsigned q)
{
  struct virtq_config config = { SIZE, RAM_DESC + q * STEP, RAM_DRIVER + q * STEP,
                                 RAM_DEVICE + q * STEP, dev->accepted };

  assert_int_equal (vdev_queue_start (dev, q, &config, NULL, threads ? eventfd (0, EFD_NONBLOCK) : -1), 0);
}

static const char *policy; /* or NULL */

static inline void
begin_on (int type, const char *offload, uint64_t without)
{
  struct options options = { 0 };
  char number[16];
  int fds[2];

  if (ram == NULL)
    ram = ram_new (&memory);
  else
    close (wire);
  memset (ram, 0, RAM_SIZE);
  vdev_free (dev);
  dev = NULL;
  assert_int_equal (socketpair (AF_UNIX, type | SOCK_NONBLOCK, 0, fds), 0);
  snprintf (number, sizeof number, "%d", fds[0]);
  options_add (&options, "socket-fd", number);
  options_add (&options, "offload", offload);
  options_add (&options, "mac", "52:54:00:00:00:01");
  options_add (&options, "mtu", "1500");
  if (policy)
    options_add (&options, "policy", policy);
  assert_int_equal (net_create (&options, &dev), 0);
  wire = fds[1];
  vdev_attach (dev, &memory, &transport, NULL);
  if (threads)
    assert_int_equal (vdev_start_workers (dev), 0);
  without |= VIRTIO_BIT (VIRTIO_F_RING_PACKED) | VIRTIO_BIT (VIRTIO_F_EVENT_IDX);
  assert_int_equal (vdev_accept (dev, dev->features & ~without), 0);
  for (unsigned q = 0; q <= CTRL; q++)
    start_queue (q);
}

static inline void
begin (const char *offload, uint64_t without)
{
  begin_on (SOCK_DGRAM, offload, without);
}

static inline uint64_t
count (enum net_count what)
{
  struct net_info info;

  net_describe (dev, &info);
  return info.counts[what];
}

static inline void
offer (unsigned q, uint16_t head)
{
  struct virtio_avail *avail = at (RAM_DRIVER + q * STEP);

  avail->ring[avail->idx % SIZE] = head;
  avail->idx++;
}

static inline uint8_t *
frame_area (void)
{
  return at (RAM_DATA);
}

/* Sends @len bytes of frame behind @header. */
static inline void
transmit (const struct virtio_net_hdr *header, uint32_t len)
{
  uint16_t before = used_of (TX)->idx;

  memcpy (frame_area (), header, sizeof *header);
  desc_of (TX)[0] = (struct virtio_desc){ RAM_DATA, 12, VIRTIO_DESC_F_NEXT, 1 };
  desc_of (TX)[1] = (struct virtio_desc){ RAM_DATA + 12, len, 0, 0 };
  offer (TX, 0);
  vdev_kick (dev, TX);
  assert_int_equal (used_of (TX)->idx, (uint16_t) (before + 1));
}

static inline ssize_t
on_wire (void *bytes, size_t size)
{
  return recv (wire, bytes, size, MSG_DONTWAIT);
}

/* A buffer of @len bytes for the device at the @i'th KiB. */
static inline void
give_buffer (uint16_t i, uint32_t len)
{
  desc_of (RX)[i] = (struct virtio_desc){ RAM_DATA + i * 1024u, len, VIRTIO_DESC_F_WRITE, 0 };
  offer (RX, i);
}
