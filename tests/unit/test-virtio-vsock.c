/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The socket driver over the fake transport: streams both ways, credit, the ends of
 * connections. */
#include "vsock-bench.h"

static void
echoes (struct bench *bench, unsigned c, unsigned bytes)
{
  uint8_t out[3 * VIRTIO_VSOCK_WINDOW], in[sizeof out];
  unsigned sent = 0, got = 0;

  for (unsigned i = 0; i < bytes; i++)
    out[i] = (uint8_t) (i * 7 + i / 251 + bytes);
  for (unsigned round = 0; got < bytes; round++)
    {
      unsigned part = MIN (bytes - sent, VIRTIO_VSOCK_WINDOW - (sent - got));
      int n = virtio_vsock_send (&bench->vsock, c, out + sent, part);

      assert_true (n >= 0 && round < 1000);
      sent += (unsigned) n;
      poll_all (bench);
      n = virtio_vsock_receive (&bench->vsock, c, in + got, MIN (1 + bytes / 3, bytes - got));
      assert_true (n >= 0);
      got += (unsigned) n;
    }
  assert_memory_equal (in, out, bytes);
  assert_int_equal (virtio_vsock_receive (&bench->vsock, c, in, 1), 0);
}

static void
streams_over_every_ring (void **state G_GNUC_UNUSED)
{
  static const uint64_t rings[] = { 0, VIRTIO_BIT (VIRTIO_F_RING_PACKED), VIRTIO_BIT (VIRTIO_F_EVENT_IDX),
                                    VIRTIO_BIT (VIRTIO_F_RING_PACKED) | VIRTIO_BIT (VIRTIO_F_EVENT_IDX)
                                      | VIRTIO_BIT (VIRTIO_F_INDIRECT_DESC) };

  for (unsigned i = 0; i < G_N_ELEMENTS (rings); i++)
    {
      struct bench bench;
      unsigned c;

      setup (&bench, rings[i] | VIRTIO_BIT (VIRTIO_VSOCK_F_STREAM), i % 2 ? 8 : 64);
      assert_int_equal (virtio_vsock_start (&bench.vsock, &bench.fake.transport, &quick), 0);
      assert_int_equal (bench.vsock.cid, FAKE_GUEST_CID);
      c = connect_to (&bench, FAKE_ECHO);
      for (unsigned bytes = 1; bytes < 3 * VIRTIO_VSOCK_WINDOW; bytes += 1999)
        echoes (&bench, c, bytes);
      assert_int_equal (virtio_vsock_close (&bench.vsock, c), 0);
      assert_int_equal (bench.host.last.flags, BOTH);
      poll_all (&bench);
      assert_int_equal (bench.vsock.connections[c].state, VIRTIO_VSOCK_FREE);
      finish (&bench);
    }
}

static void
refusals (void **state G_GNUC_UNUSED)
{
  struct bench bench;

  start (&bench);
  assert_int_equal (virtio_vsock_connect (&bench.vsock, HOST, 99), -VIRTIO_ECONNREFUSED);
  bench.host.mute = true;
  assert_int_equal (virtio_vsock_connect (&bench.vsock, HOST, FAKE_ECHO), -VIRTIO_ETIMEDOUT);
  assert_int_equal (virtio_vsock_poll (&bench.vsock), 0);
  assert_int_equal (bench.host.said[VIRTIO_VSOCK_OP_RST], 1); /* it is given up */
  bench.host.mute = false;
  for (unsigned i = 0; i < VIRTIO_VSOCK_CONNECTIONS; i++)
    connect_to (&bench, FAKE_SINK);
  assert_int_equal (virtio_vsock_connect (&bench.vsock, HOST, FAKE_ECHO), -VIRTIO_EAGAIN);
  assert_int_equal (virtio_vsock_send (&bench.vsock, 8, "x", 1), -VIRTIO_EINVAL);
  assert_int_equal (virtio_vsock_receive (&bench.vsock, UINT32_MAX, NULL, 0), -VIRTIO_EINVAL);
  finish (&bench);
}

static void
listening (void **state G_GNUC_UNUSED)
{
  struct bench bench;
  char text[8];
  unsigned c;

  start (&bench);
  say (&bench, 70, 5, VIRTIO_VSOCK_OP_REQUEST, 0, NULL, 0);
  poll_all (&bench);
  assert_int_equal (bench.host.last.op, VIRTIO_VSOCK_OP_RST); /* nobody listens */
  assert_int_equal (bench.host.last.dst_port, 70);
  assert_int_equal (virtio_vsock_listen (&bench.vsock, 5), 0);
  assert_int_equal (virtio_vsock_listen (&bench.vsock, 5), -VIRTIO_EINVAL);
  assert_int_equal (virtio_vsock_accept (&bench.vsock, 5), -VIRTIO_EAGAIN);
  c = incoming (&bench, 70);
  say (&bench, 70, 5, VIRTIO_VSOCK_OP_RW, 0, "hello", 5);
  poll_all (&bench);
  assert_int_equal (virtio_vsock_receive (&bench.vsock, c, text, sizeof text), 5);
  assert_memory_equal (text, "hello", 5);
  assert_int_equal (virtio_vsock_send (&bench.vsock, c, "you", 3), 3);
  assert_int_equal (bench.host.last.len, 3);
  assert_int_equal (bench.host.last.fwd_cnt, 5);
  say (&bench, 71, 5, VIRTIO_VSOCK_OP_REQUEST, 0, NULL, 0); /* one that nobody accepts */
  poll_all (&bench);
  say (&bench, 72, 5, VIRTIO_VSOCK_OP_REQUEST, 0, NULL, 0); /* and one that goes again */
  say (&bench, 72, 5, VIRTIO_VSOCK_OP_RST, 0, NULL, 0);
  poll_all (&bench);
  assert_int_equal (virtio_vsock_ignore (&bench.vsock, 5), 0);
  assert_int_equal (bench.host.last.op, VIRTIO_VSOCK_OP_RST);
  assert_int_equal (bench.host.last.dst_port, 71);
  assert_int_equal (virtio_vsock_ignore (&bench.vsock, 5), -VIRTIO_EINVAL);
  for (uint32_t port = 100; port < 100 + VIRTIO_VSOCK_LISTENERS; port++)
    assert_int_equal (virtio_vsock_listen (&bench.vsock, port), 0);
  assert_int_equal (virtio_vsock_listen (&bench.vsock, 99), -VIRTIO_EAGAIN);
  finish (&bench);
}

/* Own ports go around and pass by those in use. */
static void
ports_are_not_given_twice (void **state G_GNUC_UNUSED)
{
  struct bench bench;
  unsigned c;

  start (&bench);
  bench.vsock.next_port = UINT32_MAX - 2;
  assert_int_equal (virtio_vsock_listen (&bench.vsock, 1024), 0);
  c = connect_to (&bench, FAKE_SINK);
  assert_int_equal (bench.vsock.connections[c].ends.port, UINT32_MAX - 1);
  c = connect_to (&bench, FAKE_SINK);
  assert_int_equal (bench.vsock.connections[c].ends.port, 1025);
  bench.vsock.next_port = 1024;
  c = connect_to (&bench, FAKE_SINK);
  assert_int_equal (bench.vsock.connections[c].ends.port, 1026);
  finish (&bench);
}

/* Not a byte more than the peer has room for, whatever it says and takes back. */
static void
credit_is_kept (void **state G_GNUC_UNUSED)
{
  static uint8_t data[9000];
  struct bench bench;
  uint32_t port;
  unsigned c;

  start (&bench);
  bench.host.alloc = 3000;
  c = connect_to (&bench, FAKE_SINK);
  port = bench.vsock.connections[c].ends.port;
  assert_int_equal (virtio_vsock_send (&bench.vsock, c, data, sizeof data), 3000);
  assert_int_equal (virtio_vsock_send (&bench.vsock, c, data, sizeof data), 0);
  assert_int_equal (bench.host.said[VIRTIO_VSOCK_OP_CREDIT_REQUEST], 1); /* asked once */
  bench.host.alloc = 2000; /* taken back */
  bench.host.fwd[port % FAKE_PEERS] = 500;
  say (&bench, FAKE_SINK, port, VIRTIO_VSOCK_OP_CREDIT_UPDATE, 0, NULL, 0);
  poll_all (&bench);
  assert_int_equal (virtio_vsock_send (&bench.vsock, c, data, sizeof data), 0);
  assert_int_equal (bench.host.said[VIRTIO_VSOCK_OP_CREDIT_REQUEST], 2);
  bench.host.fwd[port % FAKE_PEERS] = 3000;
  say (&bench, FAKE_SINK, port, VIRTIO_VSOCK_OP_CREDIT_UPDATE, 0, NULL, 0);
  poll_all (&bench);
  assert_int_equal (virtio_vsock_send (&bench.vsock, c, data, sizeof data), 2000);
  bench.vsock.connections[c].sent = bench.vsock.connections[c].peer_fwd = UINT32_MAX - 10; /* around */
  assert_int_equal (virtio_vsock_send (&bench.vsock, c, data, 100), 100);
  bench.host.fwd[port % FAKE_PEERS] = 89;
  say (&bench, FAKE_SINK, port, VIRTIO_VSOCK_OP_CREDIT_UPDATE, 0, NULL, 0);
  poll_all (&bench);
  assert_int_equal (bench.vsock.connections[c].state, VIRTIO_VSOCK_OPEN);
  assert_int_equal (virtio_vsock_send (&bench.vsock, c, data, sizeof data), 2000);
  bench.host.fwd[port % FAKE_PEERS] = 50; /* back again */
  say (&bench, FAKE_SINK, port, VIRTIO_VSOCK_OP_CREDIT_UPDATE, 0, NULL, 0);
  poll_all (&bench);
  assert_int_equal (virtio_vsock_send (&bench.vsock, c, data, 1), -VIRTIO_ECONNRESET);
  finish (&bench);
}

/* A reader who does not read keeps its peer waiting, who is told when there is room. */
static void
credit_is_given (void **state G_GNUC_UNUSED)
{
  static uint8_t data[VIRTIO_VSOCK_WINDOW];
  struct bench bench;
  unsigned c;

  start (&bench);
  assert_int_equal (virtio_vsock_listen (&bench.vsock, 5), 0);
  c = incoming (&bench, 70);
  assert_int_equal (bench.host.last.buf_alloc, VIRTIO_VSOCK_WINDOW);
  for (unsigned i = 0; i < 8; i++)
    {
      say (&bench, 70, 5, VIRTIO_VSOCK_OP_RW, 0, data, VIRTIO_VSOCK_WINDOW / 8);
      poll_all (&bench);
    }
  say (&bench, 70, 5, VIRTIO_VSOCK_OP_CREDIT_REQUEST, 0, NULL, 0);
  poll_all (&bench);
  assert_int_equal (bench.host.last.op, VIRTIO_VSOCK_OP_CREDIT_UPDATE);
  assert_int_equal (bench.host.last.fwd_cnt, 0);
  assert_int_equal (virtio_vsock_receive (&bench.vsock, c, data, VIRTIO_VSOCK_WINDOW / 2 - 1),
                    VIRTIO_VSOCK_WINDOW / 2 - 1);
  assert_int_equal (bench.host.said[VIRTIO_VSOCK_OP_CREDIT_UPDATE], 1);
  assert_int_equal (virtio_vsock_receive (&bench.vsock, c, data, 1), 1);
  assert_int_equal (bench.host.said[VIRTIO_VSOCK_OP_CREDIT_UPDATE], 2);
  assert_int_equal (bench.host.last.fwd_cnt, VIRTIO_VSOCK_WINDOW / 2);
  say (&bench, 70, 5, VIRTIO_VSOCK_OP_RW, 0, data, 1800);
  say (&bench, 70, 5, VIRTIO_VSOCK_OP_RW, 0, data, 1800);
  poll_all (&bench);
  assert_int_equal (bench.vsock.connections[c].state, VIRTIO_VSOCK_OPEN);
  say (&bench, 70, 5, VIRTIO_VSOCK_OP_RW, 0, data, 1800); /* more than there is room for */
  poll_all (&bench);
  assert_int_equal (bench.host.last.op, VIRTIO_VSOCK_OP_RST);
  assert_int_equal (virtio_vsock_send (&bench.vsock, c, data, 1), -VIRTIO_ECONNRESET);
  assert_int_equal (virtio_vsock_receive (&bench.vsock, c, data, sizeof data), 7696); /* what came is there */
  assert_int_equal (virtio_vsock_receive (&bench.vsock, c, data, sizeof data), -VIRTIO_ECONNRESET);
  assert_int_equal (virtio_vsock_end (&bench.vsock, c), -VIRTIO_ECONNRESET);
  assert_int_equal (virtio_vsock_close (&bench.vsock, c), 0);
  finish (&bench);
}

static void
both_ends_end (void **state G_GNUC_UNUSED)
{
  struct bench bench;
  char text[8];
  unsigned c;

  start (&bench);
  assert_int_equal (virtio_vsock_listen (&bench.vsock, 5), 0);
  c = incoming (&bench, 70);
  assert_int_equal (virtio_vsock_end (&bench.vsock, c), 0); /* we send no more */
  assert_int_equal (bench.host.last.op, VIRTIO_VSOCK_OP_SHUTDOWN);
  assert_int_equal (bench.host.last.flags, VIRTIO_VSOCK_SHUTDOWN_SEND);
  assert_int_equal (virtio_vsock_send (&bench.vsock, c, "x", 1), -VIRTIO_ECONNRESET);
  say (&bench, 70, 5, VIRTIO_VSOCK_OP_RW, 0, "late", 4); /* the peer still does */
  say (&bench, 70, 5, VIRTIO_VSOCK_OP_SHUTDOWN, VIRTIO_VSOCK_SHUTDOWN_SEND, NULL, 0);
  say (&bench, 70, 5, VIRTIO_VSOCK_OP_SHUTDOWN, VIRTIO_VSOCK_SHUTDOWN_RECEIVE, NULL, 0);
  poll_all (&bench);
  assert_int_equal (bench.host.said[VIRTIO_VSOCK_OP_RST], 0); /* something is unread */
  assert_int_equal (virtio_vsock_receive (&bench.vsock, c, text, sizeof text), 4);
  assert_int_equal (bench.host.said[VIRTIO_VSOCK_OP_RST], 1);
  assert_int_equal (virtio_vsock_receive (&bench.vsock, c, text, sizeof text), -VIRTIO_ENODATA);
  assert_int_equal (virtio_vsock_close (&bench.vsock, c), 0);
  assert_int_equal (virtio_vsock_close (&bench.vsock, c), -VIRTIO_EINVAL);
  c = incoming (&bench, 71);
  say (&bench, 71, 5, VIRTIO_VSOCK_OP_RW, 0, "unread", 6);
  say (&bench, 71, 5, VIRTIO_VSOCK_OP_SHUTDOWN, BOTH, NULL, 0);
  poll_all (&bench);
  assert_int_equal (virtio_vsock_close (&bench.vsock, c), 0); /* never read */
  assert_int_equal (bench.host.said[VIRTIO_VSOCK_OP_RST], 2);
  c = incoming (&bench, 72);
  say (&bench, 72, 5, VIRTIO_VSOCK_OP_SHUTDOWN, VIRTIO_VSOCK_SHUTDOWN_SEND, NULL, 0);
  say (&bench, 72, 5, VIRTIO_VSOCK_OP_RW, 0, "breach", 6); /* behind its end */
  poll_all (&bench);
  assert_int_equal (bench.host.said[VIRTIO_VSOCK_OP_RST], 3);
  finish (&bench);
}

/* A peer that never agrees is reset when its time is over; what it sends meanwhile
 * goes nowhere. */
static void
closing_ends (void **state G_GNUC_UNUSED)
{
  struct bench bench;
  unsigned c;

  start (&bench);
  assert_int_equal (virtio_vsock_listen (&bench.vsock, 5), 0);
  c = incoming (&bench, 70);
  bench.host.mute = true;
  assert_int_equal (virtio_vsock_close (&bench.vsock, c), 0);
  assert_int_equal (virtio_vsock_send (&bench.vsock, c, "x", 1), -VIRTIO_EINVAL);
  say (&bench, 70, 5, VIRTIO_VSOCK_OP_RW, 0, "late", 4);
  poll_all (&bench);
  assert_int_equal (bench.vsock.connections[c].state, VIRTIO_VSOCK_CLOSING);
  bench.platform.now_us += VIRTIO_VSOCK_CLOSE_MS * 1000;
  poll_all (&bench);
  assert_int_equal (bench.host.last.op, VIRTIO_VSOCK_OP_RST);
  assert_int_equal (bench.vsock.connections[c].state, VIRTIO_VSOCK_FREE);
  finish (&bench);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (streams_over_every_ring),
    cmocka_unit_test (refusals),
    cmocka_unit_test (listening),
    cmocka_unit_test (ports_are_not_given_twice),
    cmocka_unit_test (credit_is_kept),
    cmocka_unit_test (credit_is_given),
    cmocka_unit_test (both_ends_end),
    cmocka_unit_test (closing_ends),
  };

  return cmocka_run_group_tests_name ("virtio-vsock", tests, NULL, NULL);
}
