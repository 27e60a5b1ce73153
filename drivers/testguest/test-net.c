/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Cases for network interfaces: two on one wire send each other frames that tell
 * their number and carry a checksum. */
#include "guest.h"

#include <virtio/driver/net.h>

#define FRAMES 64u /* without the option frames= */
#define ETHER_TYPE 0x88b5u /* for local experiments (IEEE 802) */
#define FRAME_MAX 1514u
#define HEAD 14u
#define WAIT_CYCLES 20000000000ull

static uint8_t frame[FRAME_MAX], back[2048];

struct payload
{
  uint64_t number;
  uint64_t sum;
};

static uint32_t
build (const struct virtio_net *from, const uint8_t *to, unsigned number, uint32_t bytes)
{
  struct payload payload = { .number = number };

  memcpy (frame, to, 6);
  memcpy (frame + 6, from->mac, 6);
  frame[12] = ETHER_TYPE >> 8;
  frame[13] = ETHER_TYPE & 0xff;
  fill_pattern (frame + HEAD + sizeof payload, bytes - HEAD - sizeof payload, number);
  payload.sum = checksum (frame + HEAD + sizeof payload, bytes - HEAD - sizeof payload);
  memcpy (frame + HEAD, &payload, sizeof payload);
  return bytes;
}

/* Frames of others may be on the wire: they are passed over. */
static int
receive_ours (struct virtio_net *net)
{
  uint64_t start = cycles ();

  while (cycles () - start < WAIT_CYCLES)
    {
      int got = virtio_net_receive (net, back, sizeof back);

      if (got < 0)
        return got;
      if (got >= (int) (HEAD + sizeof (struct payload)) && back[12] == ETHER_TYPE >> 8
          && back[13] == (ETHER_TYPE & 0xff))
        return got;
    }
  return -VIRTIO_ETIMEDOUT;
}

static bool
arrives (struct virtio_net *from, struct virtio_net *to, unsigned number, uint32_t bytes)
{
  struct payload payload;
  uint32_t rest = bytes - HEAD - (uint32_t) sizeof payload;
  int got;

  build (from, to->mac, number, bytes);
  if (virtio_net_send (from, frame, bytes) != 0)
    return false;
  got = receive_ours (to);
  if (got != (int) bytes)
    {
      print ("# frame %u of %u bytes: %d\n", number, bytes, got);
      return false;
    }
  memcpy (&payload, back + HEAD, sizeof payload);
  return payload.number == number && payload.sum == checksum (back + HEAD + sizeof payload, rest)
         && memcmp (back, frame, bytes) == 0;
}

static void
exchange (struct virtio_net *a, struct virtio_net *b)
{
  static const uint16_t sizes[] = { 60, 64, 128, 576, 1000, 1513, 1514 };
  const char *option = guest_option ("frames=");
  unsigned frames = option ? (unsigned) guest_number (option, &option) : FRAMES;
  unsigned good = 0;
  struct meter meter;

  meter_begin (&meter);
  for (unsigned i = 0; i < frames; i++)
    {
      uint32_t bytes = sizes[i % (sizeof sizes / sizeof *sizes)];

      if (bytes > a->mtu + HEAD) /* the device's, when it says one */
        bytes = a->mtu + HEAD;
      good += arrives (i % 2 ? b : a, i % 2 ? a : b, i, bytes);
    }
  check (good == frames && frames > 0, "frames arrive whole, both ways [N6 N7]");
  meter_end (&meter, frames ? frames : 1, "frame");
}

/* All that one side has room for at once, then looks. */
static void
burst (struct virtio_net *a, struct virtio_net *b)
{
  unsigned sent = 0, got = 0, in_order = 0;

  while (sent < a->n_tx / 2u && sent < b->n_rx / 2u
         && virtio_net_send (a, frame, build (a, b->mac, sent, 200)) == 0)
    sent++;
  for (; got < sent && receive_ours (b) == 200; got++)
    {
      struct payload payload;

      memcpy (&payload, back + HEAD, sizeof payload);
      in_order += payload.number == got;
    }
  check (sent > 0 && got == sent && in_order == got, "a burst arrives, in order");
}

static bool
both_ways (struct virtio_net *a, struct virtio_net *b)
{
  unsigned good = 0;

  for (unsigned i = 0; i < 8; i++)
    good += arrives (i % 2 ? b : a, i % 2 ? a : b, i, 300);
  return good == 8;
}

/* As Linux does at ethtool -G: while the other queues run. */
static void
resize (struct virtio_net *a, struct virtio_net *b)
{
  if (!virtio_device_has (&a->dev, VIRTIO_F_RING_RESET))
    return;
  check_error (virtio_net_resize (a, 8), "makes its rings smaller [C17]");
  check (both_ways (a, b), "frames arrive");
  check_error (virtio_net_resize (b, 16), "so does the other");
  check_error (virtio_net_resize (a, 0), "makes them larger again [C17]");
  check (both_ways (a, b), "and frames still arrive");
}

static void
control (struct virtio_net *a, struct virtio_net *b)
{
  static const uint8_t other[6] = { 0x02, 0x70, 0x76, 0x74, 0x00, 0x01 };
  uint8_t mac[6];

  memcpy (mac, a->mac, 6);
  if (virtio_device_has (&a->dev, VIRTIO_NET_F_CTRL_MAC_ADDR))
    {
      check_error (virtio_net_set_mac (a, other), "changes its address");
      if (b)
        check (arrives (b, a, 7, 100), "is reached at the new one [N10]");
      check_error (virtio_net_set_mac (a, mac), "changes it back");
    }
  if (virtio_device_has (&a->dev, VIRTIO_NET_F_CTRL_RX))
    check_error (virtio_net_set_promiscuous (a, true), "listens to everybody [N9]");
}

static bool
start (struct virtio_net *net, struct virtio_transport *transport,
       const struct virtio_options *options)
{
  if (!check_error (virtio_net_start (net, transport, options, NULL), "starts"))
    return false;
  test_features (&net->dev);
  check (virtio_net_link (net) == 1, "has a link");
  check (net->mtu >= 68, "its MTU is one that may be [N1]");
  return true;
}

/* One that offers resets of queues without having them is told by the option. */
void
test_net (struct virtio_transport *first, struct virtio_transport *second,
          const struct virtio_options *given)
{
  const char *resets = guest_option ("queue-reset=");
  struct virtio_options options = *given;
  static struct virtio_net a, b;
  bool both;

  options.queue_reset = !resets || *resets != 'm';
  if (!start (&a, first, &options))
    return;
  both = second && start (&b, second, &options);
  if (both)
    {
      exchange (&a, &b);
      burst (&a, &b);
      check (virtio_net_pending (&a) == 0, "nothing is left to send");
      resize (&a, &b);
    }
  control (&a, both ? &b : NULL);
  check_error (virtio_net_stop (&a), "stops");
  if (both)
    check_error (virtio_net_stop (&b), "and the other");
}
