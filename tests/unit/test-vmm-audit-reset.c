/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The auditor on queues that are reset one by one (2.6.1), by the registers of both buses. */
#include "audit-bench.h"

#include <virtio/mmio.h>
#include <virtio/pci.h>

#define RING_RESET VIRTIO_BIT (VIRTIO_F_RING_RESET)

/* What a driver does, whatever the registers are called. */
enum deed
{
  END,
  START,  /* everything until the queue runs */
  ASK,    /* its reset */
  ASK_0,  /* by writing 0 */
  BUSY,   /* the reset is read to go on */
  OVER,   /* it is read to be over */
  DESC, DRIVER, DEVICE, /* the areas are told */
  ENABLE,
  RESET, /* of the device */
};

static const struct
{
  const char *name, *clause;
  bool negotiated;
  enum deed deeds[12];
} walks[] = {
  { "a queue that comes back", NULL, true, { START, ASK, BUSY, BUSY, OVER, DESC, DRIVER, DEVICE, ENABLE } },
  { "one that does not", NULL, true, { START, ASK, OVER } },
  { "a device's reset instead", NULL, true, { START, ASK, BUSY, RESET, START } },
  { "without the feature", "C18", false, { START, ASK, OVER } },
  { "by another value", "C18", true, { START, ASK_0, OVER } },
  { "not read at all", "C18", true, { START, ASK, DESC, DRIVER, DEVICE, ENABLE } },
  { "read, but not to its end", "C18", true, { START, ASK, BUSY, DESC, DRIVER, DEVICE, ENABLE } },
  { "enabled with its old areas", "C18", true, { START, ASK, OVER, ENABLE } },
  { "with one of them", "C18", true, { START, ASK, OVER, DESC, DRIVER, ENABLE } },
};

static void
pci (struct bench *bench, unsigned offset, unsigned len, uint32_t value, bool write)
{
  vdev_hooks_access (bench->dev, VDEV_BUS_PCI_COMMON, offset, len, value, write);
}

static void
mmio (struct bench *bench, unsigned offset, uint32_t value, bool write)
{
  vdev_hooks_access (bench->dev, VDEV_BUS_MMIO, offset, 4, value, write);
}

#define OF(field) offsetof (struct virtio_pci_common_cfg, field)

static void do_pci (struct bench *bench, enum deed deed);

static void
start_pci (struct bench *bench)
{
  do_pci (bench, RESET);
  for (unsigned i = 0; i < 3; i++)
    pci (bench, OF (device_status), 1, (const uint8_t[]){ 1, 3, 11 }[i], true);
  pci (bench, OF (device_status), 1, 11, false);
  pci (bench, OF (queue_select), 2, 0, true);
  for (enum deed deed = DESC; deed <= ENABLE; deed++)
    do_pci (bench, deed);
  pci (bench, OF (device_status), 1, 15, true);
}

static void
do_pci (struct bench *bench, enum deed deed)
{
  switch (deed)
    {
    case START:
      start_pci (bench);
      break;
    case ASK:
    case ASK_0:
      pci (bench, OF (queue_reset), 2, deed == ASK, true);
      break;
    case BUSY:
    case OVER:
      pci (bench, OF (queue_reset), 2, deed == BUSY, false);
      break;
    case ENABLE:
      pci (bench, OF (queue_enable), 2, 1, true);
      break;
    case RESET:
      pci (bench, OF (device_status), 1, 0, true);
      pci (bench, OF (device_status), 1, 0, false);
      break;
    default:
      pci (bench, (unsigned) OF (queue_desc) + 8 * (deed - DESC), 4, 0, true);
      pci (bench, (unsigned) OF (queue_desc) + 8 * (deed - DESC) + 4, 4, 0, true);
    }
}

static void do_mmio (struct bench *bench, enum deed deed);

static void
start_mmio (struct bench *bench)
{
  mmio (bench, VIRTIO_MMIO_MAGIC_VALUE, VIRTIO_MMIO_MAGIC, false);
  mmio (bench, VIRTIO_MMIO_VERSION, 2, false);
  mmio (bench, VIRTIO_MMIO_DEVICE_ID, 2, false);
  do_mmio (bench, RESET);
  for (unsigned i = 0; i < 3; i++)
    mmio (bench, VIRTIO_MMIO_STATUS, (const uint8_t[]){ 1, 3, 11 }[i], true);
  mmio (bench, VIRTIO_MMIO_STATUS, 11, false);
  mmio (bench, VIRTIO_MMIO_QUEUE_SEL, 0, true);
  mmio (bench, VIRTIO_MMIO_QUEUE_SIZE, 8, true);
  for (enum deed deed = DESC; deed <= ENABLE; deed++)
    do_mmio (bench, deed);
  mmio (bench, VIRTIO_MMIO_STATUS, 15, true);
}

static void
do_mmio (struct bench *bench, enum deed deed)
{
  switch (deed)
    {
    case START:
      start_mmio (bench);
      break;
    case ASK:
    case ASK_0:
      mmio (bench, VIRTIO_MMIO_QUEUE_RESET, deed == ASK, true);
      break;
    case BUSY:
    case OVER:
      mmio (bench, VIRTIO_MMIO_QUEUE_RESET, deed == BUSY, false);
      break;
    case ENABLE:
      mmio (bench, VIRTIO_MMIO_QUEUE_READY, 1, true);
      break;
    case RESET:
      mmio (bench, VIRTIO_MMIO_STATUS, 0, true);
      mmio (bench, VIRTIO_MMIO_STATUS, 0, false);
      break;
    default:
      mmio (bench, VIRTIO_MMIO_QUEUE_DESC_LOW + 0x10 * (deed - DESC), 0, true);
      mmio (bench, VIRTIO_MMIO_QUEUE_DESC_HIGH + 0x10 * (deed - DESC), 0, true);
    }
}

static void
walk (void (*act) (struct bench *bench, enum deed deed), const char *bus)
{
  for (unsigned i = 0; i < G_N_ELEMENTS (walks); i++)
    {
      g_autofree char *name = g_strdup_printf ("%s: %s", bus, walks[i].name);
      struct bench bench;

      open_bench (&bench, ram_disk (32768, "off"));
      assert_int_equal (vdev_accept (bench.dev, V1 | PACKED | (walks[i].negotiated ? RING_RESET : 0)), 0);
      for (unsigned k = 0; walks[i].deeds[k] != END; k++)
        act (&bench, walks[i].deeds[k]);
      if (walks[i].clause)
        caught (&bench, walks[i].clause, name);
      else if (audit_findings (bench.audit))
        fail_msg ("%s: %s", name, bench.text);
      close_bench (&bench);
    }
}

static void
test_pci (void **state)
{
  walk (do_pci, "pci");
}

static void
test_mmio (void **state)
{
  walk (do_mmio, "mmio");
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_pci),
    cmocka_unit_test (test_mmio),
  };

  return cmocka_run_group_tests_name ("vmm-audit-reset", tests, NULL, NULL);
}
