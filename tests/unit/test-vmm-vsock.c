/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The socket device through rings in memory: both ways to begin, credit, half closes,
 * what is refused, and what a guest cannot make it keep. */
#include "tap-main.h"

#include "tests/support/vsock-guest.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

static struct vsock_guest guest;

#define RST VIRTIO_VSOCK_OP_RST
#define RW VIRTIO_VSOCK_OP_RW
#define BOTH (VIRTIO_VSOCK_SHUTDOWN_SEND | VIRTIO_VSOCK_SHUTDOWN_RECEIVE)

static void
begin (unsigned buffers)
{
  if (guest.dev == NULL)
    assert_true (guest_make (&guest));
  vdev_reset (guest.dev);
  assert_true (guest_start (&guest, NULL));
  if (buffers)
    guest_give (&guest, buffers);
}

/* One packet, with its buffer given again. */
static struct vsock_packet
next (void)
{
  struct vsock_packet packet = { 0 };

  assert_true (guest_receive (&guest, &packet));
  guest_give (&guest, 1);
  assert_int_equal (packet.hdr.src_cid, 2);
  assert_int_equal (packet.hdr.dst_cid, GUEST_CID);
  return packet;
}

static struct vsock_packet
expect (uint16_t op, uint32_t guest_port)
{
  struct vsock_packet packet = next ();

  assert_int_equal (packet.hdr.op, op);
  assert_int_equal (packet.hdr.dst_port, guest_port);
  assert_int_equal (packet.hdr.type, VIRTIO_VSOCK_TYPE_STREAM);
  return packet;
}

static void
expect_nothing (void)
{
  struct vsock_packet packet;

  assert_false (guest_receive (&guest, &packet));
}

static void
say (uint16_t op, uint32_t guest_port, uint32_t host_port, uint32_t flags, const char *text)
{
  struct virtio_vsock_hdr hdr = guest_header (op, guest_port, host_port);

  hdr.flags = flags;
  hdr.len = (uint32_t) strlen (text);
  guest_send (&guest, &hdr, text, hdr.len);
}

/* The worker would see that there is something to read. */
static void
look (void)
{
  vdev_kick (guest.dev, VIRTIO_VSOCK_QUEUE_RX);
}

static int
listener (uint32_t port)
{
  struct sockaddr_un address = { .sun_family = AF_UNIX };
  int fd = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

  snprintf (address.sun_path, sizeof address.sun_path, "%s_%u", guest.path, port);
  unlink (address.sun_path);
  assert_int_equal (bind (fd, (struct sockaddr *) &address, sizeof address), 0);
  assert_int_equal (listen (fd, 300), 0);
  return fd;
}

/* A connection from the guest's port 5000 to the host's 80; the program's end. */
static int
connected (void)
{
  int all = listener (80), fd;

  say (VIRTIO_VSOCK_OP_REQUEST, 5000, 80, 0, "");
  assert_int_equal (expect (VIRTIO_VSOCK_OP_RESPONSE, 5000).hdr.buf_alloc, VSOCK_BUFFER);
  fd = accept (all, NULL, NULL);
  assert_true (fd >= 0);
  close (all);
  return fd;
}

static void
expect_text (int fd, const char *text)
{
  char bytes[64] = "";

  assert_int_equal (recv (fd, bytes, sizeof bytes, MSG_DONTWAIT), (int) strlen (text));
  assert_string_equal (bytes, text);
}

static void
expect_end (int fd)
{
  char byte;

  assert_int_equal (recv (fd, &byte, 1, MSG_DONTWAIT), 0);
}

static void
test_guest_begins (void **state)
{
  struct vsock_packet packet;
  int fd;

  begin (8);
  fd = connected ();
  say (RW, 5000, 80, 0, "from the guest");
  expect_text (fd, "from the guest");
  assert_int_equal (send (fd, "to the guest", 12, 0), 12);
  look ();
  packet = expect (RW, 5000);
  assert_int_equal (packet.hdr.len, 12);
  assert_memory_equal (packet.data, "to the guest", 12);
  assert_int_equal (packet.hdr.fwd_cnt, 14); /* its words were read */
  say (VIRTIO_VSOCK_OP_CREDIT_REQUEST, 5000, 80, 0, "");
  expect (VIRTIO_VSOCK_OP_CREDIT_UPDATE, 5000);
  say (VIRTIO_VSOCK_OP_SHUTDOWN, 5000, 80, BOTH, "");
  expect (RST, 5000);
  expect_end (fd);
  assert_int_equal (guest.vsock->n_conns, 0);
  close (fd);
}

/* A host's program that connects and sends @text. */
static int
program (const char *text)
{
  int fds[2];

  assert_int_equal (socketpair (AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
  assert_int_equal (send (fds[0], text, strlen (text), 0), (int) strlen (text));
  vsock_greet (guest.vsock, fds[1]);
  return fds[0];
}

static void
test_host_begins (void **state)
{
  struct vsock_packet packet;
  char line[32];
  int fd;

  begin (8);
  fd = program ("CONNECT 5001\nearly");
  packet = expect (VIRTIO_VSOCK_OP_REQUEST, 5001);
  expect_nothing ();
  say (VIRTIO_VSOCK_OP_RESPONSE, 5001, packet.hdr.src_port, 0, "");
  snprintf (line, sizeof line, "OK %u\n", packet.hdr.src_port);
  expect_text (fd, line);
  packet = expect (RW, 5001);
  assert_int_equal (packet.hdr.len, 5);
  assert_memory_equal (packet.data, "early", 5);
  close (fd);
  look ();
  packet = expect (VIRTIO_VSOCK_OP_SHUTDOWN, 5001);
  assert_int_equal (packet.hdr.flags, BOTH);
  say (RST, 5001, packet.hdr.src_port, 0, "");
  assert_int_equal (guest.vsock->n_conns, 0);
}

static void
test_greetings (void **state)
{
  static const char *const bad[] = {
    "connect 1\n", "CONNECT\n", "CONNECT \n", "CONNECT x\n", "CONNECT -1\n", "CONNECT +1\n",
    "CONNECT 1x\n", "CONNECT 4294967295\n", "CONNECT 4294967296\n", "\n",
    "CONNECT 00000000000000000000000000000000000000000000000000001\n",
  };
  int fd;

  begin (8);
  for (unsigned i = 0; i < sizeof bad / sizeof bad[0]; i++)
    {
      fd = program (bad[i]);
      expect_nothing ();
      assert_int_equal (guest.vsock->n_conns, 0);
      close (fd);
    }
  fd = program ("CONN"); /* in two pieces */
  assert_int_equal (send (fd, "ECT 9\n", 6, 0), 6);
  look ();
  say (RST, 9, expect (VIRTIO_VSOCK_OP_REQUEST, 9).hdr.src_port, 0, "");
  expect_end (fd);
  close (fd);
  close (program ("CONNECT 9\n")); /* gone before the answer */
  expect (VIRTIO_VSOCK_OP_REQUEST, 9);
  look ();
  expect (RST, 9);
  assert_int_equal (guest.vsock->n_conns, 0);
}

static void
test_half_closes (void **state)
{
  int fd;

  begin (8);
  fd = connected ();
  say (RW, 5000, 80, 0, "last words");
  say (VIRTIO_VSOCK_OP_SHUTDOWN, 5000, 80, VIRTIO_VSOCK_SHUTDOWN_SEND, "");
  expect_text (fd, "last words");
  expect_end (fd);
  assert_int_equal (send (fd, "answer", 6, 0), 6);
  shutdown (fd, SHUT_WR);
  look ();
  assert_int_equal (expect (RW, 5000).hdr.len, 6);
  assert_true (expect (VIRTIO_VSOCK_OP_SHUTDOWN, 5000).hdr.flags & VIRTIO_VSOCK_SHUTDOWN_SEND);
  say (VIRTIO_VSOCK_OP_SHUTDOWN, 5000, 80, BOTH, "");
  expect (RST, 5000);
  assert_int_equal (guest.vsock->n_conns, 0);
  close (fd);

  fd = connected (); /* the host ends its half first */
  shutdown (fd, SHUT_WR);
  look ();
  assert_int_equal (expect (VIRTIO_VSOCK_OP_SHUTDOWN, 5000).hdr.flags, VIRTIO_VSOCK_SHUTDOWN_SEND);
  say (RW, 5000, 80, 0, "still");
  expect_text (fd, "still");
  close (fd);
  say (RW, 5000, 80, 0, "nobody reads this");
  assert_int_equal (expect (VIRTIO_VSOCK_OP_SHUTDOWN, 5000).hdr.flags, BOTH);
  say (RST, 5000, 80, 0, "");
  expect_nothing ();
  assert_int_equal (guest.vsock->n_conns, 0);
}

/* The guest has 4096 bytes of room: no more come, it is asked once, then it goes on. */
static void
test_credit_of_the_guest (void **state)
{
  struct virtio_vsock_hdr update = guest_header (VIRTIO_VSOCK_OP_CREDIT_UPDATE, 5000, 80);
  struct vsock_packet packet;
  char bytes[10000] = "";
  unsigned total = 0;
  int fd;

  begin (32);
  fd = connected ();
  assert_int_equal (send (fd, bytes, sizeof bytes, 0), (int) sizeof bytes);
  for (look (); (packet = next ()).hdr.op == RW;)
    total += packet.hdr.len;
  assert_int_equal (total, 4096);
  assert_int_equal (packet.hdr.op, VIRTIO_VSOCK_OP_CREDIT_REQUEST);
  look ();
  expect_nothing ();
  update.fwd_cnt = 100;
  guest_send (&guest, &update, NULL, 0);
  assert_int_equal (expect (RW, 5000).hdr.len, 100);
  expect (VIRTIO_VSOCK_OP_CREDIT_REQUEST, 5000);
  update.fwd_cnt = 50; /* more under way than it has room for */
  guest_send (&guest, &update, NULL, 0);
  expect_nothing ();
  update.buf_alloc = 0;
  guest_send (&guest, &update, NULL, 0);
  expect_nothing ();
  close (fd);
}

/* A program that does not read: so much is kept, and who sends more has lost. */
static void
test_credit_of_ours (void **state)
{
  struct virtio_vsock_hdr hdr = guest_header (RW, 5000, 80);
  static uint8_t bytes[16384];
  struct vsock_packet packet;
  unsigned sent = 0;
  int fd;

  begin (32);
  fd = connected ();
  hdr.len = sizeof bytes;
  while (guest.vsock->n_conns > 0 && sent < (4u << 20))
    {
      guest_send (&guest, &hdr, bytes, sizeof bytes);
      sent += sizeof bytes;
      for (unsigned i = 0; guest.vsock->conns[0] && i < VSOCK_CONNS_MAX; i++)
        assert_true (!guest.vsock->conns[i] || guest.vsock->conns[i]->len <= VSOCK_BUFFER);
      while (guest_receive (&guest, &packet))
        guest_give (&guest, 1);
    }
  assert_int_equal (packet.hdr.op, RST);
  assert_true (sent > VSOCK_BUFFER && sent < (4u << 20));
  close (fd);
}

/* What is kept arrives, in order, with the end behind it. */
static void
test_slow_program (void **state)
{
  struct virtio_vsock_hdr hdr = guest_header (RW, 5000, 80);
  uint8_t bytes[4096], back[4096];
  struct vsock_packet packet;
  uint32_t done = 0, sent = 0, got = 0;
  int fd;

  begin (32);
  fd = connected ();
  hdr.len = sizeof bytes;
  while (sent - done + sizeof bytes <= VSOCK_BUFFER) /* as much as a driver may */
    {
      memset (bytes, (int) (sent / sizeof bytes), sizeof bytes);
      guest_send (&guest, &hdr, bytes, sizeof bytes);
      sent += sizeof bytes;
      while (guest_receive (&guest, &packet))
        {
          done = packet.hdr.fwd_cnt;
          guest_give (&guest, 1);
        }
    }
  say (VIRTIO_VSOCK_OP_SHUTDOWN, 5000, 80, BOTH, "");
  for (ssize_t n; (n = recv (fd, back, sizeof back, MSG_DONTWAIT)) != 0;)
    {
      if (n < 0)
        {
          assert_int_equal (errno, EAGAIN);
          look ();
          continue;
        }
      for (ssize_t i = 0; i < n; i++, got++)
        assert_int_equal (back[i], (uint8_t) (got / sizeof bytes));
    }
  assert_int_equal (got, sent);
  close (fd);
}

static void
test_refusals (void **state)
{
  struct virtio_vsock_hdr hdr;
  struct vsock_packet packet;
  int fd;

  begin (8);
  say (VIRTIO_VSOCK_OP_REQUEST, 5000, 81, 0, ""); /* nobody listens */
  expect (RST, 5000);
  say (RW, 5000, 81, 0, "lost");
  assert_int_equal (expect (RST, 5000).hdr.src_port, 81);
  say (RST, 5000, 81, 0, "");
  expect_nothing ();
  hdr = guest_header (VIRTIO_VSOCK_OP_REQUEST, 5000, 80);
  hdr.type = VIRTIO_VSOCK_TYPE_SEQPACKET;
  guest_send (&guest, &hdr, NULL, 0);
  packet = next ();
  assert_int_equal (packet.hdr.op, RST);
  assert_int_equal (packet.hdr.type, VIRTIO_VSOCK_TYPE_SEQPACKET);
  hdr = guest_header (RW, 5000, 80);
  hdr.src_cid = 8;
  guest_send (&guest, &hdr, NULL, 0);
  hdr = guest_header (RW, 5000, 80);
  hdr.dst_cid = 9;
  guest_send (&guest, &hdr, NULL, 0);
  expect_nothing ();
  fd = connected ();
  hdr = guest_header (RW, 5000, 80);
  hdr.len = 5; /* and has four */
  guest_send (&guest, &hdr, "four", 4);
  expect (RST, 5000);
  expect_end (fd);
  close (fd);
  fd = connected ();
  say (VIRTIO_VSOCK_OP_REQUEST, 5000, 80, 0, ""); /* again */
  expect (RST, 5000);
  close (fd);
  fd = connected ();
  say (99, 5000, 80, 0, "");
  expect (RST, 5000);
  close (fd);
  assert_int_equal (guest.vsock->n_conns, 0);
}

static uint16_t
taken (void)
{
  struct virtq_config ring = guest_ring (&guest, VIRTIO_VSOCK_QUEUE_TX);

  return ((struct virtio_used *) guest_at (&guest, ring.device))->idx;
}

/* Without buffers for the answers, packets wait in their ring. */
static void
test_answers_are_bounded (void **state)
{
  struct virtio_vsock_hdr hdr = guest_header (RW, 1, 2);
  unsigned answers = 0;
  struct vsock_packet packet;

  begin (0);
  for (unsigned i = 0; i < VSOCK_RESETS_MAX + 20; i++)
    guest_send (&guest, &hdr, NULL, 0);
  assert_int_equal (taken (), VSOCK_RESETS_MAX);
  guest_give (&guest, RING);
  for (vdev_kick (guest.dev, VIRTIO_VSOCK_QUEUE_TX); guest_receive (&guest, &packet); answers++)
    {
      guest_give (&guest, 1);
      vdev_kick (guest.dev, VIRTIO_VSOCK_QUEUE_TX);
    }
  assert_int_equal (answers, VSOCK_RESETS_MAX + 20);
  assert_int_equal (taken (), VSOCK_RESETS_MAX + 20);
}

static void
test_connections_are_bounded (void **state)
{
  int all, fd;

  begin (32);
  all = listener (80);
  for (unsigned i = 0; i < VSOCK_CONNS_MAX; i++)
    {
      say (VIRTIO_VSOCK_OP_REQUEST, i, 80, 0, "");
      expect (VIRTIO_VSOCK_OP_RESPONSE, i);
    }
  say (VIRTIO_VSOCK_OP_REQUEST, VSOCK_CONNS_MAX, 80, 0, "");
  expect (RST, VSOCK_CONNS_MAX);
  close (program ("CONNECT 5\n"));
  expect_nothing ();
  fd = accept (all, NULL, NULL);
  vdev_reset (guest.dev); /* forgets all of them */
  expect_end (fd);
  assert_int_equal (guest.vsock->n_conns, 0);
  close (fd);
  fd = program ("CONNECT 5\n"); /* no driver */
  assert_int_equal (guest.vsock->n_conns, 0);
  close (fd);
  close (all);
}

/* Buffers without room for a header are given back, those for nothing else hold no data. */
static void
test_small_buffers (void **state)
{
  struct virtq_config ring;
  struct virtio_desc *desc;
  struct virtio_used *used;
  int fd;

  begin (3);
  ring = guest_ring (&guest, VIRTIO_VSOCK_QUEUE_RX);
  desc = guest_at (&guest, ring.desc);
  used = guest_at (&guest, ring.device);
  desc[0].len = 43;
  desc[1].len = 44;
  say (RW, 5000, 81, 0, "");
  assert_int_equal (used->idx, 2);
  assert_int_equal (used->ring[0].len, 0);
  assert_int_equal (used->ring[1].len, 44);
  guest.rx_seen = 2;
  fd = connected ();
  /* One without room for data does not keep the data that is there: the worker would look
   * at it for ever. */
  desc[3].len = 44;
  send (fd, "x", 1, 0);
  look ();
  assert_int_equal (used->idx, 4);
  assert_int_equal (used->ring[3].len, 0);
  guest.rx_seen = 4;
  guest_give (&guest, 1);
  assert_int_equal (expect (RW, 5000).hdr.len, 1);
  assert_int_equal (guest.broken, 0);
  close (fd);
}

static void
wait_for (int fd, char *line, size_t size)
{
  struct pollfd waiting = { fd, POLLIN, 0 };

  assert_int_equal (poll (&waiting, 1, 60000), 1);
  line[recv (fd, line, size - 1, 0)] = '\0';
}

/* With its thread: a program by the path, refused without a driver, then answered. */
static void
test_worker (void **state)
{
  struct sockaddr_un address = { .sun_family = AF_UNIX };
  int kicks[2] = { eventfd (0, EFD_NONBLOCK), eventfd (0, EFD_NONBLOCK) }, fd;
  struct vsock_packet packet;
  char line[32], want[32];

  begin (0);
  vdev_reset (guest.dev);
  assert_int_equal (vdev_start_workers (guest.dev), 0);
  strcpy (address.sun_path, guest.path);
  for (int driver = 0; driver < 2; driver++)
    {
      if (driver)
        assert_true (guest_start (&guest, kicks));
      if (driver)
        guest_give (&guest, 8);
      fd = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
      assert_int_equal (connect (fd, (struct sockaddr *) &address, sizeof address), 0);
      send (fd, "CONNECT 77\n", 11, MSG_NOSIGNAL);
      if (!driver)
        {
          struct pollfd waiting = { fd, POLLIN, 0 };

          assert_int_equal (poll (&waiting, 1, 60000), 1);
          close (fd);
        }
    }
  while (!guest_receive (&guest, &packet))
    sched_yield ();
  assert_int_equal (packet.hdr.op, VIRTIO_VSOCK_OP_REQUEST);
  say (VIRTIO_VSOCK_OP_RESPONSE, 77, packet.hdr.src_port, 0, "");
  wait_for (fd, line, sizeof line);
  snprintf (want, sizeof want, "OK %u\n", packet.hdr.src_port);
  assert_string_equal (line, want);
  say (RW, 77, packet.hdr.src_port, 0, "words");
  wait_for (fd, line, sizeof line);
  assert_string_equal (line, "words");
  close (fd);
  while (!guest_receive (&guest, &packet) || packet.hdr.op != VIRTIO_VSOCK_OP_SHUTDOWN)
    sched_yield ();
  vdev_free (guest.dev);
  guest.dev = NULL;
  assert_int_not_equal (access (guest.path, F_OK), 0);
  strcat (address.sun_path, "_80");
  unlink (address.sun_path);
  *strrchr (guest.path, '/') = '\0';
  assert_int_equal (rmdir (guest.path), 0);
  close (kicks[0]);
  close (kicks[1]);
}

static void
test_options (void **state)
{
  static const char *const bad[][4] = {
    { "cid", "2", "socket", "/tmp/x" },          { "cid", "4294967295", "socket", "/tmp/x" },
    { "cid", "3", "colour", "red" },             { "cid", "3", "socket", "/nowhere/at/all" },
    { "socket", "/tmp/x", "packed", "on" },      { "cid", "3", "packed", "off" },
  };
  struct vdev *dev;

  for (unsigned i = 0; i < sizeof bad / sizeof bad[0]; i++)
    {
      struct options options = { 0 };

      options_add (&options, bad[i][0], bad[i][1]);
      options_add (&options, bad[i][2], bad[i][3]);
      assert_true (vsock_create (&options, &dev) < 0);
    }
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_guest_begins),
    cmocka_unit_test (test_host_begins),
    cmocka_unit_test (test_greetings),
    cmocka_unit_test (test_half_closes),
    cmocka_unit_test (test_credit_of_the_guest),
    cmocka_unit_test (test_credit_of_ours),
    cmocka_unit_test (test_slow_program),
    cmocka_unit_test (test_refusals),
    cmocka_unit_test (test_answers_are_bounded),
    cmocka_unit_test (test_connections_are_bounded),
    cmocka_unit_test (test_small_buffers),
    cmocka_unit_test (test_worker),
    cmocka_unit_test (test_options),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
