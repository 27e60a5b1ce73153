/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Resetting one queue of a device that runs (2.6.1): what was in flight comes back, the
 * others go on, it starts again with another size; and a device that does not do it. */
#include "virtio-bench.h"

#include <virtio/driver/mmio.h>
#include <virtio/driver/net.h>
#include <virtio/driver/pci.h>
#include <virtio/pci.h>

#define RING_RESET VIRTIO_BIT (VIRTIO_F_RING_RESET)
#define NEVER UINT32_MAX

static const uint64_t rings[] = { 0, INDIRECT | EVENT, IN_ORDER, PACKED, PACKED | INDIRECT | EVENT,
                                  PACKED | IN_ORDER };
static const struct virtio_options asks = { .queue_size = 16, .timeout_ms = 50, .queue_reset = true };
static const struct virtio_options does_not_ask = { .queue_size = 16, .timeout_ms = 50 };

enum bus { DIRECT, MMIO, PCI, BUSES };

static struct virtio_pci pci;
static struct virtio_mmio mmio;
static struct virtio_queue other;

static struct virtio_transport *
open_bus (struct bench *bench, enum bus bus)
{
  struct virtio_pci_config config;

  switch (bus)
    {
    case MMIO:
      assert_int_equal (virtio_mmio_open (&mmio, &bench->platform.hal, FAKE_MMIO_BASE, FAKE_MMIO_BYTES), 0);
      return &mmio.transport;
    case PCI:
      fake_pci_init (&bench->fake, &config);
      assert_int_equal (virtio_pci_open (&pci, &bench->platform.hal, &config), 0);
      return &pci.transport;
    default:
      return &bench->fake.transport;
    }
}

/* Two queues of a device nobody serves. */
static void
set_up (struct bench *bench, enum bus bus, uint64_t features, const struct virtio_options *options)
{
  struct virtio_transport *transport;

  memset (bench, 0, sizeof *bench);
  memset (&other, 0, sizeof other);
  fake_platform_init (&bench->platform);
  fake_device_init (&bench->fake, &bench->platform, VIRTIO_ID_RNG, VERSION_1 | features);
  fake_device_queue (&bench->fake, 0, 16);
  fake_device_queue (&bench->fake, 1, 16);
  transport = open_bus (bench, bus);
  assert_int_equal (virtio_device_begin (&bench->dev, transport, options, 0, NULL, 0), 0);
  assert_int_equal (virtio_queue_start (&bench->queue, &bench->dev, 0, 0, 4, VIRTIO_LEN_STRICT), 0);
  assert_int_equal (virtio_queue_start (&other, &bench->dev, 1, 0, 4, VIRTIO_LEN_STRICT), 0);
  assert_int_equal (virtio_device_ready (&bench->dev), 0);
}

static void
tear_down (struct bench *bench)
{
  assert_int_equal (virtio_device_reset (&bench->dev), 0);
  virtio_queue_drain_and_free (&other);
  teardown (bench);
}

/* Whoever has the queue uses all it finds, and a buffer of nobody's. */
static void
use_all (struct fake_device *device, uint16_t index)
{
  struct fake_chain chain;

  if (!device->queues[index].enabled)
    return;
  while (fake_pop (device, index, &chain))
    fake_push (device, index, &chain, 0);
  fake_push_raw (device, index, 7, 1, 1);
}

static void
one_round_trip (struct bench *bench, uintptr_t number)
{
  struct fake_chain chain;

  assert_int_equal (add (bench, 1, 1, number), 0);
  virtio_queue_kick (&bench->queue);
  assert_true (fake_pop (&bench->fake, 0, &chain));
  fake_push (&bench->fake, 0, &chain, 4);
  take (bench, number, 4);
}

static void
other_round_trip (struct bench *bench)
{
  struct virtio_seg seg = { bench->in, 4 };
  struct fake_chain chain;
  void *token;
  uint32_t len;

  assert_int_equal (virtio_queue_add (&other, &seg, 0, 1, bench), 0);
  virtio_queue_kick (&other);
  assert_true (fake_pop (&bench->fake, 1, &chain));
  fake_push (&bench->fake, 1, &chain, 4);
  assert_int_equal (virtio_queue_get (&other, &token, &len), 1);
  assert_ptr_equal (token, bench);
}

static void
come_back (enum bus bus, uint64_t features, unsigned looks)
{
  static const uint16_t sizes[] = { 8, 0, 2 };
  struct bench bench;
  unsigned back = 0;
  void *token;

  set_up (&bench, bus, features | RING_RESET, &asks);
  assert_true (virtio_device_has (&bench.dev, VIRTIO_F_RING_RESET));
  bench.fake.queue_reset_looks = looks;
  for (unsigned round = 0; round < G_N_ELEMENTS (sizes); round++)
    {
      unsigned sum = 0;

      one_round_trip (&bench, 9);
      for (uintptr_t i = 1; i <= 2; i++)
        assert_int_equal (add (&bench, 0, 1, i), 0);
      virtio_queue_kick (&bench.queue);
      bench.fake.process = use_all;
      assert_int_equal (virtio_queue_reset (&bench.queue), 0);
      bench.fake.process = NULL;
      assert_int_equal (virtio_queue_reset (&bench.queue), -VIRTIO_EIO); /* it is reset */
      assert_int_equal (add (&bench, 0, 1, 3), -VIRTIO_EIO);
      assert_false (virtio_queue_kick (&bench.queue));
      assert_false (virtio_queue_arm (&bench.queue));
      virtio_queue_disarm (&bench.queue);
      for (back = 0; virtio_queue_drain (&bench.queue, &token); back++)
        sum += (unsigned) (uintptr_t) token;
      assert_int_equal (back, 2);
      assert_int_equal (sum, 3);
      virtio_queue_free (&bench.queue);
      other_round_trip (&bench);
      assert_int_equal (virtio_queue_start (&bench.queue, &bench.dev, 0, sizes[round], 4, VIRTIO_LEN_STRICT), 0);
      assert_int_equal (bench.queue.size, sizes[round] ? sizes[round] : 16);
      one_round_trip (&bench, 10); /* nothing of the old ring is believed */
      take_none (&bench);
    }
  tear_down (&bench);
}

static void
a_queue_comes_back (void **state G_GNUC_UNUSED)
{
  for (enum bus bus = DIRECT; bus < BUSES; bus++)
    for (unsigned r = 0; r < G_N_ELEMENTS (rings); r++)
      for (unsigned looks = 0; looks < 6; looks += 5)
        come_back (bus, rings[r], looks);
}

static void
only_when_asked_for_and_offered (void **state G_GNUC_UNUSED)
{
  for (enum bus bus = DIRECT; bus < BUSES; bus++)
    for (unsigned asked = 0; asked < 2; asked++)
      {
        struct virtio_queue third;
        struct bench bench;

        set_up (&bench, bus, asked ? 0 : RING_RESET, asked ? &asks : &does_not_ask);
        assert_false (virtio_device_has (&bench.dev, VIRTIO_F_RING_RESET));
        assert_int_equal (virtio_queue_reset (&bench.queue), -VIRTIO_ENOTSUP);
        assert_int_equal (virtio_queue_start (&third, &bench.dev, 2, 0, 1, VIRTIO_LEN_STRICT), -VIRTIO_EINVAL);
        one_round_trip (&bench, 1);
        tear_down (&bench);
      }
}

static void
not_before_the_device_runs (void **state G_GNUC_UNUSED)
{
  struct virtio_queue none = { .hal = NULL };
  struct bench bench;

  assert_int_equal (virtio_queue_reset (&none), -VIRTIO_EIO);
  set_up (&bench, DIRECT, RING_RESET, &asks);
  assert_int_equal (virtio_device_reset (&bench.dev), 0);
  assert_int_equal (virtio_queue_reset (&bench.queue), -VIRTIO_EIO);
  tear_down (&bench);
}

/* Its memory stays the device's, which is given up; its reset brings all of it back. */
static void
does_not_end (enum bus bus, unsigned looks, bool ignored, bool gone, int expected)
{
  struct bench bench;
  void *token;

  set_up (&bench, bus, RING_RESET, &asks);
  assert_int_equal (add (&bench, 0, 1, 1), 0);
  bench.fake.queue_reset_looks = looks;
  bench.fake.queue_reset_ignored = ignored;
  bench.fake.gone = gone;
  bench.fake.process = use_all;
  assert_int_equal (virtio_queue_reset (&bench.queue), expected);
  assert_true (bench.dev.failed);
  assert_false (virtio_queue_drain (&bench.queue, &token));
  assert_int_equal (add (&bench, 0, 1, 2), -VIRTIO_EIO);
  assert_int_equal (virtio_queue_reset (&bench.queue), -VIRTIO_EIO);
  bench.fake.gone = false;
  bench.fake.process = NULL;
  assert_int_equal (virtio_device_reset (&bench.dev), 0);
  assert_true (virtio_queue_drain (&bench.queue, &token));
  tear_down (&bench);
}

static void
a_reset_that_does_not_end (void **state G_GNUC_UNUSED)
{
  for (enum bus bus = DIRECT; bus < BUSES; bus++)
    {
      does_not_end (bus, NEVER, false, false, -VIRTIO_ETIMEDOUT);
      does_not_end (bus, 0, true, false, -VIRTIO_ETIMEDOUT); /* the queue stays enabled */
      does_not_end (bus, 0, true, true, -VIRTIO_ENODEV);
    }
}

static void
a_device_that_needs_a_reset_meanwhile (void **state G_GNUC_UNUSED)
{
  struct bench bench;

  set_up (&bench, MMIO, RING_RESET, &asks);
  bench.fake.queue_reset_looks = NEVER;
  bench.fake.status |= VIRTIO_STATUS_NEEDS_RESET;
  assert_int_equal (virtio_queue_reset (&bench.queue), -VIRTIO_EIO);
  tear_down (&bench);
}

/* A structure of 1.0 has no such register, whatever is offered. */
static void
offered_without_its_register (void **state G_GNUC_UNUSED)
{
  struct virtio_pci_config config;
  struct bench bench;
  uint8_t length;

  memset (&bench, 0, sizeof bench);
  fake_platform_init (&bench.platform);
  fake_device_init (&bench.fake, &bench.platform, VIRTIO_ID_RNG,
                    VERSION_1 | RING_RESET | VIRTIO_BIT (VIRTIO_F_NOTIF_CONFIG_DATA));
  fake_pci_init (&bench.fake, &config);
  for (length = 56; length <= 60; length += 2)
    {
      fake_pci_cap (&bench.fake, 0x40, 0x50, VIRTIO_PCI_CAP_COMMON_CFG, 4, 0, length);
      assert_int_equal (virtio_pci_open (&pci, &bench.platform.hal, &config), 0);
      assert_int_equal (virtio_device_begin (&bench.dev, &pci.transport, &asks, 0, NULL, 0), 0);
      assert_int_equal (virtio_device_has (&bench.dev, VIRTIO_F_RING_RESET), length == 60);
      assert_int_equal (virtio_device_has (&bench.dev, VIRTIO_F_NOTIF_CONFIG_DATA), length >= 58);
    }
  assert_null (bench.platform.wrong);
  fake_platform_clear (&bench.platform);
}

/* ---- a network interface's rings ---- */

static void
net_set_up (struct bench *bench, struct fake_wire *wire, struct virtio_net *net, uint64_t features,
            const struct virtio_options *options)
{
  memset (bench, 0, sizeof *bench);
  memset (wire, 0, sizeof *wire);
  fake_platform_init (&bench->platform);
  fake_device_init (&bench->fake, &bench->platform, VIRTIO_ID_NET, VERSION_1 | features);
  bench->fake.user = wire;
  bench->fake.process = fake_net_process;
  for (uint16_t q = 0; q < 3; q++)
    fake_device_queue (&bench->fake, q, 64);
  assert_int_equal (virtio_net_start (net, &bench->fake.transport, options, NULL), 0);
}

static void
net_finish (struct bench *bench, struct virtio_net *net)
{
  assert_int_equal (virtio_net_stop (net), 0);
  assert_int_equal (bench->platform.allocs, 0);
  assert_int_equal (bench->platform.n_mappings, 0);
  if (bench->platform.wrong)
    fail_msg ("the driver: %s", bench->platform.wrong);
  fake_platform_clear (&bench->platform);
}

static void
rings_are_resized (void **state G_GNUC_UNUSED)
{
  static const uint16_t sizes[] = { 4, 64, 0, 16 };
  static struct virtio_net net;
  static struct fake_wire wire;

  for (unsigned r = 0; r < G_N_ELEMENTS (rings); r++)
    {
      uint8_t frame[100] = { 2, 1 }, back[200];
      struct bench bench;

      net_set_up (&bench, &wire, &net, rings[r] | RING_RESET, &asks);
      bench.fake.queue_reset_looks = 3;
      for (unsigned i = 0; i < G_N_ELEMENTS (sizes); i++)
        {
          assert_int_equal (virtio_net_resize (&net, sizes[i]), 0);
          assert_int_equal (net.rx.size, sizes[i] ? sizes[i] : 16);
          assert_int_equal (net.n_tx, net.tx.size < 16 ? net.tx.size : 16); /* as many buffers as at the start */
          assert_int_equal (virtio_net_pending (&net), 0);
          for (unsigned k = 0; k < 40; k++)
            {
              frame[50] = (uint8_t) k;
              assert_int_equal (virtio_net_send (&net, frame, sizeof frame), 0);
              assert_int_equal (virtio_net_receive (&net, back, sizeof back), sizeof frame);
              assert_memory_equal (back, frame, sizeof frame);
            }
        }
      net_finish (&bench, &net);
    }
}

static void
rings_that_cannot_be_resized (void **state G_GNUC_UNUSED)
{
  static struct virtio_net net;
  static struct fake_wire wire;
  uint8_t frame[100] = { 2, 1 };
  struct bench bench;

  net_set_up (&bench, &wire, &net, RING_RESET, &does_not_ask);
  assert_int_equal (virtio_net_resize (&net, 8), -VIRTIO_ENOTSUP);
  assert_int_equal (virtio_net_send (&net, frame, sizeof frame), 0); /* nothing has changed */
  net_finish (&bench, &net);
  net_set_up (&bench, &wire, &net, RING_RESET, &asks);
  bench.fake.queue_reset_ignored = true;
  assert_int_equal (virtio_net_resize (&net, 8), -VIRTIO_ETIMEDOUT);
  assert_int_equal (virtio_net_send (&net, frame, sizeof frame), -VIRTIO_EIO);
  net_finish (&bench, &net);
  /* Memory that is not there any more: dead, and nothing is left. */
  for (int fail = 1; fail <= 12; fail++)
    {
      net_set_up (&bench, &wire, &net, RING_RESET, &asks);
      bench.platform.fail_in = fail;
      assert_int_equal (virtio_net_resize (&net, 8), -VIRTIO_ENOMEM);
      assert_int_equal (virtio_net_send (&net, frame, sizeof frame), -VIRTIO_EIO);
      net_finish (&bench, &net);
    }
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (a_queue_comes_back),
    cmocka_unit_test (only_when_asked_for_and_offered),
    cmocka_unit_test (not_before_the_device_runs),
    cmocka_unit_test (a_reset_that_does_not_end),
    cmocka_unit_test (a_device_that_needs_a_reset_meanwhile),
    cmocka_unit_test (offered_without_its_register),
    cmocka_unit_test (rings_are_resized),
    cmocka_unit_test (rings_that_cannot_be_resized),
  };

  return cmocka_run_group_tests_name ("virtio-reset", tests, NULL, NULL);
}
