/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The console driver over the fake transport: one port, several, and nonsense. */
#include "tap-main.h"

#include "drivers/fake/fake.h"

#include <virtio/driver/console.h>

#define VERSION_1 VIRTIO_BIT (VIRTIO_F_VERSION_1)
#define MULTIPORT VIRTIO_BIT (VIRTIO_CONSOLE_F_MULTIPORT)

struct bench
{
  struct fake_platform platform;
  struct fake_device fake;
  struct fake_ports ports;
  struct virtio_console console;
};

static const struct virtio_options quick = { .timeout_ms = 50 };

static void
setup (struct bench *bench, uint64_t features, uint32_t max_ports)
{
  struct virtio_console_config config = { .cols = 80, .rows = 25, .max_nr_ports = max_ports };

  memset (bench, 0, sizeof *bench);
  fake_platform_init (&bench->platform);
  fake_device_init (&bench->fake, &bench->platform, VIRTIO_ID_CONSOLE, VERSION_1 | features);
  for (uint16_t i = 0; i < 6; i++)
    fake_device_queue (&bench->fake, i, 16);
  memcpy (bench->fake.config, &config, sizeof config);
  bench->fake.process = fake_console_process;
  bench->fake.user = &bench->ports;
}

static void
start (struct bench *bench, uint64_t features)
{
  setup (bench, features, 2);
  assert_int_equal (virtio_console_start (&bench->console, &bench->fake.transport, &quick), 0);
}

static void
finish (struct bench *bench)
{
  assert_int_equal (virtio_console_stop (&bench->console), 0);
  assert_int_equal (bench->platform.allocs, 0);
  assert_int_equal (bench->platform.n_mappings, 0);
  if (bench->platform.wrong)
    fail_msg ("the driver: %s", bench->platform.wrong);
  fake_platform_clear (&bench->platform);
}

/* What is sent comes back, read in pieces of @piece. */
static void
echoes (struct bench *bench, uint32_t port, unsigned bytes, unsigned piece)
{
  uint8_t out[1024], in[1024];
  unsigned got = 0;

  for (unsigned i = 0; i < bytes; i++)
    out[i] = (uint8_t) (i * 5 + bytes);
  assert_int_equal (virtio_console_write (&bench->console, port, out, bytes), bytes);
  while (got < bytes)
    {
      int n = virtio_console_read (&bench->console, port, in + got, MIN (piece, bytes - got));

      assert_true (n > 0);
      got += (unsigned) n;
    }
  assert_memory_equal (in, out, bytes);
  assert_int_equal (virtio_console_read (&bench->console, port, in, 1), 0);
}

static void
one_port (void **state G_GNUC_UNUSED)
{
  for (unsigned packed = 0; packed < 2; packed++)
    {
      struct bench bench;

      start (&bench, (packed ? VIRTIO_BIT (VIRTIO_F_RING_PACKED) : 0) | VIRTIO_BIT (VIRTIO_CONSOLE_F_SIZE));
      assert_int_equal (bench.console.cols, 80);
      assert_int_equal (bench.console.rows, 25);
      for (unsigned bytes = 1; bytes <= 1024; bytes += 31)
        echoes (&bench, 0, bytes, 1 + bytes % 300);
      assert_int_equal (virtio_console_open (&bench.console, 0, true), 0);
      assert_int_equal (virtio_console_poll (&bench.console), 0);
      assert_int_equal (virtio_console_write (&bench.console, 1, "x", 1), -VIRTIO_ENODEV);
      assert_int_equal (virtio_console_read (&bench.console, 9, NULL, 0), -VIRTIO_ENODEV);
      finish (&bench);
    }
}

static void
several_ports (void **state G_GNUC_UNUSED)
{
  struct bench bench;

  start (&bench, MULTIPORT);
  assert_int_equal (bench.ports.said[VIRTIO_CONSOLE_DEVICE_READY], 1);
  assert_int_equal (virtio_console_find (&bench.console, "one"), -VIRTIO_ENODEV); /* not yet polled */
  assert_int_equal (virtio_console_poll (&bench.console), 6);
  assert_int_equal (bench.ports.said[VIRTIO_CONSOLE_PORT_READY], 2);
  assert_int_equal (bench.ports.said[VIRTIO_CONSOLE_PORT_OPEN], 1); /* of the console */
  assert_int_equal (virtio_console_find (&bench.console, "zero"), 0);
  assert_int_equal (virtio_console_find (&bench.console, "one"), 1);
  assert_int_equal (virtio_console_find (&bench.console, "on"), -VIRTIO_ENODEV);
  assert_true (bench.console.ports[0].console);
  assert_true (bench.console.ports[1].host_open);
  assert_int_equal (virtio_console_open (&bench.console, 1, true), 0);
  assert_int_equal (bench.ports.last.id, 1);
  assert_int_equal (bench.ports.last.value, 1);
  for (unsigned i = 0; i < 40; i++)
    echoes (&bench, i % 2, 700, 100);
  fake_console_say (&bench.fake, 1, VIRTIO_CONSOLE_RESIZE, 0, "\x84\0\x2b\0", 4);
  fake_console_say (&bench.fake, 1, VIRTIO_CONSOLE_DEVICE_REMOVE, 0, NULL, 0);
  assert_int_equal (virtio_console_poll (&bench.console), 2);
  assert_int_equal (bench.console.cols, 132);
  assert_int_equal (bench.console.rows, 43);
  assert_int_equal (virtio_console_write (&bench.console, 1, "x", 1), -VIRTIO_ENODEV);
  assert_int_equal (virtio_console_open (&bench.console, 1, true), -VIRTIO_ENODEV);
  finish (&bench);
}

static void
nonsense_is_survived (void **state G_GNUC_UNUSED)
{
  struct bench bench;
  char name[200];
  struct fake_chain chain;

  start (&bench, MULTIPORT);
  assert_int_equal (virtio_console_poll (&bench.console), 6);
  fake_console_say (&bench.fake, 2, VIRTIO_CONSOLE_DEVICE_ADD, 1, NULL, 0); /* beyond max_nr_ports */
  assert_int_equal (virtio_console_poll (&bench.console), 1);
  assert_int_equal (bench.ports.last.event, VIRTIO_CONSOLE_PORT_READY);
  assert_int_equal (bench.ports.last.value, 0);
  fake_console_say (&bench.fake, 2, VIRTIO_CONSOLE_PORT_NAME, 1, "two", 3); /* never added */
  fake_console_say (&bench.fake, UINT32_MAX, VIRTIO_CONSOLE_PORT_OPEN, 1, NULL, 0);
  fake_console_say (&bench.fake, 1, 99, 1, NULL, 0);
  fake_console_say (&bench.fake, 1, VIRTIO_CONSOLE_RESIZE, 1, "\1\0", 2);
  assert_true (fake_pop (&bench.fake, VIRTIO_CONSOLE_QUEUE_CTRL_RX, &chain));
  fake_push (&bench.fake, VIRTIO_CONSOLE_QUEUE_CTRL_RX, &chain, 7); /* half a header */
  assert_int_equal (virtio_console_poll (&bench.console), 5);
  assert_int_equal (bench.console.ctrl_ignored, 5);
  memset (name, 'n', sizeof name);
  fake_console_say (&bench.fake, 1, VIRTIO_CONSOLE_PORT_NAME, 1, name, sizeof name);
  assert_int_equal (virtio_console_poll (&bench.console), 1);
  assert_int_equal (strlen (bench.console.ports[1].name), VIRTIO_CONSOLE_NAME_MAX);
  finish (&bench);
}

/* Messages without end do not keep a poll for ever. */
static void
rain (struct fake_device *device, uint16_t index)
{
  fake_console_process (device, index);
  if (index == VIRTIO_CONSOLE_QUEUE_CTRL_TX)
    for (unsigned i = 0; i < 4; i++)
      fake_console_say (device, 0, VIRTIO_CONSOLE_DEVICE_ADD, 1, NULL, 0);
}

static void
polls_are_bounded (void **state G_GNUC_UNUSED)
{
  struct bench bench;

  start (&bench, MULTIPORT);
  bench.fake.process = rain;
  for (unsigned i = 0; i < 4; i++)
    assert_in_range (virtio_console_poll (&bench.console), 1, VIRTIO_CONSOLE_POLL_MAX);
  finish (&bench);
}

static void
a_device_that_takes_nothing (void **state G_GNUC_UNUSED)
{
  struct bench bench;
  uint8_t data[4096] = { 0 };
  int error = 0;

  start (&bench, MULTIPORT);
  assert_int_equal (virtio_console_poll (&bench.console), 6);
  bench.fake.process = NULL;
  assert_int_equal (virtio_console_write (&bench.console, 1, data, sizeof data), 2048); /* all buffers */
  assert_int_equal (virtio_console_write (&bench.console, 1, data, sizeof data), 0);
  for (unsigned i = 0; i < 17 && !error; i++)
    error = virtio_console_open (&bench.console, 1, true);
  assert_int_equal (error, -VIRTIO_ETIMEDOUT);
  assert_int_equal (virtio_console_write (&bench.console, 1, data, 1), -VIRTIO_EIO);
  finish (&bench);
}

static void
configuration_is_not_believed (void **state G_GNUC_UNUSED)
{
  struct bench bench;

  setup (&bench, MULTIPORT, 0);
  assert_int_equal (virtio_console_start (&bench.console, &bench.fake.transport, &quick), -VIRTIO_EPROTO);
  finish (&bench);
  setup (&bench, MULTIPORT, UINT32_MAX); /* but it has queues for two */
  assert_int_equal (virtio_console_start (&bench.console, &bench.fake.transport, &quick), -VIRTIO_ENODEV);
  finish (&bench);
}

/* With an answer to what nobody has sent as its last word. */
static void
goes_away (struct fake_device *device, uint16_t index G_GNUC_UNUSED)
{
  if (!device->gone)
    fake_push_raw (device, 3, 999, 0, 1);
  device->gone = true;
}

/* At the first kick: it may still write to what it was given, until it can be reset. */
static void
a_device_lost_while_it_starts (void **state G_GNUC_UNUSED)
{
  struct bench bench;

  setup (&bench, MULTIPORT, 2);
  bench.fake.process = goes_away;
  assert_int_equal (virtio_console_start (&bench.console, &bench.fake.transport, &quick), -VIRTIO_EIO);
  assert_int_not_equal (bench.platform.n_mappings, 0);
  assert_int_not_equal (virtio_console_stop (&bench.console), 0);
  bench.fake.gone = false;
  finish (&bench);
}

static void
emergency_characters (void **state G_GNUC_UNUSED)
{
  struct bench bench;

  setup (&bench, VIRTIO_BIT (VIRTIO_CONSOLE_F_EMERG_WRITE), 1);
  bench.fake.status = VIRTIO_STATUS_FEATURES_OK; /* the fake forbids other writes before */
  assert_int_equal (virtio_console_emergency (&bench.fake.transport, 'p'), 0);
  assert_int_equal (bench.fake.config[8], 'p');
  bench.fake.offered = VERSION_1;
  assert_int_equal (virtio_console_emergency (&bench.fake.transport, 'p'), -VIRTIO_ENOTSUP);
  bench.fake.transport.device_id = VIRTIO_ID_RNG;
  assert_int_equal (virtio_console_start (&bench.console, &bench.fake.transport, NULL), -VIRTIO_ENODEV);
  finish (&bench);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (one_port),
    cmocka_unit_test (several_ports),
    cmocka_unit_test (nonsense_is_survived),
    cmocka_unit_test (polls_are_bounded),
    cmocka_unit_test (a_device_that_takes_nothing),
    cmocka_unit_test (configuration_is_not_believed),
    cmocka_unit_test (a_device_lost_while_it_starts),
    cmocka_unit_test (emergency_characters),
  };

  return cmocka_run_group_tests_name ("virtio-console", tests, NULL, NULL);
}
