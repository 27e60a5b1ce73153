/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The driver's side of a socket device in memory, for its unit test and fuzz target:
 * two split rings, buffers that are given again when they have been read. */
#pragma once

#include <stdlib.h>
#include <sys/eventfd.h>

#include "tests/support/guest-ram.h"

#include "host-side/vmm/virtio/vsock.h"

#define GUEST_CID 7u
#define RING 64u
#define BUFFER 1024u
#define RX_DATA RAM_DATA
#define TX_DATA (RAM_DATA + 0x10000u) /* each has 64 KiB */

struct vsock_guest
{
  struct guest_memory memory;
  uint8_t *ram;
  struct vdev *dev;
  struct vsock *vsock;
  unsigned broken;
  uint16_t rx_seen, given; /* used entries looked at, buffers given */
  char path[64];
};

struct vsock_packet
{
  struct virtio_vsock_hdr hdr;
  uint8_t data[BUFFER];
};

static inline void *
guest_at (const struct vsock_guest *guest, uint64_t gpa)
{
  return guest->ram + (gpa - RAM_GPA);
}

static void
guest_notified (void *data, unsigned q)
{
}

static void
guest_event (void *data)
{
}

static void
guest_broken (void *data)
{
  ((struct vsock_guest *) data)->broken++;
}

static const struct vdev_transport guest_transport = { guest_notified, guest_event, guest_broken };

static inline struct virtq_config
guest_ring (const struct vsock_guest *guest, unsigned q)
{
  return (struct virtq_config){ RING, RAM_DESC + q * 0x2000u, RAM_DRIVER + q * 0x1000u,
                                RAM_DEVICE + q * 0x1000u, guest->dev->accepted };
}

/* A device that listens in a directory of its own; its driver has not begun. */
static inline bool
guest_make (struct vsock_guest *guest)
{
  struct options options = { 0 };
  char directory[] = "/tmp/pvt-vsock-XXXXXX";

  memset (guest, 0, sizeof *guest);
  guest->ram = ram_new (&guest->memory);
  if (mkdtemp (directory) == NULL)
    return false;
  snprintf (guest->path, sizeof guest->path, "%s/v", directory);
  options_add (&options, "cid", "7");
  options_add (&options, "socket", guest->path);
  if (vsock_create (&options, &guest->dev) < 0)
    return false;
  guest->vsock = (struct vsock *) guest->dev;
  vdev_attach (guest->dev, &guest->memory, &guest_transport, guest);
  return true;
}

/* @kicks: eventfds, or -1 where nobody waits for them. */
static inline bool
guest_start (struct vsock_guest *guest, const int *kicks)
{
  memset (guest->ram, 0, RAM_SIZE);
  guest->rx_seen = guest->given = 0;
  if (vdev_accept (guest->dev, VIRTIO_BIT (VIRTIO_F_VERSION_1) | VIRTIO_BIT (VIRTIO_VSOCK_F_STREAM))
      < 0)
    return false;
  for (unsigned q = 0; q < 2; q++)
    {
      struct virtq_config config = guest_ring (guest, q);

      if (vdev_queue_start (guest->dev, q, &config, NULL, kicks ? kicks[q] : -1) < 0)
        return false;
    }
  return true;
}

/* Gives @n more buffers to be written. */
static inline void
guest_give (struct vsock_guest *guest, unsigned n)
{
  struct virtq_config ring = guest_ring (guest, VIRTIO_VSOCK_QUEUE_RX);
  struct virtio_desc *desc = guest_at (guest, ring.desc);
  struct virtio_avail *avail = guest_at (guest, ring.driver);

  for (; n > 0; n--)
    {
      unsigned slot = guest->given++ % RING;

      desc[slot] = (struct virtio_desc){ RX_DATA + slot * BUFFER, BUFFER, VIRTIO_DESC_F_WRITE, 0 };
      avail->ring[slot] = (uint16_t) slot;
      __atomic_store_n (&avail->idx, (uint16_t) (avail->idx + 1), __ATOMIC_RELEASE);
    }
  vdev_kick (guest->dev, VIRTIO_VSOCK_QUEUE_RX);
}

/* The next packet for the guest; false when there is none. */
static inline bool
guest_receive (struct vsock_guest *guest, struct vsock_packet *packet)
{
  struct virtq_config ring = guest_ring (guest, VIRTIO_VSOCK_QUEUE_RX);
  struct virtio_used *used = guest_at (guest, ring.device);
  unsigned slot;

  if (__atomic_load_n (&used->idx, __ATOMIC_ACQUIRE) == guest->rx_seen)
    return false;
  slot = used->ring[guest->rx_seen++ % RING].id % RING;
  memcpy (packet, guest_at (guest, RX_DATA + slot * BUFFER), BUFFER);
  return true;
}

/* Puts a packet in the ring; the caller kicks. Its bytes are @data's first @len, which are
 * at most 32 KiB. */
static inline void
guest_queue (struct vsock_guest *guest, const struct virtio_vsock_hdr *hdr, const void *data,
             uint32_t len)
{
  struct virtq_config ring = guest_ring (guest, VIRTIO_VSOCK_QUEUE_TX);
  struct virtio_desc *desc = guest_at (guest, ring.desc);
  struct virtio_avail *avail = guest_at (guest, ring.driver);
  unsigned slot = avail->idx % (RING / 2) * 2;

  memcpy (guest_at (guest, TX_DATA + slot * 64), hdr, sizeof *hdr);
  if (len > 0)
    memcpy (guest_at (guest, TX_DATA + 0x2000), data, len);
  desc[slot] = (struct virtio_desc){ TX_DATA + slot * 64, sizeof *hdr, len ? VIRTIO_DESC_F_NEXT : 0,
                                     (uint16_t) (slot + 1) };
  desc[slot + 1] = (struct virtio_desc){ TX_DATA + 0x2000, len, 0, 0 };
  avail->ring[avail->idx % RING] = (uint16_t) slot;
  __atomic_store_n (&avail->idx, (uint16_t) (avail->idx + 1), __ATOMIC_RELEASE);
}

static inline struct virtio_vsock_hdr
guest_header (uint16_t op, uint32_t guest_port, uint32_t host_port)
{
  return (struct virtio_vsock_hdr){ .src_cid = GUEST_CID, .dst_cid = VIRTIO_VSOCK_CID_HOST,
                                    .src_port = guest_port, .dst_port = host_port,
                                    .type = VIRTIO_VSOCK_TYPE_STREAM, .op = op,
                                    .buf_alloc = 4096 };
}

static inline void
guest_send (struct vsock_guest *guest, const struct virtio_vsock_hdr *hdr, const void *data,
            uint32_t len)
{
  guest_queue (guest, hdr, data, len);
  vdev_kick (guest->dev, VIRTIO_VSOCK_QUEUE_TX);
}
