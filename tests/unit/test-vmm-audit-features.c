/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The auditor on what needs a feature of its own: commands of a network device, a
 * balloon's poison, a device's suspension. */
#include "audit-bench.h"

#include <sys/socket.h>

#include <virtio/balloon.h>
#include <virtio/device.h>
#include <virtio/net.h>
#include <virtio/pci.h>

#include "host-side/vmm/virtio/devices.h"

#define BIT(name) VIRTIO_BIT (VIRTIO_NET_F_##name)

/* ---- network ---- */

/* A device with a wire whose other end is *@wire. */
static struct vdev *
new_net (int *wire)
{
  struct options options = { 0 };
  struct vdev *dev = NULL;
  char number[16];
  int fds[2];

  assert_int_equal (socketpair (AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, fds), 0);
  snprintf (number, sizeof number, "%d", fds[0]);
  options_add (&options, "socket-fd", number);
  assert_int_equal (net_create (&options, &dev), 0);
  *wire = fds[1];
  return dev;
}

/* A command on the control queue, of @len bytes in all. */
static void
command (struct bench *bench, uint8_t class_, uint8_t number, uint32_t len)
{
  struct virtio_desc *table = at (RAM_DESC);
  struct virtio_avail *avail = at (RAM_DRIVER);
  uint8_t *data = at (RAM_DATA);

  data[0] = class_;
  data[1] = number;
  table[0] = (struct virtio_desc){ RAM_DATA, len, VIRTIO_DESC_F_NEXT, 1 };
  table[1] = (struct virtio_desc){ RAM_DATA + 0x1000, 1, VIRTIO_DESC_F_WRITE, 0 };
  avail->ring[avail->idx % SIZE] = 0;
  avail->idx++;
  vdev_kick (bench->dev, VIRTIO_NET_QUEUE_CTRL (1));
}

static const struct
{
  const char *name, *clause; /* NULL: nothing is wrong */
  uint64_t features;
  uint8_t class_, number;
} commands[] = {
  { "a table of scaling", "N15", 0, VIRTIO_NET_CTRL_MQ, VIRTIO_NET_CTRL_MQ_RSS_CONFIG },
  { "a choice of hashes", "N15", BIT (RSS), VIRTIO_NET_CTRL_MQ, VIRTIO_NET_CTRL_MQ_HASH_CONFIG },
  { "a command of no feature", "N15", BIT (RSS) | BIT (HASH_REPORT), VIRTIO_NET_CTRL_MQ, 9 },
  { "scaling that was negotiated", NULL, BIT (RSS), VIRTIO_NET_CTRL_MQ, VIRTIO_NET_CTRL_MQ_RSS_CONFIG },
  { "hashes that were negotiated", NULL, BIT (HASH_REPORT), VIRTIO_NET_CTRL_MQ,
    VIRTIO_NET_CTRL_MQ_HASH_CONFIG },
  { "coalescing", "N17", BIT (VQ_NOTF_COAL), VIRTIO_NET_CTRL_NOTF_COAL, VIRTIO_NET_CTRL_NOTF_COAL_TX_SET },
  { "a queue's coalescing", "N17", BIT (NOTF_COAL), VIRTIO_NET_CTRL_NOTF_COAL,
    VIRTIO_NET_CTRL_NOTF_COAL_VQ_GET },
  { "statistics", "N18", 0, VIRTIO_NET_CTRL_STATS, 1 },
  { "something unheard of", "N18", 0, 200, 0 },
  { "coalescing that was negotiated", NULL, BIT (NOTF_COAL), VIRTIO_NET_CTRL_NOTF_COAL,
    VIRTIO_NET_CTRL_NOTF_COAL_RX_SET },
};

/* Features are taken as a device's that offers them; ours refuses the commands anyhow. */
static void
test_commands (void **state)
{
  for (unsigned i = 0; i < G_N_ELEMENTS (commands); i++)
    {
      uint64_t features = V1 | BIT (CTRL_VQ) | commands[i].features;
      struct bench bench;
      int wire;

      open_bench (&bench, new_net (&wire));
      bench.dev->features |= features;
      assert_int_equal (vdev_accept (bench.dev, features), 0);
      bench.dev->config[8] = 1; /* max_virtqueue_pairs */
      assert_int_equal (ram_start (bench.dev, VIRTIO_NET_QUEUE_CTRL (1), SIZE, features), 0);
      command (&bench, commands[i].class_, commands[i].number, 48);
      if (commands[i].clause)
        caught (&bench, commands[i].clause, commands[i].name);
      else if (audit_findings (bench.audit))
        fail_msg ("%s: %s", commands[i].name, bench.text);
      close_bench (&bench);
      close (wire);
    }
}

/* Whose registers are not here may keep the control queue to himself. */
static void
test_front_end_with_a_control_queue (void **state)
{
  for (unsigned seen = 0; seen < 2; seen++)
    {
      struct bench bench;
      int wire;

      open_bench (&bench, new_net (&wire));
      if (seen)
        vdev_hooks_access (bench.dev, VDEV_BUS_PCI_COMMON, offsetof (struct virtio_pci_common_cfg, device_status),
                           1, 0, true);
      assert_int_equal (vdev_accept (bench.dev, V1 | PACKED | BIT (GUEST_ANNOUNCE)), 0);
      if (seen)
        caught (&bench, "C10", "announcements without a control queue");
      else
        assert_int_equal (audit_findings (bench.audit), 0);
      close_bench (&bench);
      close (wire);
    }
}

/* Room for the largest frame is taken from the ring, and what a small one leaves goes back:
 * all of it is the device's to take again. */
static void
test_buffers_that_go_back (void **state)
{
  const uint64_t features = V1 | BIT (MRG_RXBUF);
  struct virtio_desc *table;
  struct virtio_avail *avail;
  const uint8_t frame[60] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };
  struct bench bench;
  int wire;

  open_bench (&bench, new_net (&wire));
  assert_int_equal (vdev_accept (bench.dev, features), 0);
  assert_int_equal (ram_start (bench.dev, 0, SIZE, features), 0);
  table = at (RAM_DESC);
  avail = at (RAM_DRIVER);
  for (uint16_t i = 0; i < 6; i++)
    {
      table[i] = (struct virtio_desc){ RAM_DATA + 0x400u * i, 0x400, VIRTIO_DESC_F_WRITE, 0 };
      avail->ring[i] = i;
    }
  avail->idx = 6;
  for (unsigned i = 1; i < 4; i++)
    {
      assert_int_equal (send (wire, frame, sizeof frame, 0), (ssize_t) sizeof frame);
      vdev_kick (bench.dev, 0);
      assert_int_equal (((struct virtio_used *) at (RAM_DEVICE))->idx, i);
    }
  if (audit_findings (bench.audit))
    fail_msg ("a driver that did nothing: %s", bench.text);
  close_bench (&bench);
  close (wire);
}

/* ---- registers ---- */

#define POISON offsetof (struct virtio_balloon_config, poison_val)

static void
touch (struct bench *bench, uint64_t offset, bool write, uint32_t value)
{
  vdev_hooks_access (bench->dev, VDEV_BUS_PCI_COMMON, offset, 1, value, write);
}

static void
status (struct bench *bench, uint8_t value)
{
  touch (bench, offsetof (struct virtio_pci_common_cfg, device_status), true, value);
}

/* A balloon whose driver has come as far as FEATURES_OK. */
static void
open_balloon (struct bench *bench, uint64_t features)
{
  struct options options = { 0 };
  struct vdev *dev = NULL;

  options_add (&options, "free-page-reporting", "on");
  assert_int_equal (balloon_create (&options, &dev), 0);
  open_bench (bench, dev);
  status (bench, 0);
  touch (bench, offsetof (struct virtio_pci_common_cfg, device_status), false, 0);
  status (bench, 1);
  status (bench, 3);
  status (bench, 11);
  touch (bench, offsetof (struct virtio_pci_common_cfg, device_status), false, 11);
  assert_int_equal (vdev_accept (dev, V1 | PACKED | features), 0);
}

static void
poison (struct bench *bench)
{
  vdev_hooks_access (bench->dev, VDEV_BUS_PCI_DEVICE, POISON, 4, 0xaaaaaaaa, true);
}

static void
test_poison (void **state)
{
  const uint64_t feature = VIRTIO_BIT (VIRTIO_BALLOON_F_PAGE_POISON);

  for (unsigned mode = 0; mode < 4; mode++)
    {
      bool before = mode & 1, after = mode & 2;
      struct bench bench;

      open_balloon (&bench, feature);
      if (before)
        poison (&bench);
      status (&bench, 15);
      if (before)
        assert_int_equal (audit_findings (bench.audit), 0);
      if (after)
        poison (&bench);
      if (!before || after)
        caught (&bench, "BL5", "poison");
      assert_int_equal (audit_found (bench.audit, "BL5"), !before + after);
      close_bench (&bench);
    }
}

static void
test_nothing_to_poison (void **state)
{
  struct bench bench;

  open_balloon (&bench, 0);
  status (&bench, 15);
  assert_int_equal (audit_findings (bench.audit), 0);
  assert_int_equal (audit_checked (bench.audit, "BL5"), 0);
  close_bench (&bench);
}

/* 5.5.6.4: nobody hints whom nobody asks. */
static void
test_hints (void **state)
{
  const uint64_t id = offsetof (struct virtio_balloon_config, free_page_hint_cmd_id);

  for (unsigned mode = 0; mode < 4; mode++)
    {
      struct bench bench;

      open_balloon (&bench, 0);
      if (mode & 1)
        bench.dev->features |= VIRTIO_BIT (VIRTIO_BALLOON_F_FREE_PAGE_HINT);
      vdev_hooks_access (bench.dev, VDEV_BUS_PCI_DEVICE, 0, 4, 0, false);
      assert_int_equal (audit_findings (bench.audit), 0);
      vdev_hooks_access (bench.dev, VDEV_BUS_PCI_DEVICE, id, 4, 0, mode & 2);
      if (mode & 1)
        assert_int_equal (audit_findings (bench.audit), 0);
      else
        caught (&bench, "BL4", "the field of hints");
      close_bench (&bench);
    }
}

static void
test_suspension (void **state)
{
  for (unsigned offered = 0; offered < 2; offered++)
    {
      struct bench bench;

      open_balloon (&bench, 0);
      if (offered)
        {
          bench.dev->features |= VIRTIO_BIT (VIRTIO_F_SUSPEND);
          vdev_accept (bench.dev, V1 | PACKED | VIRTIO_BIT (VIRTIO_F_SUSPEND));
        }
      status (&bench, 15);
      assert_int_equal (audit_findings (bench.audit), 0);
      status (&bench, 15 | VIRTIO_STATUS_SUSPEND);
      if (offered)
        assert_int_equal (audit_findings (bench.audit), 0);
      else
        caught (&bench, "C20", "a suspension nobody negotiated");
      close_bench (&bench);
    }
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_commands),
    cmocka_unit_test (test_front_end_with_a_control_queue),
    cmocka_unit_test (test_buffers_that_go_back),
    cmocka_unit_test (test_poison),
    cmocka_unit_test (test_nothing_to_poison),
    cmocka_unit_test (test_hints),
    cmocka_unit_test (test_suspension),
  };

  return cmocka_run_group_tests_name ("vmm-audit-features", tests, NULL, NULL);
}
