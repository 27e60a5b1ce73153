/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Cases for a socket device. Option vsock-echo=PORT: a port of the host's that sends
 * back what it gets; vsock-listen=PORT: the host connects there, sends and wants it back.
 * Without them only what needs nobody there is tried. */
#include "guest.h"

#include <virtio/driver/vsock.h>

#define WAIT_CYCLES 20000000000ull
#define BYTES 20000u
#define PINGS 8u
#define IDLE 100u /* looks without anything sent: an interpreted guest is slow */
#define NOBODY 0x7ffffff7u /* a port no host listens on */

static struct virtio_vsock vsock;
static uint8_t out[BYTES], in[BYTES];

/* Sends @bytes and takes what comes back, which is looked at only when no more can be
 * sent if @late: then each side has filled what the other has room for. */
static bool
echoes (unsigned connection, unsigned bytes, bool late)
{
  uint64_t start = cycles ();
  unsigned sent = 0, got = 0, idle = 0;

  fill_pattern (out, BYTES, bytes);
  memset (in, 0, BYTES);
  while (got < bytes && cycles () - start < WAIT_CYCLES)
    {
      int n = sent < bytes ? virtio_vsock_send (&vsock, connection, out + sent, bytes - sent) : 0;

      if (n < 0 || virtio_vsock_poll (&vsock) < 0)
        return false;
      sent += (unsigned) n;
      idle = n ? 0 : idle + 1;
      if (late && idle < IDLE)
        continue;
      late = false;
      n = virtio_vsock_receive (&vsock, connection, in + got, bytes - got);
      if (n < 0)
        return false;
      got += (unsigned) n;
    }
  return got == bytes && memcmp (in, out, bytes) == 0;
}

static void
measure (unsigned connection)
{
  struct meter meter;
  bool good = true;

  meter_begin (&meter);
  for (unsigned i = 0; i < PINGS; i++)
    good &= echoes (connection, 8, false);
  check (good, "a few bytes go there and back");
  meter_end (&meter, PINGS, "round");
}

static bool
ended (unsigned connection)
{
  uint64_t start = cycles ();
  int n = 0;

  while (n == 0 && cycles () - start < WAIT_CYCLES)
    {
      if (virtio_vsock_poll (&vsock) < 0)
        return false;
      n = virtio_vsock_receive (&vsock, connection, in, sizeof in);
    }
  return n == -VIRTIO_ENODATA || n == -VIRTIO_ECONNRESET;
}

static void
test_echo (uint32_t port)
{
  static const uint16_t sizes[] = { 1, 255, VIRTIO_VSOCK_PAYLOAD, VIRTIO_VSOCK_PAYLOAD + 1, BYTES };
  int first = virtio_vsock_connect (&vsock, VIRTIO_VSOCK_CID_HOST, port);
  int second = virtio_vsock_connect (&vsock, VIRTIO_VSOCK_CID_HOST, port);

  if (!check (first >= 0 && second >= 0, "connects twice"))
    return;
  for (unsigned i = 0; i < sizeof sizes / sizeof *sizes; i++)
    check (echoes ((unsigned) first, sizes[i], false), "gets back what it sent");
  check (echoes ((unsigned) second, BYTES, true), "also when it reads late: credit is kept [V1 V2]");
  check (echoes ((unsigned) first, 300, false), "and on the other connection, too");
  measure ((unsigned) second);
  check_error (virtio_vsock_end (&vsock, (unsigned) second), "says that it sends no more");
  check (ended ((unsigned) second), "and then the host ends, too");
  check_error (virtio_vsock_close (&vsock, (unsigned) second), "gives it up");
  check_error (virtio_vsock_close (&vsock, (unsigned) first), "and the other");
}

/* Sends back what comes until the host sends no more: how many bytes. */
static unsigned
answer (unsigned connection)
{
  uint64_t start = cycles ();
  unsigned got = 0, sent = 0;
  bool open = true;

  while ((open || sent < got) && cycles () - start < WAIT_CYCLES)
    {
      int n = open && got < BYTES ? virtio_vsock_receive (&vsock, connection, in + got, BYTES - got) : 0;

      open &= n >= 0;
      got += n > 0 ? (unsigned) n : 0;
      n = sent < got ? virtio_vsock_send (&vsock, connection, in + sent, got - sent) : 0;
      if (n < 0 || virtio_vsock_poll (&vsock) < 0)
        break;
      sent += (unsigned) n;
    }
  return sent;
}

static void
test_listen (uint32_t port)
{
  uint64_t start = cycles ();
  int connection = -VIRTIO_EAGAIN;

  check_error (virtio_vsock_listen (&vsock, port), "listens");
  while (connection == -VIRTIO_EAGAIN && cycles () - start < WAIT_CYCLES
         && virtio_vsock_poll (&vsock) >= 0)
    connection = virtio_vsock_accept (&vsock, port);
  if (!check (connection >= 0, "the host connects"))
    return;
  check (answer ((unsigned) connection) > 0, "and gets back what it sent");
  check_error (virtio_vsock_end (&vsock, (unsigned) connection), "the guest sends no more");
  check (ended ((unsigned) connection), "and the host is through, too");
  check_error (virtio_vsock_close (&vsock, (unsigned) connection), "closes");
  check_error (virtio_vsock_ignore (&vsock, port), "and listens no more");
}

#define ASKER 1025 /* the port that the unknown packet is from */
#define BUFFERS 4

static int
offer (struct virtio_queue *queue, struct virtio_vsock_hdr *hdr)
{
  struct virtio_seg from = { hdr, sizeof *hdr };

  return virtio_queue_add (queue, &from, 0, 1, hdr);
}

/* Whether what comes for ASKER is a reset: somebody of the host may knock at other ports
 * meanwhile. */
static bool
is_reset (struct virtio_queue *queue)
{
  uint64_t start = cycles ();
  uint32_t len = 0;
  void *token;

  while (cycles () - start < WAIT_CYCLES && virtio_queue_wait (queue, &token, &len) == 1)
    {
      struct virtio_vsock_hdr *hdr = token;

      if (len == sizeof *hdr && virtio_from_le32 (hdr->dst_port) == ASKER)
        return virtio_from_le16 (hdr->op) == VIRTIO_VSOCK_OP_RST;
      if (offer (queue, hdr) < 0)
        return false;
      virtio_queue_kick (queue);
    }
  return false;
}

/* A packet of a type nobody knows, by queues of our own. */
static void
unknown_type (struct virtio_transport *transport, const struct virtio_options *options, uint64_t cid)
{
  static struct virtio_queue queues[3];
  static struct virtio_vsock_hdr packet, answers[BUFFERS];
  struct virtio_queue *rx = &queues[VIRTIO_VSOCK_QUEUE_RX], *tx = &queues[VIRTIO_VSOCK_QUEUE_TX];
  struct virtio_seg to = { &packet, sizeof packet };
  struct virtio_device dev;
  int error = virtio_device_begin (&dev, transport, options, 0, NULL, 0);

  packet = (struct virtio_vsock_hdr) { .src_cid = virtio_to_le64 (cid),
                                       .dst_cid = virtio_to_le64 (VIRTIO_VSOCK_CID_HOST),
                                       .src_port = virtio_to_le32 (ASKER),
                                       .dst_port = virtio_to_le32 (NOBODY), .type = virtio_to_le16 (77),
                                       .op = virtio_to_le16 (VIRTIO_VSOCK_OP_RW) };
  for (uint16_t i = 0; i < 3 && !error; i++)
    error = virtio_queue_start (&queues[i], &dev, i, 0, 1, VIRTIO_LEN_CLAMP);
  for (unsigned i = 0; i < BUFFERS && !error; i++)
    error = offer (rx, &answers[i]);
  if (!error)
    error = virtio_device_ready (&dev);
  if (!error)
    error = virtio_queue_add (tx, &to, 1, 0, &packet);
  virtio_queue_kick (rx);
  virtio_queue_kick (tx);
  check (!error && is_reset (rx), "a packet of a type nobody knows is reset [V4]");
  virtio_device_reset (&dev);
  for (uint16_t i = 0; i < 3; i++)
    virtio_queue_drain_and_free (&queues[i]);
}

void
test_vsock (struct virtio_transport *transport, const struct virtio_options *options)
{
  const char *echo = guest_option ("vsock-echo="), *port = guest_option ("vsock-listen=");
  uint64_t cid;

  if (!check_error (virtio_vsock_start (&vsock, transport, options), "starts, with an ID that is a guest's [V4]"))
    return;
  cid = vsock.cid;
  print ("# guest %U\n", cid);
  test_features (&vsock.dev);
  check (virtio_vsock_connect (&vsock, VIRTIO_VSOCK_CID_HOST, NOBODY) == -VIRTIO_ECONNREFUSED,
         "is refused where nobody listens");
  if (echo)
    test_echo ((uint32_t) guest_number (echo, &echo));
  if (port)
    test_listen ((uint32_t) guest_number (port, &port));
  check_error (virtio_vsock_stop (&vsock), "stops");
  if (!guest_option ("polite="))
    unknown_type (transport, options, cid);
}
