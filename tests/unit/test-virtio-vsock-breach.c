/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The socket driver and a host or a device that breaks the rules. */
#include "vsock-bench.h"

/* 5.10.6.4.1, and what a foreign packet may do to a connection. */
static void
breaches_cost_a_connection (void **state G_GNUC_UNUSED)
{
  static const uint16_t ops[] = { VIRTIO_VSOCK_OP_INVALID, VIRTIO_VSOCK_OP_REQUEST,
                                  VIRTIO_VSOCK_OP_RESPONSE, 8, 65535 };
  struct bench bench;
  struct virtio_vsock_hdr hdr = { .src_cid = HOST, .dst_cid = FAKE_GUEST_CID, .src_port = 80,
                                  .dst_port = 5, .type = 77, .op = VIRTIO_VSOCK_OP_RW };

  start (&bench);
  assert_int_equal (virtio_vsock_listen (&bench.vsock, 5), 0);
  for (uint32_t i = 0; i < G_N_ELEMENTS (ops); i++)
    {
      unsigned c = incoming (&bench, 70 + i);

      say (&bench, 70 + i, 5, ops[i], 0, NULL, 0);
      poll_all (&bench);
      assert_int_equal (bench.host.said[VIRTIO_VSOCK_OP_RST], i + 1);
      assert_int_equal (virtio_vsock_send (&bench.vsock, c, "x", 1), -VIRTIO_ECONNRESET);
      assert_int_equal (virtio_vsock_close (&bench.vsock, c), 0);
    }
  fake_vsock_say (&bench.fake, &hdr, NULL); /* V3: a type nobody knows */
  poll_all (&bench);
  assert_int_equal (bench.host.last.op, VIRTIO_VSOCK_OP_RST);
  assert_int_equal (bench.host.last.type, 77);
  hdr.op = VIRTIO_VSOCK_OP_RST; /* which is not answered */
  fake_vsock_say (&bench.fake, &hdr, NULL);
  poll_all (&bench);
  assert_int_equal (bench.host.said[VIRTIO_VSOCK_OP_RST], G_N_ELEMENTS (ops) + 1);
  bench.host.fwd[5] = 1; /* has read before anything was sent */
  say (&bench, 90, 5, VIRTIO_VSOCK_OP_REQUEST, 0, NULL, 0);
  poll_all (&bench);
  assert_int_equal (bench.host.said[VIRTIO_VSOCK_OP_RST], G_N_ELEMENTS (ops) + 2);
  finish (&bench);
}

static void
nonsense_is_ignored (void **state G_GNUC_UNUSED)
{
  struct virtio_vsock_hdr hdr = { .src_cid = HOST, .dst_cid = 55, .type = VIRTIO_VSOCK_TYPE_STREAM,
                                  .op = VIRTIO_VSOCK_OP_REQUEST };
  struct bench bench;
  struct fake_chain chain;

  start (&bench);
  fake_vsock_say (&bench.fake, &hdr, NULL); /* for somebody else */
  assert_true (fake_pop (&bench.fake, VIRTIO_VSOCK_QUEUE_RX, &chain));
  fake_push (&bench.fake, VIRTIO_VSOCK_QUEUE_RX, &chain, 43); /* no whole header */
  hdr.dst_cid = FAKE_GUEST_CID;
  hdr.len = 1000;
  assert_true (fake_pop (&bench.fake, VIRTIO_VSOCK_QUEUE_RX, &chain));
  memcpy (chain.segs[0].mem, &hdr, sizeof hdr);
  fake_push (&bench.fake, VIRTIO_VSOCK_QUEUE_RX, &chain, 100); /* fewer bytes than it says */
  poll_all (&bench);
  assert_int_equal (bench.vsock.ignored, 3);
  fake_vsock_event (&bench.fake, 17, 4);
  fake_vsock_event (&bench.fake, VIRTIO_VSOCK_EVENT_TRANSPORT_RESET, 2);
  poll_all (&bench);
  assert_int_equal (bench.vsock.ignored, 5);
  assert_int_equal (bench.host.said[VIRTIO_VSOCK_OP_RST], 0);
  finish (&bench);
}

/* V1: what comes is taken though nothing can be sent, as long as answers have a place
 * to wait; and they are sent later. */
static void
neither_direction_waits (void **state G_GNUC_UNUSED)
{
  struct bench bench;
  unsigned c, sent = 0;
  char text[8];

  start (&bench);
  assert_int_equal (virtio_vsock_listen (&bench.vsock, 5), 0);
  c = incoming (&bench, 70);
  bench.fake.process = NULL; /* takes nothing more */
  for (unsigned i = 0; i < 100; i++)
    sent += virtio_vsock_send (&bench.vsock, c, "x", 1) == 1;
  assert_int_equal (sent, VIRTIO_VSOCK_BUFFERS);
  say (&bench, 70, 5, VIRTIO_VSOCK_OP_RW, 0, "in", 2);
  poll_all (&bench);
  assert_int_equal (virtio_vsock_receive (&bench.vsock, c, text, sizeof text), 2);
  for (unsigned i = 0; i < VIRTIO_VSOCK_BUFFERS; i++) /* of nobody's */
    say (&bench, 200 + i, 6, VIRTIO_VSOCK_OP_RW, 0, NULL, 0);
  poll_all (&bench);
  assert_int_equal (bench.vsock.n_resets, VIRTIO_VSOCK_RESETS);
  say (&bench, 300, 6, VIRTIO_VSOCK_OP_RW, 0, NULL, 0); /* this one must wait */
  assert_int_equal (virtio_vsock_poll (&bench.vsock), 0);
  bench.fake.process = fake_vsock_process;
  fake_vsock_process (&bench.fake, VIRTIO_VSOCK_QUEUE_TX);
  poll_all (&bench);
  poll_all (&bench);
  assert_int_equal (bench.host.said[VIRTIO_VSOCK_OP_RW], VIRTIO_VSOCK_BUFFERS);
  assert_int_equal (bench.host.said[VIRTIO_VSOCK_OP_RST], VIRTIO_VSOCK_RESETS + 1);
  finish (&bench);
}

/* 5.10.6.7.1: another ID, no connections, and who listens goes on. */
static void
the_guest_has_moved (void **state G_GNUC_UNUSED)
{
  struct bench bench;
  unsigned c, closing;
  char text[4];

  start (&bench);
  assert_int_equal (virtio_vsock_listen (&bench.vsock, 5), 0);
  c = incoming (&bench, 70);
  closing = incoming (&bench, 71);
  bench.host.mute = true;
  assert_int_equal (virtio_vsock_close (&bench.vsock, closing), 0);
  bench.fake.config[0] = 44;
  fake_vsock_event (&bench.fake, VIRTIO_VSOCK_EVENT_TRANSPORT_RESET, 4);
  assert_int_equal (virtio_vsock_poll (&bench.vsock), 1);
  assert_int_equal (bench.vsock.cid, 44);
  assert_int_equal (virtio_vsock_receive (&bench.vsock, c, text, sizeof text), -VIRTIO_ECONNRESET);
  assert_int_equal (bench.vsock.connections[closing].state, VIRTIO_VSOCK_FREE);
  assert_int_equal (bench.host.said[VIRTIO_VSOCK_OP_RST], 0); /* nobody is told */
  bench.fake.config[0] = FAKE_GUEST_CID;
  fake_vsock_event (&bench.fake, VIRTIO_VSOCK_EVENT_TRANSPORT_RESET, 4);
  assert_int_equal (virtio_vsock_poll (&bench.vsock), 1);
  incoming (&bench, 72);
  bench.fake.config[0] = 1; /* nobody's guest */
  fake_vsock_event (&bench.fake, VIRTIO_VSOCK_EVENT_TRANSPORT_RESET, 4);
  assert_int_equal (virtio_vsock_poll (&bench.vsock), -VIRTIO_EPROTO);
  assert_int_equal (virtio_vsock_poll (&bench.vsock), -VIRTIO_EIO);
  finish (&bench);
}

/* Packets without end keep neither a poll nor a connect. */
static void
rain (struct fake_device *device, uint16_t index)
{
  const struct virtio_vsock_hdr hdr = { .src_cid = HOST, .dst_cid = 55 };

  while (fake_vsock_say (device, &hdr, NULL))
    ;
  fake_want (device, index, true);
}

static void
waits_are_bounded (void **state G_GNUC_UNUSED)
{
  struct bench bench;

  start (&bench);
  bench.platform.step_us = 1000;
  bench.fake.process = rain;
  assert_int_equal (virtio_vsock_connect (&bench.vsock, HOST, FAKE_ECHO), -VIRTIO_ETIMEDOUT);
  assert_true (bench.vsock.ignored > 20);
  assert_in_range (virtio_vsock_poll (&bench.vsock), 1, VIRTIO_VSOCK_POLL_MAX);
  bench.fake.status |= VIRTIO_STATUS_NEEDS_RESET;
  bench.fake.process = fake_vsock_process;
  bench.host.mute = true;
  bench.platform.step_us = 5000;
  poll_all (&bench);
  assert_int_equal (virtio_vsock_connect (&bench.vsock, HOST, FAKE_ECHO), -VIRTIO_EIO);
  finish (&bench);
}

static void
dead_queues (void **state G_GNUC_UNUSED)
{
  for (uint16_t index = 0; index < 3; index++)
    {
      struct bench bench;
      unsigned c;

      start (&bench);
      c = connect_to (&bench, FAKE_ECHO);
      fake_push_raw (&bench.fake, index, 999, 0, 1); /* foreign */
      assert_int_equal (virtio_vsock_poll (&bench.vsock), -VIRTIO_EIO);
      assert_int_equal (virtio_vsock_send (&bench.vsock, c, "x", 1), -VIRTIO_EIO);
      assert_int_equal (virtio_vsock_close (&bench.vsock, c), -VIRTIO_EIO);
      finish (&bench);
    }
}

static void
starts_that_fail (void **state G_GNUC_UNUSED)
{
  static const uint64_t nobody[] = { 0, 1, 2, 0xffffffff, UINT64_C (3) << 32, UINT64_MAX };
  struct bench bench;

  for (unsigned i = 0; i < G_N_ELEMENTS (nobody); i++)
    {
      setup (&bench, 0, 16);
      memcpy (bench.fake.config, &nobody[i], 8);
      assert_int_equal (virtio_vsock_start (&bench.vsock, &bench.fake.transport, &quick), -VIRTIO_EPROTO);
      finish (&bench);
    }
  for (int i = 1; i < 60; i++) /* every allocation and share */
    {
      setup (&bench, 0, 16);
      bench.platform.fail_in = i;
      if (virtio_vsock_start (&bench.vsock, &bench.fake.transport, &quick) == 0)
        i = 60;
      bench.platform.fail_in = 0;
      finish (&bench);
    }
  setup (&bench, 0, 16);
  fake_device_queue (&bench.fake, VIRTIO_VSOCK_QUEUE_EVENT, 0);
  assert_int_equal (virtio_vsock_start (&bench.vsock, &bench.fake.transport, &quick), -VIRTIO_ENODEV);
  finish (&bench);
  setup (&bench, 0, 16);
  bench.fake.restless = true;
  assert_int_equal (virtio_vsock_start (&bench.vsock, &bench.fake.transport, &quick), -VIRTIO_EPROTO);
  bench.fake.transport.device_id = VIRTIO_ID_RNG;
  assert_int_equal (virtio_vsock_start (&bench.vsock, &bench.fake.transport, &quick), -VIRTIO_ENODEV);
  finish (&bench);
  start (&bench);
  bench.fake.reset_stuck = true;
  assert_int_equal (virtio_vsock_stop (&bench.vsock), -VIRTIO_ETIMEDOUT);
  bench.fake.reset_stuck = false;
  finish (&bench);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (breaches_cost_a_connection),
    cmocka_unit_test (nonsense_is_ignored),
    cmocka_unit_test (neither_direction_waits),
    cmocka_unit_test (the_guest_has_moved),
    cmocka_unit_test (waits_are_bounded),
    cmocka_unit_test (dead_queues),
    cmocka_unit_test (starts_that_fail),
  };

  return cmocka_run_group_tests_name ("virtio-vsock-breach", tests, NULL, NULL);
}
