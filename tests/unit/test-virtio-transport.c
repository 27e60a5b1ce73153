/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The drivers' two transports on registers that say something odd: each is noticed where
 * it is read, nothing is used that cannot be right, and nothing of the start is left. */
#include "tap-main.h"

#include "drivers/fake/fake.h"

#include <virtio/driver/blk.h>
#include <virtio/driver/console.h>
#include <virtio/driver/mmio.h>
#include <virtio/driver/net.h>
#include <virtio/driver/pci.h>
#include <virtio/driver/rng.h>
#include <virtio/mmio.h>
#include <virtio/pci.h>

#define VERSION_1 VIRTIO_BIT (VIRTIO_F_VERSION_1)
#define COMMON(field) (FAKE_PCI_BASE + offsetof (struct virtio_pci_common_cfg, field))
#define REGISTER(name) (FAKE_MMIO_BASE + VIRTIO_MMIO_##name)

static const struct virtio_options quick = { .timeout_ms = 50 };

static struct bench
{
  struct fake_platform platform;
  struct fake_device fake;
  struct virtio_pci pci;
  struct virtio_mmio mmio;
  struct virtio_pci_config config;
  struct virtio_hal_ops ops;
  const struct virtio_hal_ops *honest;
  /* a register that reads as something else, and how often it is right before */
  uint64_t odd_at;
  uint32_t odd;
  unsigned after;
  unsigned maps; /* that work */
  unsigned reads, writes;
} bench;

static uint32_t
odd_read (void *ctx, uint64_t at, unsigned width)
{
  bench.reads++;
  if (bench.odd_at == at && (bench.after == 0 || bench.after-- == 0))
    return bench.odd;
  return bench.honest->read (ctx, at, width);
}

static void
counted_write (void *ctx, uint64_t at, unsigned width, uint32_t value)
{
  bench.writes++;
  bench.honest->write (ctx, at, width, value);
}

static int
odd_map (void *ctx, uint64_t address, uint64_t bytes, uint64_t *base)
{
  if (bench.maps == 0)
    return -VIRTIO_ENOMEM;
  bench.maps--;
  return bench.honest->map (ctx, address, bytes, base);
}

static void
setup (uint16_t id, uint64_t features)
{
  memset (&bench, 0, sizeof bench);
  fake_platform_init (&bench.platform);
  bench.honest = bench.platform.hal.ops;
  bench.ops = *bench.honest;
  bench.ops.read = odd_read;
  bench.ops.write = counted_write;
  bench.ops.map = odd_map;
  bench.platform.hal.ops = &bench.ops;
  bench.maps = 100;
  fake_device_init (&bench.fake, &bench.platform, id, VERSION_1 | features);
  for (uint16_t q = 0; q < 3; q++)
    fake_device_queue (&bench.fake, q, 16);
  bench.fake.process = fake_rng_process;
  fake_pci_init (&bench.fake, &bench.config);
}

static void
finish (void)
{
  assert_int_equal (bench.platform.allocs, 0);
  assert_int_equal (bench.platform.n_mappings, 0);
  if (bench.platform.wrong)
    fail_msg ("the driver: %s", bench.platform.wrong);
  fake_platform_clear (&bench.platform);
}

static int
open_pci (void)
{
  return virtio_pci_open (&bench.pci, &bench.platform.hal, &bench.config);
}

static int
open_mmio (void)
{
  return virtio_mmio_open (&bench.mmio, &bench.platform.hal, FAKE_MMIO_BASE, FAKE_MMIO_BYTES);
}

static struct virtio_transport *
open_either (bool pci)
{
  assert_int_equal (pci ? open_pci () : open_mmio (), 0);
  return pci ? &bench.pci.transport : &bench.mmio.transport;
}

/* ---- configuration ---- */

/* Wide fields in halves between two equal generations, whose register is looked at. */
static void
configuration_goes_both_ways (void **state G_GNUC_UNUSED)
{
  static struct fake_disk disk;

  for (unsigned pci = 0; pci < 2; pci++)
    {
      struct virtio_blk blk;

      setup (VIRTIO_ID_BLOCK, VIRTIO_BIT (VIRTIO_BLK_F_FLUSH) | VIRTIO_BIT (VIRTIO_BLK_F_CONFIG_WCE));
      fake_blk_config (&bench.fake, &disk);
      bench.fake.config[5] = 1; /* sectors, the upper half */
      assert_int_equal (virtio_blk_start (&blk, open_either (pci), &quick), 0);
      assert_true (blk.capacity == FAKE_DISK_SECTORS + (UINT64_C (1) << 40));
      assert_int_equal (virtio_blk_set_write_back (&blk, false), 0);
      assert_int_equal (bench.fake.config[offsetof (struct virtio_blk_config, writeback)], 0);
      assert_int_equal (virtio_blk_set_write_back (&blk, true), 0);
      assert_int_equal (bench.fake.config[offsetof (struct virtio_blk_config, writeback)], 1);
      bench.fake.restless = true;
      assert_int_equal (virtio_blk_refresh (&blk), -VIRTIO_EPROTO);
      assert_int_equal (virtio_blk_stop (&blk), 0);
      finish ();
    }
}

/* 5.3.4: before anybody has set the device up. */
static void
emergency_writing_needs_no_queue (void **state G_GNUC_UNUSED)
{
  for (unsigned pci = 0; pci < 2; pci++)
    {
      setup (VIRTIO_ID_CONSOLE, VIRTIO_BIT (VIRTIO_CONSOLE_F_EMERG_WRITE));
      virtio_console_emergency (open_either (pci), 'x');
      assert_int_equal (bench.fake.config[offsetof (struct virtio_console_config, emerg_wr)], 'x');
      finish ();
    }
}

/* ---- queues ---- */

/* A start that fails at one register, with an error that says so. */
static void
start_fails (bool pci, uint64_t at, uint32_t value, unsigned after, int expected)
{
  struct virtio_transport *transport;
  struct virtio_rng rng;
  int error;

  setup (VIRTIO_ID_RNG, VIRTIO_BIT (VIRTIO_F_RING_PACKED));
  transport = open_either (pci);
  bench.odd_at = at;
  bench.odd = value;
  bench.after = after;
  error = virtio_rng_start (&rng, transport, &quick);
  if (error != expected)
    fail_msg ("%s, %#x as %#x: error %d", pci ? "pci" : "mmio", (unsigned) at, value, error);
  bench.odd_at = 0;
  finish ();
}

static void
odd_queues_are_not_used (void **state G_GNUC_UNUSED)
{
  start_fails (false, REGISTER (QUEUE_SIZE_MAX), 0, 0, -VIRTIO_ENODEV);
  start_fails (false, REGISTER (QUEUE_SIZE_MAX), VIRTIO_QUEUE_SIZE_MAX + 1, 0, -VIRTIO_ENODEV);
  start_fails (false, REGISTER (QUEUE_SIZE_MAX), UINT32_MAX, 0, -VIRTIO_ENODEV);
  start_fails (false, REGISTER (QUEUE_READY), 1, 0, -VIRTIO_EIO); /* left by somebody */
  start_fails (false, REGISTER (QUEUE_READY), 0, 1, -VIRTIO_EIO); /* it does not get ready */
  start_fails (true, COMMON (queue_size), 0, 0, -VIRTIO_ENODEV);
  start_fails (true, COMMON (queue_size), VIRTIO_QUEUE_SIZE_MAX + 1, 0, -VIRTIO_ENODEV);
  start_fails (true, COMMON (queue_size), 15, 1, -VIRTIO_EIO); /* another than was asked for */
  start_fails (true, COMMON (queue_enable), 1, 0, -VIRTIO_EIO);
  start_fails (true, COMMON (queue_msix_vector), 3, 0, -VIRTIO_EAGAIN); /* 4.1.5.1.2.2 */
  start_fails (true, COMMON (queue_notify_off), 0x400, 0, -VIRTIO_EPROTO); /* just outside */
  start_fails (true, COMMON (device_status), 0xff, 0, -VIRTIO_ENODEV);
}

static void
only_queues_there_are (void **state G_GNUC_UNUSED)
{
  setup (VIRTIO_ID_RNG, 0);
  bench.odd_at = COMMON (num_queues);
  bench.odd = 2;
  assert_int_equal (open_pci (), 0);
  for (uint16_t q = 0; q < 4; q++)
    assert_int_equal (bench.pci.transport.ops->queue_max (&bench.pci.transport, q), q < 2 ? 16 : 0);
  bench.odd = 0xffff; /* more than we have room for */
  assert_int_equal (open_pci (), 0);
  assert_int_equal (bench.pci.transport.ops->queue_max (&bench.pci.transport, VIRTIO_PCI_QUEUES), 0);
  assert_int_equal (bench.pci.transport.ops->queue_max (&bench.pci.transport, 0xffff), 0);
  finish ();
}

/* A doorbell is 2 or 4 bytes wide, aligned, and whole inside its structure. */
static void
doorbells_lie_in_their_structure (void **state G_GNUC_UNUSED)
{
  static const struct
  {
    uint32_t multiplier, length;
    uint16_t offset;
    bool data;
    int expected;
  } cases[] = {
    { 2, 0x1000, 0x7ff, false, 0 },
    { 4, 0x1000, 0x400, false, -VIRTIO_EPROTO },
    { 0, 2, 9, false, 0 }, /* one for all queues */
    { 0, 2, 9, true, -VIRTIO_EPROTO },
    { 2, 0x1000, 1, true, -VIRTIO_EPROTO }, /* not aligned for 32 bits */
    { 4, 0x1000, 0x3ff, true, 0 },
    { 0x80000000, 0x1000, 2, false, -VIRTIO_EPROTO }, /* would wrap in 32 bits */
  };

  for (unsigned i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      struct virtio_rng rng;
      uint8_t byte;

      setup (VIRTIO_ID_RNG, cases[i].data ? VIRTIO_BIT (VIRTIO_F_NOTIFICATION_DATA) : 0);
      bench.fake.notify_multiplier = cases[i].multiplier;
      for (unsigned q = 0; q < FAKE_QUEUES; q++)
        bench.fake.notify_off[q] = cases[i].offset;
      fake_pci_init (&bench.fake, &bench.config);
      fake_pci_cap (&bench.fake, 0x70, 0, VIRTIO_PCI_CAP_NOTIFY_CFG, 4, 0x3000, cases[i].length);
      assert_int_equal (virtio_rng_start (&rng, open_either (true), &quick), cases[i].expected);
      if (cases[i].expected == 0)
        assert_int_equal (virtio_rng_read (&rng, &byte, 1), 0);
      if (cases[i].expected == 0)
        assert_int_equal (virtio_rng_stop (&rng), 0);
      finish ();
    }
}

/* ---- opening ---- */

static void
odd_slots_of_mmio (void **state G_GNUC_UNUSED)
{
  static const struct
  {
    uint32_t reg, value;
    unsigned reads; /* and nothing behind it is touched (4.2.2.2) */
  } cases[] = {
    { VIRTIO_MMIO_MAGIC_VALUE, 0x74726977, 1 },
    { VIRTIO_MMIO_VERSION, 1, 2 }, /* legacy */
    { VIRTIO_MMIO_VERSION, 3, 2 },
    { VIRTIO_MMIO_DEVICE_ID, 0, 3 },
    { VIRTIO_MMIO_DEVICE_ID, 0x10001, 3 },
  };

  for (unsigned i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      setup (VIRTIO_ID_RNG, 0);
      bench.odd_at = FAKE_MMIO_BASE + cases[i].reg;
      bench.odd = cases[i].value;
      assert_int_equal (open_mmio (), -VIRTIO_ENODEV);
      assert_int_equal (bench.reads, cases[i].reads);
      assert_int_equal (bench.writes, 0);
      finish ();
    }
  setup (VIRTIO_ID_RNG, 0);
  bench.maps = 0;
  assert_int_equal (open_mmio (), -VIRTIO_ENOMEM);
  assert_int_equal (bench.reads, 0);
  finish ();
}

/* Each structure is mapped by itself. */
static void
structures_that_cannot_be_mapped (void **state G_GNUC_UNUSED)
{
  for (unsigned maps = 0; maps < 4; maps++)
    {
      setup (VIRTIO_ID_RNG, 0);
      bench.maps = maps;
      assert_int_equal (open_pci (), -VIRTIO_ENOMEM);
      finish ();
    }
}

/* A device needs no configuration of its own, but all the other structures. */
static void
structures_that_are_missing (void **state G_GNUC_UNUSED)
{
  for (uint8_t at = 0x40; at <= 0x70; at += 0x10)
    {
      setup (VIRTIO_ID_RNG, 0);
      bench.fake.pci[at + 3] = VIRTIO_PCI_CAP_PCI_CFG;
      assert_int_equal (open_pci (), at == 0x60 ? 0 : -VIRTIO_EPROTO);
      finish ();
    }
  setup (VIRTIO_ID_RNG, 0);
  bench.fake.pci[0x70 + 2] = 16; /* doorbells without their multiplier */
  assert_int_equal (open_pci (), -VIRTIO_EPROTO);
  bench.fake.pci[0x0e] = 1; /* a bridge */
  assert_int_equal (open_pci (), -VIRTIO_EPROTO);
  finish ();
}

/* ---- what a device does not have ---- */

/* Each error of the caller's, of the device's limits, of memory: told, and nothing is left. */
static void
what_cannot_be_done_is_said (void **state G_GNUC_UNUSED)
{
  static struct virtio_net net;
  static struct virtio_blk blk;
  static struct fake_disk disk;
  uint8_t data[512] = { 0 };

  memset (&net, 0, sizeof net);
  memset (&blk, 0, sizeof blk);
  assert_int_equal (virtio_net_stop (&net), 0); /* never started */
  assert_int_equal (virtio_blk_stop (&blk), 0);
  setup (VIRTIO_ID_NET, 0);
  assert_int_equal (virtio_net_start (&net, open_either (true), &quick, NULL), 0);
  assert_int_equal (virtio_net_set_promiscuous (&net, true), -VIRTIO_ENOTSUP);
  assert_int_equal (virtio_net_set_mac (&net, (const uint8_t *) "\2abcde"), -VIRTIO_ENOTSUP);
  bench.fake.status |= VIRTIO_STATUS_NEEDS_RESET;
  assert_int_equal (virtio_net_link (&net), -VIRTIO_EIO);
  bench.fake.reset_stuck = true;
  assert_int_equal (virtio_net_stop (&net), -VIRTIO_ETIMEDOUT);
  bench.fake.reset_stuck = false;
  assert_int_equal (virtio_net_stop (&net), 0);
  finish ();
  setup (VIRTIO_ID_BLOCK, VIRTIO_BIT (VIRTIO_BLK_F_RO) | VIRTIO_BIT (VIRTIO_BLK_F_DISCARD));
  fake_blk_config (&bench.fake, &disk);
  assert_int_equal (virtio_blk_start (&blk, open_either (false), &quick), 0);
  assert_int_equal (virtio_blk_submit (&blk, VIRTIO_BLK_T_OUT, 0, data, 512, NULL), -VIRTIO_EROFS);
  assert_int_equal (virtio_blk_discard (&blk, 0, 1), -VIRTIO_EROFS);
  bench.fake.reset_stuck = true;
  assert_int_equal (virtio_blk_stop (&blk), -VIRTIO_ETIMEDOUT);
  bench.fake.reset_stuck = false;
  assert_int_equal (virtio_blk_stop (&blk), 0);
  finish ();
}

/* ---- base address registers ---- */

#define BARS_FROM 0x10u

/* Those of a function with one BAR of some kind that is @bytes long, in register @index. */
static struct
{
  unsigned index;
  uint64_t value, mask;
} only;

static uint32_t
bar_read (void *ctx, uint32_t offset, unsigned width)
{
  unsigned index = (offset - BARS_FROM) / 4;
  uint32_t value = 0;

  if (offset >= BARS_FROM && offset < BARS_FROM + 24)
    return index == only.index       ? (uint32_t) only.value
           : index == only.index + 1 ? (uint32_t) (only.value >> 32)
                                     : 0;
  memcpy (&value, ((struct fake_device *) ctx)->pci + offset, width);
  return value;
}

static void
bar_write (void *ctx, uint32_t offset, unsigned width, uint32_t value)
{
  unsigned index = (offset - BARS_FROM) / 4, shift = index == only.index ? 0 : 32;
  uint64_t writable = only.mask & (UINT64_C (0xffffffff) << shift);

  if (offset == 4)
    memcpy (((struct fake_device *) ctx)->pci + offset, &value, width);
  else if (index == only.index || index == only.index + 1)
    only.value = (only.value & ~writable) | ((uint64_t) value << shift & writable);
  else
    assert_int_equal (value == 0 || value == 0xffffffff, 1); /* sized, and put back */
}

static int
open_with_bar (unsigned index, uint64_t value, uint64_t bytes)
{
  setup (VIRTIO_ID_RNG, 0);
  for (uint8_t at = 0x40; at <= 0x70; at += 0x10)
    bench.fake.pci[at + 4] = (uint8_t) index;
  only.index = index;
  only.value = value;
  only.mask = (value & 4 ? UINT64_MAX : 0xffffffff) & ~(bytes - 1) & ~UINT64_C (0xf);
  bench.config = (struct virtio_pci_config){ bar_read, bar_write, &bench.fake };
  return open_pci ();
}

static void
base_address_registers (void **state G_GNUC_UNUSED)
{
  assert_int_equal (open_with_bar (0, FAKE_PCI_BASE, FAKE_PCI_BYTES), 0);
  assert_int_equal (only.value, FAKE_PCI_BASE); /* as it was */
  assert_int_equal (open_with_bar (2, FAKE_PCI_BASE | 4, FAKE_PCI_BYTES), 0); /* 64 bits */
  assert_int_equal (bench.pci.common.base, FAKE_PCI_BASE);
  assert_int_equal (only.value, FAKE_PCI_BASE | 4);
  assert_int_equal (open_with_bar (2, 0x1200000000 | 4 | 8, FAKE_PCI_BYTES) == -VIRTIO_EPROTO, 0);
  assert_true (bench.pci.common.base == 0x1200000000); /* beyond 4 GiB */
  assert_true (only.value == (0x1200000000 | 4 | 8));
  assert_int_equal (open_with_bar (1, FAKE_PCI_BASE, FAKE_PCI_BYTES / 2), -VIRTIO_EPROTO); /* too small */
  assert_int_equal (open_with_bar (1, FAKE_PCI_BASE | 1, FAKE_PCI_BYTES), -VIRTIO_EPROTO); /* ports */
  assert_int_equal (open_with_bar (1, 0, FAKE_PCI_BYTES), -VIRTIO_EPROTO); /* no address */
  assert_int_equal (open_with_bar (5, FAKE_PCI_BASE | 4, FAKE_PCI_BYTES), 0); /* no room for its other half */
  assert_int_equal (bench.pci.common.base, FAKE_PCI_BASE);
  fake_platform_clear (&bench.platform);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (configuration_goes_both_ways),
    cmocka_unit_test (emergency_writing_needs_no_queue),
    cmocka_unit_test (odd_queues_are_not_used),
    cmocka_unit_test (only_queues_there_are),
    cmocka_unit_test (doorbells_lie_in_their_structure),
    cmocka_unit_test (odd_slots_of_mmio),
    cmocka_unit_test (structures_that_cannot_be_mapped),
    cmocka_unit_test (structures_that_are_missing),
    cmocka_unit_test (what_cannot_be_done_is_said),
    cmocka_unit_test (base_address_registers),
  };

  return cmocka_run_group_tests_name ("virtio-transport", tests, NULL, NULL);
}
