/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Negotiation, configuration and reset, and finding the registers of a device. */
#include "tap-main.h"

#include "drivers/fake/fake.h"

#include <virtio/driver/mmio.h>
#include <virtio/driver/pci.h>
#include <virtio/driver/rng.h>
#include <virtio/mmio.h>
#include <virtio/pci.h>

#define VERSION_1 VIRTIO_BIT (VIRTIO_F_VERSION_1)

struct bench
{
  struct fake_platform platform;
  struct fake_device fake;
  struct virtio_device dev;
  struct virtio_pci_config config;
};

static const struct virtio_options quick = { .timeout_ms = 50 };

static void
setup (struct bench *bench, uint64_t offered)
{
  memset (bench, 0, sizeof *bench);
  fake_platform_init (&bench->platform);
  fake_device_init (&bench->fake, &bench->platform, VIRTIO_ID_RNG, offered);
  fake_device_queue (&bench->fake, 0, 16);
  bench->fake.process = fake_rng_process;
}

static int
begin (struct bench *bench, uint64_t wanted, const struct virtio_feature_rule *rules, unsigned n)
{
  return virtio_device_begin (&bench->dev, &bench->fake.transport, &quick, wanted, rules, n);
}

static void
fine (struct bench *bench)
{
  if (bench->platform.wrong)
    fail_msg ("the driver: %s", bench->platform.wrong);
  fake_platform_clear (&bench->platform);
}

static void
accepts_what_both_know (void **state G_GNUC_UNUSED)
{
  struct bench bench;

  setup (&bench, ~0ull); /* everything, reserved and unknown bits too */
  assert_int_equal (begin (&bench, VIRTIO_BIT (5), NULL, 0), 0);
  assert_int_equal (bench.dev.features, VIRTIO_CORE_FEATURES | VIRTIO_BIT (5));
  assert_int_equal (bench.fake.accepted, bench.dev.features);
  fine (&bench);
}

static void
closes_over_prerequisites (void **state G_GNUC_UNUSED)
{
  static const struct virtio_feature_rule rules[] = {
    { .bit = 3, .all = VIRTIO_BIT (2) },
    { .bit = 2, .all = VIRTIO_BIT (1) | VIRTIO_BIT (0) },
    { .bit = 5, .any = VIRTIO_BIT (6) | VIRTIO_BIT (7) },
  };

  assert_int_equal (virtio_features_close (0xff, 0xff, rules, 3), 0xff);
  assert_int_equal (virtio_features_close (0xfe, 0xff, rules, 3), 0xf2);
  assert_int_equal (virtio_features_close (0xff, 0xfd, rules, 3), 0xf1);
  assert_int_equal (virtio_features_close (0x7f, 0xff, rules, 3), 0x7f);
  assert_int_equal (virtio_features_close (0x3f, 0xff, rules, 3), 0x1f);
}

static void
negotiation_fails_as_it_should (void **state G_GNUC_UNUSED)
{
  struct bench bench;

  setup (&bench, VIRTIO_BIT (VIRTIO_F_RING_PACKED)); /* no VERSION_1: legacy */
  assert_int_equal (begin (&bench, 0, NULL, 0), -VIRTIO_ENOTSUP);
  assert_true (bench.fake.status & VIRTIO_STATUS_FAILED);
  fine (&bench);

  setup (&bench, VERSION_1);
  bench.fake.refuse_features = true;
  assert_int_equal (begin (&bench, 0, NULL, 0), -VIRTIO_ENOTSUP);
  assert_true (bench.fake.status & VIRTIO_STATUS_FAILED);
  assert_int_equal (virtio_device_ready (&bench.dev), -VIRTIO_EIO);
  fine (&bench);
}

static void
reset_is_waited_for_and_bounded (void **state G_GNUC_UNUSED)
{
  struct bench bench;
  uint64_t before;

  setup (&bench, VERSION_1);
  bench.fake.reset_stuck = true;
  before = bench.platform.now_us;
  assert_int_equal (begin (&bench, 0, NULL, 0), -VIRTIO_ETIMEDOUT);
  assert_in_range (bench.platform.now_us - before, 50000, 60000);
  assert_int_equal (virtio_device_check (&bench.dev), -VIRTIO_EIO);
  fine (&bench);

  setup (&bench, VERSION_1);
  bench.fake.gone = true;
  assert_int_equal (begin (&bench, 0, NULL, 0), -VIRTIO_ENODEV);
  fine (&bench);
}

static void
a_device_that_needs_reset_is_failed (void **state G_GNUC_UNUSED)
{
  struct bench bench;

  setup (&bench, VERSION_1);
  assert_int_equal (begin (&bench, 0, NULL, 0), 0);
  assert_int_equal (virtio_device_ready (&bench.dev), 0);
  assert_int_equal (virtio_device_check (&bench.dev), 0);
  bench.fake.status |= VIRTIO_STATUS_NEEDS_RESET;
  assert_int_equal (virtio_device_check (&bench.dev), -VIRTIO_EIO);
  assert_true (bench.fake.status & VIRTIO_STATUS_FAILED);
  assert_int_equal (virtio_device_check (&bench.dev), -VIRTIO_EIO);
  bench.fake.status = 0;
  assert_int_equal (begin (&bench, 0, NULL, 0), 0); /* and comes back with a reset */
  assert_int_equal (virtio_device_ready (&bench.dev), 0);
  bench.fake.status = 0; /* it reset itself */
  assert_int_equal (virtio_device_check (&bench.dev), -VIRTIO_EIO);
  fine (&bench);
}

static void
a_pulled_device_is_noticed (void **state G_GNUC_UNUSED)
{
  struct bench bench;

  setup (&bench, VERSION_1);
  assert_int_equal (begin (&bench, 0, NULL, 0), 0);
  assert_int_equal (virtio_device_ready (&bench.dev), 0);
  bench.fake.gone = true;
  assert_int_equal (virtio_device_check (&bench.dev), -VIRTIO_ENODEV);
  fine (&bench);
}

static void
configuration_is_one_picture (void **state G_GNUC_UNUSED)
{
  struct bench bench;
  uint8_t got[8];

  setup (&bench, VERSION_1);
  assert_int_equal (begin (&bench, 0, NULL, 0), 0);
  memcpy (bench.fake.config + 8, "12345678", 8);
  assert_int_equal (virtio_device_config (&bench.dev, 8, got, 8, 4), 0);
  assert_memory_equal (got, "12345678", 8);
  assert_int_equal (virtio_device_config (&bench.dev, FAKE_CONFIG - 4, got, 4, 2), 0);
  assert_int_equal (virtio_device_config (&bench.dev, FAKE_CONFIG - 4, got, 8, 4), -VIRTIO_EPROTO);
  assert_int_equal (virtio_device_config (&bench.dev, UINT32_MAX - 3, got, 8, 4), -VIRTIO_EPROTO);
  assert_int_equal (virtio_device_config (&bench.dev, 2, got, 4, 4), -VIRTIO_EINVAL);
  bench.fake.restless = true;
  assert_int_equal (virtio_device_config (&bench.dev, 8, got, 8, 4), -VIRTIO_EPROTO);
  assert_int_equal (bench.fake.generation, 2 * VIRTIO_CONFIG_TRIES);
  fine (&bench);
}

/* Memory is the device's until it has reset. */
static void
nothing_is_freed_under_a_device_that_does_not_reset (void **state G_GNUC_UNUSED)
{
  struct bench bench;
  struct virtio_rng rng, left;

  setup (&bench, VERSION_1);
  assert_int_equal (virtio_rng_start (&rng, &bench.fake.transport, &quick), 0);
  bench.fake.reset_stuck = true;
  left = rng;
  assert_int_equal (virtio_rng_stop (&rng), -VIRTIO_ETIMEDOUT);
  assert_int_equal (bench.platform.allocs, 3);
  assert_int_equal (virtio_rng_read (&rng, &left, 1), -VIRTIO_EIO);
  bench.fake.reset_stuck = false;
  assert_int_equal (virtio_rng_stop (&rng), 0);
  assert_int_equal (bench.platform.allocs, 0);
  fine (&bench);
}

/* ---- finding registers ---- */

static void
use (struct bench *bench, struct virtio_transport *transport)
{
  struct virtio_rng rng;
  uint8_t got[5000];

  assert_int_equal (virtio_rng_start (&rng, transport, &quick), 0);
  for (unsigned round = 0; round < 40; round++)
    {
      assert_int_equal (virtio_rng_read (&rng, got, sizeof got), 0);
      for (unsigned i = 0; i < sizeof got; i++)
        assert_int_equal (got[i], (uint8_t) (i % 4096));
    }
  assert_true (transport->ops->interrupts (transport) & VIRTIO_INT_QUEUE);
  assert_int_equal (transport->ops->interrupts (transport), 0);
  assert_int_equal (virtio_rng_stop (&rng), 0);
  assert_int_equal (bench->platform.allocs, 0);
  assert_int_equal (bench->platform.n_mappings, 0);
}

static const uint64_t variants[] = {
  VERSION_1,
  VERSION_1 | VIRTIO_BIT (VIRTIO_F_RING_PACKED),
  VERSION_1 | VIRTIO_BIT (VIRTIO_F_EVENT_IDX) | VIRTIO_BIT (VIRTIO_F_INDIRECT_DESC),
  VERSION_1 | VIRTIO_BIT (VIRTIO_F_RING_PACKED) | VIRTIO_BIT (VIRTIO_F_NOTIFICATION_DATA),
  VERSION_1 | VIRTIO_BIT (VIRTIO_F_NOTIF_CONFIG_DATA) | VIRTIO_BIT (VIRTIO_F_IN_ORDER),
  VERSION_1 | VIRTIO_BIT (VIRTIO_F_ORDER_PLATFORM) | VIRTIO_BIT (VIRTIO_F_ACCESS_PLATFORM),
};

static void
works_over_mmio (void **state G_GNUC_UNUSED)
{
  for (unsigned i = 0; i < G_N_ELEMENTS (variants); i++)
    {
      struct bench bench;
      struct virtio_mmio mmio;

      setup (&bench, variants[i]);
      assert_int_equal (virtio_mmio_open (&mmio, &bench.platform.hal, FAKE_MMIO_BASE, FAKE_MMIO_BYTES), 0);
      assert_int_equal (mmio.transport.device_id, VIRTIO_ID_RNG);
      use (&bench, &mmio.transport);
      fine (&bench);
    }
}

static void
empty_mmio_slots_are_left_alone (void **state G_GNUC_UNUSED)
{
  struct bench bench;
  struct virtio_mmio mmio;

  setup (&bench, VERSION_1);
  assert_int_equal (virtio_mmio_open (&mmio, &bench.platform.hal, FAKE_MMIO_BASE, 0x80), -VIRTIO_EINVAL);
  bench.fake.transport.device_id = 0;
  assert_int_equal (virtio_mmio_open (&mmio, &bench.platform.hal, FAKE_MMIO_BASE, FAKE_MMIO_BYTES),
                    -VIRTIO_ENODEV);
  bench.fake.gone = true;
  assert_int_equal (virtio_mmio_open (&mmio, &bench.platform.hal, FAKE_MMIO_BASE, FAKE_MMIO_BYTES),
                    -VIRTIO_ENODEV);
  assert_int_equal (bench.fake.status, VIRTIO_STATUS_DRIVER_OK); /* nobody wrote to it */
  fine (&bench);
}

static void
works_over_pci (void **state G_GNUC_UNUSED)
{
  for (unsigned i = 0; i < G_N_ELEMENTS (variants); i++)
    {
      struct bench bench;
      struct virtio_pci pci;

      setup (&bench, variants[i]);
      bench.fake.notify_off[0] = 7; /* not the queue's index */
      fake_pci_init (&bench.fake, &bench.config);
      assert_int_equal (virtio_pci_open (&pci, &bench.platform.hal, &bench.config), 0);
      assert_int_equal (bench.fake.pci[4] & 6, 6); /* memory and bus master are on */
      use (&bench, &pci.transport);
      fine (&bench);
    }
}

static int
open_pci (struct bench *bench, struct virtio_pci *pci)
{
  return virtio_pci_open (pci, &bench->platform.hal, &bench->config);
}

/* The first usable capability of a type counts, what cannot be is passed over. */
static void
odd_capabilities_are_passed_over (void **state G_GNUC_UNUSED)
{
  struct bench bench;
  struct virtio_pci pci;
  uint8_t at = 0x80;

  setup (&bench, VERSION_1);
  fake_pci_init (&bench.fake, &bench.config);
  bench.fake.pci[0x34] = 0x80;
  fake_pci_cap (&bench.fake, at, at + 16, VIRTIO_PCI_CAP_COMMON_CFG, 7, 0, 64); /* no such BAR */
  at += 16;
  fake_pci_cap (&bench.fake, at, at + 16, VIRTIO_PCI_CAP_COMMON_CFG, 2, 0, 64); /* empty BAR */
  at += 16;
  fake_pci_cap (&bench.fake, at, at + 16, VIRTIO_PCI_CAP_COMMON_CFG, 4, 0xffffffc0, 64); /* wraps in 32 bits */
  at += 16;
  fake_pci_cap (&bench.fake, at, at + 16, VIRTIO_PCI_CAP_COMMON_CFG, 4, 0x4000 - 32, 64); /* sticks out */
  at += 16;
  fake_pci_cap (&bench.fake, at, at + 16, VIRTIO_PCI_CAP_COMMON_CFG, 4, 0, 55); /* too short */
  at += 16;
  fake_pci_cap (&bench.fake, at, at + 16, 77, 4, 0, 64); /* unknown type */
  at += 16;
  fake_pci_cap (&bench.fake, at, 0x40, VIRTIO_PCI_CAP_COMMON_CFG, 4, 0x101, 64); /* not aligned */
  assert_int_equal (open_pci (&bench, &pci), 0);
  assert_int_equal (pci.common.base, FAKE_PCI_BASE);
  use (&bench, &pci.transport);
  fine (&bench);
}

static void
hostile_configuration_space_ends (void **state G_GNUC_UNUSED)
{
  struct bench bench;
  struct virtio_pci pci;

  setup (&bench, VERSION_1);
  fake_pci_init (&bench.fake, &bench.config);
  bench.fake.pci[0x41] = 0x40; /* a loop */
  assert_int_equal (open_pci (&bench, &pci), -VIRTIO_EPROTO);
  bench.fake.pci[0x41] = 0xfc; /* runs out of the space */
  bench.fake.pci[0xfc] = VIRTIO_PCI_CAP_ID;
  assert_int_equal (open_pci (&bench, &pci), -VIRTIO_EPROTO);
  bench.fake.pci[0x41] = 0x04; /* into the header */
  assert_int_equal (open_pci (&bench, &pci), -VIRTIO_EPROTO);
  bench.fake.pci[6] = 0; /* no capabilities: legacy */
  assert_int_equal (open_pci (&bench, &pci), -VIRTIO_EPROTO);
  bench.fake.pci[0] = 0;
  assert_int_equal (open_pci (&bench, &pci), -VIRTIO_ENODEV);
  fine (&bench);
}

static void
a_doorbell_outside_is_refused (void **state G_GNUC_UNUSED)
{
  struct bench bench;
  struct virtio_pci pci;
  struct virtio_rng rng;

  setup (&bench, VERSION_1);
  bench.fake.notify_off[0] = 0xffff;
  fake_pci_init (&bench.fake, &bench.config);
  assert_int_equal (open_pci (&bench, &pci), 0);
  assert_int_equal (virtio_rng_start (&rng, &pci.transport, &quick), -VIRTIO_EPROTO);
  assert_int_equal (bench.platform.allocs, 0);
  fine (&bench);
}

static void
device_ids_are_told (void **state G_GNUC_UNUSED)
{
  static const struct
  {
    uint16_t pci, id;
  } cases[] = { { 0x1000, 1 }, { 0x1001, 2 }, { 0x1002, 5 }, { 0x1003, 3 }, { 0x1004, 8 },
                { 0x1005, 4 }, { 0x1009, 9 }, { 0x1041, 1 }, { 0x1044, 4 }, { 0x1053, 19 } };
  struct bench bench;
  struct virtio_pci pci;

  for (unsigned i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      setup (&bench, VERSION_1);
      fake_pci_init (&bench.fake, &bench.config);
      memcpy (bench.fake.pci + 2, &cases[i].pci, 2);
      assert_int_equal (open_pci (&bench, &pci), 0);
      assert_int_equal (pci.transport.device_id, cases[i].id);
    }
  memcpy (bench.fake.pci + 2, &(uint16_t) { 0x1006 }, 2);
  assert_int_equal (open_pci (&bench, &pci), -VIRTIO_ENODEV);
  memcpy (bench.fake.pci + 2, &(uint16_t) { 0x1080 }, 2);
  assert_int_equal (open_pci (&bench, &pci), -VIRTIO_ENODEV);
  fine (&bench);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (accepts_what_both_know),
    cmocka_unit_test (closes_over_prerequisites),
    cmocka_unit_test (negotiation_fails_as_it_should),
    cmocka_unit_test (reset_is_waited_for_and_bounded),
    cmocka_unit_test (a_device_that_needs_reset_is_failed),
    cmocka_unit_test (a_pulled_device_is_noticed),
    cmocka_unit_test (configuration_is_one_picture),
    cmocka_unit_test (nothing_is_freed_under_a_device_that_does_not_reset),
    cmocka_unit_test (works_over_mmio),
    cmocka_unit_test (empty_mmio_slots_are_left_alone),
    cmocka_unit_test (works_over_pci),
    cmocka_unit_test (odd_capabilities_are_passed_over),
    cmocka_unit_test (hostile_configuration_space_ends),
    cmocka_unit_test (a_doorbell_outside_is_refused),
    cmocka_unit_test (device_ids_are_told),
  };

  return cmocka_run_group_tests_name ("virtio-device", tests, NULL, NULL);
}
