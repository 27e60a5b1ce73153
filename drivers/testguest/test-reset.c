/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Resetting one queue of a device that runs (2.6.1), on every device that offers it.
 * Option queue-reset=busy: with reads of a disk under way; queue-reset=maybe: of a device
 * that offers it without having it, whose queue must not be taken for reset. */
#include "guest.h"

#include <virtio/blk.h>
#include <virtio/driver/mmio.h>
#include <virtio/driver/queue.h>
#include <virtio/mmio.h>
#include <virtio/pci.h>

#define BUFFERS 4u
#define BYTES 2048u
#define LOOKS 200u
#define UNTOUCHED 0xa5u

/* What a buffer of queue 0 is; of a disk a request. */
struct buffer
{
  struct virtio_blk_req head;
  uint8_t status;
  uint8_t data[BYTES];
};

static struct virtio_device dev;
static struct virtio_queue queue;
static struct buffer *buffers;

static bool
option_is (char first)
{
  const char *option = guest_option ("queue-reset=");

  return option && *option == first;
}

static bool
answers (void)
{
  uint16_t id = dev.transport->device_id;

  return id == VIRTIO_ID_RNG || id == VIRTIO_ID_BLOCK;
}

static int
give (struct buffer *buffer)
{
  bool disk = dev.transport->device_id == VIRTIO_ID_BLOCK;
  struct virtio_seg all[] = { { &buffer->head, sizeof buffer->head },
                              { buffer->data, option_is ('b') ? BYTES : VIRTIO_BLK_ID_BYTES },
                              { &buffer->status, 1 } };
  struct virtio_seg one = { buffer->data, BYTES };

  buffer->head = (struct virtio_blk_req){ .type = option_is ('b') ? VIRTIO_BLK_T_IN : VIRTIO_BLK_T_GET_ID };
  buffer->status = 0xff;
  return disk ? virtio_queue_add (&queue, all, 1, 2, buffer) : virtio_queue_add (&queue, &one, 0, 1, buffer);
}

/* Buffers of the first queue are for the device to write, but for a balloon's. */
static unsigned
give_all (void)
{
  unsigned given = 0;

  if (dev.transport->device_id == VIRTIO_ID_BALLOON)
    return 0;
  while (given < BUFFERS && give (&buffers[given]) == 0)
    given++;
  virtio_queue_kick (&queue);
  return given;
}

/* One there and back, of those that answer. */
static bool
goes (void)
{
  void *token;
  uint32_t len;

  if (!answers ())
    return true;
  if (give (&buffers[0]) != 0)
    return false;
  virtio_queue_kick (&queue);
  return virtio_queue_wait (&queue, &token, &len) == 1 && token == &buffers[0]
         && (dev.transport->device_id != VIRTIO_ID_BLOCK || buffers[0].status == VIRTIO_BLK_S_OK);
}

/* What its other fields read as is not looked at: QEMU 7.2 forgets the ring, and still shows
 * the addresses it was told. */
static void
registers_are_new (const char *bus)
{
  const struct virtio_hal *hal = dev.hal;
  uint64_t base;

  if (bus[0] == 'm')
    {
      base = ((struct virtio_mmio *) dev.transport)->base;
      check (hal->ops->read (hal->ctx, base + VIRTIO_MMIO_QUEUE_RESET, 4) == 0
               && hal->ops->read (hal->ctx, base + VIRTIO_MMIO_QUEUE_READY, 4) == 0,
             "both of its registers read 0 [M4]");
      return;
    }
  base = ((struct virtio_pci *) dev.transport)->common.base;
  check (hal->ops->read (hal->ctx, base + offsetof (struct virtio_pci_common_cfg, queue_reset), 2) == 0
           && hal->ops->read (hal->ctx, base + offsetof (struct virtio_pci_common_cfg, queue_enable), 2) == 0,
         "both of its fields read 0 [C17 PCI7]");
}

/* What the device would write to. */
static uint64_t
sum_of_all (void)
{
  uint64_t ring = virtio_device_has (&dev, VIRTIO_F_RING_PACKED)
                    ? checksum (queue.packed.desc, queue.size * sizeof *queue.packed.desc)
                    : checksum (queue.split.used, VIRTIO_USED_BYTES (queue.size) & ~7u);

  return ring ^ checksum (buffers, BUFFERS * sizeof *buffers);
}

static void
is_silent (void)
{
  struct virtio_transport *transport = dev.transport;
  bool silent = true;
  uint64_t sum;

  for (unsigned i = 0; i < BUFFERS; i++)
    memset (&buffers[i], UNTOUCHED, sizeof buffers[i]);
  transport->ops->interrupts (transport); /* what came before */
  sum = sum_of_all ();
  if (!guest_option ("polite=")) /* nobody rings for a queue that is not there */
    transport->ops->notify (transport, 0, 0);
  for (unsigned i = 0; i < LOOKS && silent; i++)
    silent = !(transport->ops->interrupts (transport) & VIRTIO_INT_QUEUE);
  silent &= sum_of_all () == sum;
  check (silent, "nothing is written and nobody told from then on [C17]");
}

/* All that was given is ours again, used or not. */
static unsigned
take_back (void)
{
  unsigned back = 0;
  void *token;

  while (virtio_queue_drain (&queue, &token))
    back++;
  return back;
}

static bool
again (const char *bus, uint16_t size)
{
  unsigned given = give_all ();

  if (!check_error (virtio_queue_reset (&queue), bus[0] == 'm' ? "resets a queue by itself [C17 M4]"
                                                             : "resets a queue by itself [C17 PCI7]"))
    return false;
  check (take_back () == given, "all its buffers come back");
  registers_are_new (bus);
  is_silent ();
  virtio_queue_free (&queue);
  if (!check_error (virtio_queue_start (&queue, &dev, 0, size, 3, VIRTIO_LEN_CLAMP),
                    "starts it again, elsewhere and with another size [C17]"))
    return false;
  return check (goes (), "and it goes on from the beginning [C17]");
}

void
test_reset (struct virtio_transport *transport, const char *bus, const struct virtio_options *given)
{
  struct virtio_options options = *given;
  bool started;

  if (!(transport->ops->get_features (transport) & VIRTIO_BIT (VIRTIO_F_RING_RESET)))
    return;
  options.queue_reset = true;
  if (option_is ('m'))
    options.timeout_ms = 100;
  buffers = guest_memory (BUFFERS * sizeof *buffers);
  if (!check_error (virtio_device_begin (&dev, transport, &options, 0, NULL, 0), "agrees on resets of queues"))
    return;
  started = check_error (virtio_queue_start (&queue, &dev, 0, 16, 3, VIRTIO_LEN_CLAMP), "sets up a queue");
  virtio_device_ready (&dev);
  if (started && option_is ('m') && virtio_queue_reset (&queue) == -VIRTIO_ETIMEDOUT)
    check (dev.failed, "a queue that stays ready is not taken for reset");
  else if (started)
    {
      check (goes (), "uses it");
      if (!queue.stopped && again (bus, 8))
        again (bus, 16);
    }
  check_error (virtio_device_reset (&dev), "resets");
  virtio_queue_drain_and_free (&queue);
}
