/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Configuration space, BARs, MSI-X and the registers of virtio-pci, as a guest
 * reaches them: by the buses. */
#include "tap-main.h"

#include "host-side/vmm/machine/shared-page.h"
#include "tests/support/pci-machine.h"

#include <glib/gstdio.h>
#include <linux/pci_regs.h>
#include <virtio/blk.h>
#include <virtio/pci.h>

#define SLOT (1u << 15)
#define BAR0 PCI_BASE_ADDRESS_0
#define COMMON(field) offsetof (struct virtio_pci_common_cfg, field)

static struct pci_machine m;

static uint64_t
do_bus (struct bus *bus, uint64_t address, unsigned len, uint64_t value, bool write)
{
  bus_do (bus, address, &value, len, write);
  return len == 8 ? value : value & ((UINT64_C (1) << 8 * len) - 1);
}

static uint32_t
cfg (unsigned offset, unsigned len)
{
  return (uint32_t) do_bus (&m.mmio, MAP_ECAM + SLOT + offset, len, 0, false);
}

static void
set_cfg (unsigned offset, unsigned len, uint32_t value)
{
  do_bus (&m.mmio, MAP_ECAM + SLOT + offset, len, value, true);
}

static uint64_t
bar (unsigned page, unsigned offset, unsigned len)
{
  return do_bus (&m.mmio, MAP_PCI + page * VIRTIO_PCI_PAGE + offset, len, 0, false);
}

static void
set_bar (unsigned page, unsigned offset, unsigned len, uint64_t value)
{
  do_bus (&m.mmio, MAP_PCI + page * VIRTIO_PCI_PAGE + offset, len, value, true);
}

static int
begin (void **state)
{
  int ret = pci_machine_new (&m);

  set_cfg (PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
  return ret;
}

static int
end (void **state)
{
  pci_machine_free (&m);
  return 0;
}

static unsigned
find_capability (uint8_t id, uint8_t type)
{
  unsigned n = 0;

  for (unsigned at = cfg (PCI_CAPABILITY_LIST, 1); at; at = cfg (at + 1, 1))
    {
      assert_true (at >= 0x40 && at % 4 == 0 && n++ < 48);
      if (cfg (at, 1) == id && (id != VIRTIO_PCI_CAP_ID || cfg (at + 3, 1) == type))
        return at;
    }
  return 0;
}

static void
test_identity (void **state)
{
  static const uint8_t types[] = { VIRTIO_PCI_CAP_COMMON_CFG, VIRTIO_PCI_CAP_NOTIFY_CFG,
                                   VIRTIO_PCI_CAP_ISR_CFG, VIRTIO_PCI_CAP_DEVICE_CFG,
                                   VIRTIO_PCI_CAP_PCI_CFG };

  assert_int_equal (cfg (0, 4), 0x10421af4);
  assert_int_equal (cfg (PCI_CLASS_REVISION, 4), 0x01000001);
  assert_int_equal (cfg (PCI_INTERRUPT_PIN, 1), 0);
  assert_int_not_equal (find_capability (PCI_CAP_ID_EXP, 0), 0);
  assert_int_equal (cfg (find_capability (PCI_CAP_ID_MSIX, 0) + PCI_MSIX_FLAGS, 2), 1);
  for (unsigned i = 0; i < sizeof types; i++)
    assert_int_not_equal (find_capability (VIRTIO_PCI_CAP_ID, types[i]), 0);
  assert_int_equal (cfg (0x100, 4), 0); /* no extended capabilities */
  assert_int_equal (do_bus (&m.mmio, MAP_ECAM, 4, 0, false), 0x00081b36);
  assert_int_equal (do_bus (&m.mmio, MAP_ECAM + 2 * SLOT, 4, 0, false), 0xffffffff);
  assert_int_equal (do_bus (&m.mmio, MAP_ECAM + SLOT + 0x1000, 4, 0, false), 0xffffffff);
  assert_int_equal (do_bus (&m.mmio, MAP_ECAM + SLOT + 1, 2, 0, false), 0xffff);
  assert_int_equal (do_bus (&m.mmio, MAP_ECAM + SLOT, 8, 0, false), UINT64_MAX);
}

/* Both ways to configuration space are one space. */
static void
test_ports (void **state)
{
  do_bus (&m.ports, PORT_PCI_ADDRESS, 4, 0x80000000u | 1u << 11, true);
  assert_int_equal (do_bus (&m.ports, PORT_PCI_ADDRESS, 4, 0, false), 0x80000800u);
  assert_int_equal (do_bus (&m.ports, PORT_PCI_DATA, 4, 0, false), 0x10421af4);
  assert_int_equal (do_bus (&m.ports, PORT_PCI_DATA + 2, 2, 0, false), 0x1042);
  assert_int_equal (do_bus (&m.ports, PORT_PCI_DATA + 3, 1, 0, false), 0x10);
  assert_int_equal (do_bus (&m.ports, PORT_PCI_DATA + 1, 2, 0, false), 0xffff);
  do_bus (&m.ports, PORT_PCI_ADDRESS, 2, 0x1234, true); /* part of it changes nothing */
  assert_int_equal (do_bus (&m.ports, PORT_PCI_DATA, 2, 0, false), 0x1af4);
  do_bus (&m.ports, PORT_PCI_ADDRESS, 4, 0x80010800u, true); /* another bus */
  assert_int_equal (do_bus (&m.ports, PORT_PCI_DATA, 4, 0, false), 0xffffffff);
  do_bus (&m.ports, PORT_PCI_ADDRESS, 4, 0x80000900u, true); /* another function */
  assert_int_equal (do_bus (&m.ports, PORT_PCI_DATA, 4, 0, false), 0xffffffff);
  do_bus (&m.ports, PORT_PCI_ADDRESS, 4, 0x00000800u, true); /* not enabled */
  assert_int_equal (do_bus (&m.ports, PORT_PCI_DATA, 4, 0, false), 0xffffffff);
  do_bus (&m.ports, PORT_PCI_ADDRESS, 4, 0x80000800u | PCI_COMMAND, true);
  do_bus (&m.ports, PORT_PCI_DATA, 2, 0, true);
  assert_int_equal (cfg (PCI_COMMAND, 2), 0);
}

static void
test_what_cannot_be_written (void **state)
{
  uint8_t before[256];

  for (unsigned i = 0; i < 256; i++)
    before[i] = (uint8_t) cfg (i, 1);
  for (unsigned i = 0; i < 256; i += 4)
    set_cfg (i, 4, 0xffffffff);
  for (unsigned i = 0; i < 256; i += 4)
    set_cfg (i, 4, 0);
  for (unsigned i = 0; i < 256; i++)
    if (m.pci.function.writable[i] == 0)
      assert_int_equal (cfg (i, 1), before[i]);
  assert_int_equal (cfg (0, 4), 0x10421af4);
  assert_int_equal (cfg (PCI_COMMAND, 2), 0);
  assert_int_equal (cfg (PCI_STATUS, 2), PCI_STATUS_CAP_LIST);
  assert_int_equal (cfg (BAR0 + 8, 4), 0);
  assert_int_equal (cfg (find_capability (PCI_CAP_ID_MSIX, 0) + PCI_MSIX_FLAGS, 2), 1);
  set_cfg (PCI_COMMAND, 2, 0xffff);
  assert_int_equal (cfg (PCI_COMMAND, 2) & PCI_COMMAND_IO, 0);
}

static void
test_bar_sizing (void **state)
{
  assert_int_equal (cfg (BAR0, 4), MAP_PCI | PCI_BASE_ADDRESS_MEM_TYPE_64);
  set_cfg (BAR0, 4, 0xffffffff);
  assert_int_equal (cfg (BAR0, 4), (uint32_t) ~(VIRTIO_PCI_BAR_BYTES - 1) | PCI_BASE_ADDRESS_MEM_TYPE_64);
  set_cfg (BAR0 + 4, 4, 0xffffffff);
  assert_int_equal (cfg (BAR0 + 4, 4), 0xffffffff);
  assert_int_equal (m.n_doorbells, 0); /* nowhere meanwhile */
  set_cfg (BAR0 + 4, 4, 0);
  set_cfg (BAR0, 4, MAP_PCI);
  assert_int_equal (cfg (BAR0, 4), MAP_PCI | PCI_BASE_ADDRESS_MEM_TYPE_64);
  assert_int_equal (m.n_doorbells, 1);
  assert_int_equal (m.doorbell, MAP_PCI + VIRTIO_PCI_NOTIFY * VIRTIO_PCI_PAGE);
}

static void
test_bar_moves (void **state)
{
  const unsigned queues = COMMON (num_queues);

  assert_int_equal (bar (VIRTIO_PCI_COMMON, queues, 2), 1);
  set_cfg (PCI_COMMAND, 2, PCI_COMMAND_MASTER);
  assert_int_equal (bar (VIRTIO_PCI_COMMON, queues, 2), 0xffff);
  assert_int_equal (m.n_doorbells, 0);
  set_cfg (PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
  set_cfg (BAR0, 4, (uint32_t) PCI_HIGH);
  set_cfg (BAR0 + 4, 4, (uint32_t) (PCI_HIGH >> 32));
  assert_int_equal (bar (VIRTIO_PCI_COMMON, queues, 2), 0xffff);
  assert_int_equal (do_bus (&m.mmio, PCI_HIGH + queues, 2, 0, false), 1);
  assert_int_equal (m.doorbell, PCI_HIGH + VIRTIO_PCI_NOTIFY * VIRTIO_PCI_PAGE);
  assert_int_equal (m.n_doorbells, 1);
  /* Over the guest's memory, and half out of the window: it does not answer. */
  set_cfg (BAR0 + 4, 4, 0);
  set_cfg (BAR0, 4, RAM_GPA);
  assert_int_equal (m.n_doorbells, 0);
  set_cfg (BAR0, 4, MAP_ECAM);
  assert_int_equal (m.n_doorbells, 0);
  set_cfg (BAR0, 4, MAP_PCI + MAP_PCI_SIZE - VIRTIO_PCI_BAR_BYTES);
  assert_int_equal (m.n_doorbells, 1);
  assert_int_equal (do_bus (&m.mmio, MAP_PCI + MAP_PCI_SIZE - VIRTIO_PCI_BAR_BYTES + queues, 2, 0, false), 1);
}

static void
set_msix (uint16_t bits)
{
  set_cfg (find_capability (PCI_CAP_ID_MSIX, 0) + PCI_MSIX_FLAGS, 2, bits);
}

static void
test_msix_masks (void **state)
{
  msix_raise (&m.pci.msix, 1); /* disabled: nobody hears */
  set_msix (PCI_MSIX_FLAGS_ENABLE);
  assert_int_equal (pci_machine_fired (&m, 1), 0);
  assert_int_equal (bar (VIRTIO_PCI_PENDING, 0, 8), 0);
  msix_raise (&m.pci.msix, 1); /* masked from the start */
  msix_raise (&m.pci.msix, 1);
  assert_int_equal (pci_machine_fired (&m, 1), 0);
  assert_int_equal (bar (VIRTIO_PCI_PENDING, 0, 4), 2);
  set_bar (VIRTIO_PCI_PENDING, 0, 4, 0xff); /* read-only */
  set_bar (VIRTIO_PCI_TABLE, 16, 8, 0x1fee00003ull);
  set_bar (VIRTIO_PCI_TABLE, 16 + 8, 4, 0x4041);
  set_bar (VIRTIO_PCI_TABLE, 16 + 12, 4, 0xfffffffe); /* unmasked: it comes now, once */
  assert_int_equal (pci_machine_fired (&m, 1), 1);
  assert_int_equal (m.routes[1], 0x1fee00000ull);
  assert_int_equal (m.values[1], 0x4041);
  assert_int_equal (bar (VIRTIO_PCI_PENDING, 0, 4), 0);
  assert_int_equal (bar (VIRTIO_PCI_TABLE, 16 + 12, 4), 0);
  set_msix (PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL);
  msix_raise (&m.pci.msix, 1);
  assert_int_equal (pci_machine_fired (&m, 1), 0);
  set_bar (VIRTIO_PCI_TABLE, 16 + 8, 4, 0x4042);
  set_msix (PCI_MSIX_FLAGS_ENABLE);
  assert_int_equal (pci_machine_fired (&m, 1), 1);
  assert_int_equal (m.values[1], 0x4042);
  msix_raise (&m.pci.msix, 1);
  assert_int_equal (pci_machine_fired (&m, 1), 1);
  set_bar (VIRTIO_PCI_TABLE, 16 + 8, 4, 0x4043); /* while it is live */
  assert_int_equal (m.values[1], 0x4043);
  msix_raise (&m.pci.msix, VIRTIO_NO_VECTOR);
  msix_raise (&m.pci.msix, 2);
}

static void
test_msix_table_accesses (void **state)
{
  set_bar (VIRTIO_PCI_TABLE, 0, 4, 0xfee00000);
  set_bar (VIRTIO_PCI_TABLE, 0, 2, 0x1111);
  set_bar (VIRTIO_PCI_TABLE, 2, 4, 0x11111111);
  set_bar (VIRTIO_PCI_TABLE, 4, 8, UINT64_MAX);
  set_bar (VIRTIO_PCI_TABLE, 32, 4, 0x2222); /* behind the two vectors */
  assert_int_equal (bar (VIRTIO_PCI_TABLE, 0, 4), 0xfee00000);
  assert_int_equal (bar (VIRTIO_PCI_TABLE, 4, 4), 0);
  assert_int_equal (bar (VIRTIO_PCI_TABLE, 12, 4), PCI_MSIX_ENTRY_CTRL_MASKBIT);
  assert_int_equal (bar (VIRTIO_PCI_TABLE, 8, 8), (uint64_t) PCI_MSIX_ENTRY_CTRL_MASKBIT << 32);
  assert_int_equal (bar (VIRTIO_PCI_TABLE, 32, 4), 0xffffffff);
  assert_int_equal (bar (VIRTIO_PCI_TABLE, 1, 1), 0xff);
  /* An access over the border of two structures is nobody's. */
  assert_int_equal (do_bus (&m.mmio, MAP_PCI + VIRTIO_PCI_PAGE - 2, 4, 0, false), 0xffffffff);
  assert_int_equal (do_bus (&m.mmio, MAP_PCI + VIRTIO_PCI_BAR_BYTES - 2, 4, 0, false), 0xffffffff);
}

static void
set_common (unsigned offset, unsigned len, uint32_t value)
{
  set_bar (VIRTIO_PCI_COMMON, offset, len, value);
}

/* As far as FEATURES_OK, with a split ring without event index. */
static void
negotiate (void)
{
  set_common (COMMON (device_status), 1, VIRTIO_STATUS_ACKNOWLEDGE | VIRTIO_STATUS_DRIVER);
  set_common (COMMON (driver_feature_select), 4, 1);
  set_common (COMMON (driver_feature), 4, 1);
  set_common (COMMON (device_status), 1,
              VIRTIO_STATUS_ACKNOWLEDGE | VIRTIO_STATUS_DRIVER | VIRTIO_STATUS_FEATURES_OK);
  assert_true (bar (VIRTIO_PCI_COMMON, COMMON (device_status), 1) & VIRTIO_STATUS_FEATURES_OK);
}

static void
configure_queue (void)
{
  set_common (COMMON (queue_select), 2, 0);
  set_common (COMMON (queue_size), 2, 8);
  set_common (COMMON (queue_desc), 4, RAM_DESC);
  set_common (COMMON (queue_driver), 4, RAM_DRIVER);
  set_common (COMMON (queue_device), 4, RAM_DEVICE);
  set_common (COMMON (queue_enable), 2, 1);
}

static void
test_queue_registers (void **state)
{
  assert_int_equal (bar (VIRTIO_PCI_COMMON, COMMON (queue_size), 2), 256);
  set_common (COMMON (queue_size), 2, 257); /* more than there is */
  assert_int_equal (bar (VIRTIO_PCI_COMMON, COMMON (queue_size), 2), 256);
  set_common (COMMON (queue_size), 1, 4); /* not its width */
  set_common (COMMON (queue_size), 4, 4);
  set_common (COMMON (queue_desc), 8, RAM_DESC);
  set_common (COMMON (queue_desc) + 2, 2, RAM_DESC);
  assert_int_equal (bar (VIRTIO_PCI_COMMON, COMMON (queue_size), 2), 256);
  assert_int_equal (bar (VIRTIO_PCI_COMMON, COMMON (queue_desc), 4), 0);
  set_common (COMMON (queue_msix_vector), 2, 1);
  assert_int_equal (bar (VIRTIO_PCI_COMMON, COMMON (queue_msix_vector), 2), 1);
  set_common (COMMON (queue_msix_vector), 2, 2);
  assert_int_equal (bar (VIRTIO_PCI_COMMON, COMMON (queue_msix_vector), 2), VIRTIO_NO_VECTOR);
  set_common (COMMON (config_msix_vector), 2, 77);
  assert_int_equal (bar (VIRTIO_PCI_COMMON, COMMON (config_msix_vector), 2), VIRTIO_NO_VECTOR);
  negotiate ();
  configure_queue ();
  set_common (COMMON (queue_size), 2, 16); /* frozen now */
  set_common (COMMON (queue_desc), 4, 0x1000);
  set_common (COMMON (queue_device) + 4, 4, 1);
  set_common (COMMON (queue_enable), 2, 0); /* which a driver may not write */
  assert_int_equal (bar (VIRTIO_PCI_COMMON, COMMON (queue_size), 2), 8);
  assert_int_equal (bar (VIRTIO_PCI_COMMON, COMMON (queue_desc), 4), RAM_DESC);
  assert_int_equal (bar (VIRTIO_PCI_COMMON, COMMON (queue_device) + 4, 4), 0);
  assert_int_equal (bar (VIRTIO_PCI_COMMON, COMMON (queue_enable), 2), 1);
  set_common (COMMON (queue_select), 2, 1); /* there is none */
  set_common (COMMON (queue_enable), 2, 1);
  set_common (COMMON (queue_msix_vector), 2, 0);
  assert_int_equal (bar (VIRTIO_PCI_COMMON, COMMON (queue_size), 2), 0);
  assert_int_equal (bar (VIRTIO_PCI_COMMON, COMMON (queue_desc), 4), 0);
  set_common (COMMON (device_status), 1, 0);
  assert_int_equal (bar (VIRTIO_PCI_COMMON, COMMON (queue_enable), 2), 0);
  assert_int_equal (bar (VIRTIO_PCI_COMMON, COMMON (queue_size), 2), 256);
  assert_int_equal (bar (VIRTIO_PCI_COMMON, COMMON (queue_desc), 4), 0);
}

/* Asks for the serial number; the driver is at DRIVER_OK. */
static void
put_request (void)
{
  struct virtio_desc *desc = (struct virtio_desc *) (m.ram + (RAM_DESC - RAM_GPA));
  struct virtio_avail *avail = (struct virtio_avail *) (m.ram + (RAM_DRIVER - RAM_GPA));
  struct virtio_blk_req req = { .type = VIRTIO_BLK_T_GET_ID };

  memcpy (m.ram + (RAM_DATA - RAM_GPA), &req, sizeof req);
  desc[0] = (struct virtio_desc){ RAM_DATA, sizeof req, VIRTIO_DESC_F_NEXT, 1 };
  desc[1] = (struct virtio_desc){ RAM_DATA + 512, 21, VIRTIO_DESC_F_WRITE, 0 };
  avail->ring[avail->idx % 8] = 0;
  avail->idx++;
}

static void
test_requests_and_interrupts (void **state)
{
  const struct virtio_used *used = (const void *) (m.ram + (RAM_DEVICE - RAM_GPA));

  negotiate ();
  configure_queue ();
  put_request ();
  set_bar (VIRTIO_PCI_NOTIFY, 0, 2, 0);
  assert_int_equal (used->idx, 0); /* not before DRIVER_OK */
  set_common (COMMON (device_status), 1, 0xf);
  set_bar (VIRTIO_PCI_NOTIFY, 0, 2, 0);
  assert_int_equal (used->idx, 1);
  assert_string_equal ((char *) m.ram + (RAM_DATA - RAM_GPA) + 512, "serial");
  assert_int_equal (bar (VIRTIO_PCI_ISR, 0, 1), VIRTIO_PCI_ISR_QUEUE);
  assert_int_equal (bar (VIRTIO_PCI_ISR, 0, 1), 0);
  set_msix (PCI_MSIX_FLAGS_ENABLE);
  set_common (COMMON (queue_msix_vector), 2, 1);
  set_bar (VIRTIO_PCI_TABLE, 16 + 12, 4, 0);
  put_request ();
  set_bar (VIRTIO_PCI_NOTIFY, 0, 2, 0);
  assert_int_equal (pci_machine_fired (&m, 1), 1);
  assert_int_equal (bar (VIRTIO_PCI_ISR, 0, 1), 0);
  /* A ring that breaks a rule: the configuration's vector tells. */
  set_common (COMMON (config_msix_vector), 2, 0);
  set_bar (VIRTIO_PCI_TABLE, 12, 4, 0);
  ((struct virtio_avail *) (m.ram + (RAM_DRIVER - RAM_GPA)))->idx = 1000;
  set_bar (VIRTIO_PCI_NOTIFY, 0, 2, 0);
  assert_int_equal (pci_machine_fired (&m, 0), 1);
  assert_true (bar (VIRTIO_PCI_COMMON, COMMON (device_status), 1) & VIRTIO_STATUS_NEEDS_RESET);
  assert_int_equal (bar (VIRTIO_PCI_ISR, 0, 1), VIRTIO_PCI_ISR_CONFIG);
}

static void
be_live (uint64_t features)
{
  set_common (COMMON (device_status), 1, VIRTIO_STATUS_ACKNOWLEDGE | VIRTIO_STATUS_DRIVER);
  set_common (COMMON (driver_feature_select), 4, 1);
  set_common (COMMON (driver_feature), 4, (uint32_t) (features >> 32) | 1);
  set_common (COMMON (device_status), 1, 11);
  configure_queue ();
  set_common (COMMON (device_status), 1, 15);
  assert_int_equal (bar (VIRTIO_PCI_COMMON, COMMON (device_status), 1), 15);
}

/* 2.6.1: as new, silent, and live again with other areas and another size. */
static void
test_queue_reset (void **state)
{
  const struct virtio_used *used = (const void *) (m.ram + (RAM_DEVICE - RAM_GPA));

  be_live (VIRTIO_BIT (VIRTIO_F_RING_RESET));
  put_request ();
  set_bar (VIRTIO_PCI_NOTIFY, 0, 2, 0);
  assert_int_equal (used->idx, 1);
  set_common (COMMON (queue_msix_vector), 2, 1);
  put_request ();
  set_common (COMMON (queue_reset), 2, 0); /* asks for nothing */
  assert_int_equal (bar (VIRTIO_PCI_COMMON, COMMON (queue_enable), 2), 1);
  set_common (COMMON (queue_reset), 2, 1);
  assert_int_equal (bar (VIRTIO_PCI_COMMON, COMMON (queue_reset), 2), 0);
  assert_int_equal (bar (VIRTIO_PCI_COMMON, COMMON (queue_enable), 2), 0);
  assert_int_equal (bar (VIRTIO_PCI_COMMON, COMMON (queue_size), 2), 256);
  assert_int_equal (bar (VIRTIO_PCI_COMMON, COMMON (queue_desc), 4), 0);
  assert_int_equal (bar (VIRTIO_PCI_COMMON, COMMON (queue_driver), 4), 0);
  assert_int_equal (bar (VIRTIO_PCI_COMMON, COMMON (queue_device), 4), 0);
  assert_int_equal (bar (VIRTIO_PCI_COMMON, COMMON (queue_msix_vector), 2), VIRTIO_NO_VECTOR);
  assert_int_equal (bar (VIRTIO_PCI_COMMON, COMMON (device_status), 1), 15);
  bar (VIRTIO_PCI_ISR, 0, 1);
  set_bar (VIRTIO_PCI_NOTIFY, 0, 2, 0); /* of a queue that is none */
  assert_int_equal (used->idx, 1);
  assert_int_equal (bar (VIRTIO_PCI_ISR, 0, 1), 0);
  set_common (COMMON (queue_reset), 2, 1); /* once more does no harm */
  memset (m.ram + (RAM_DRIVER - RAM_GPA), 0, 64);
  memset (m.ram + (RAM_DEVICE - RAM_GPA), 0, 64);
  configure_queue ();
  assert_int_equal (bar (VIRTIO_PCI_COMMON, COMMON (queue_size), 2), 8);
  assert_int_equal (bar (VIRTIO_PCI_COMMON, COMMON (queue_reset), 2), 0);
  put_request ();
  set_bar (VIRTIO_PCI_NOTIFY, 0, 2, 0);
  assert_int_equal (used->idx, 1); /* counted anew */
  set_common (COMMON (queue_select), 2, 1); /* there is none */
  set_common (COMMON (queue_reset), 2, 1);
  assert_int_equal (bar (VIRTIO_PCI_COMMON, COMMON (queue_reset), 2), 0);
}

static void
test_no_queue_reset_without_the_feature (void **state)
{
  be_live (0);
  set_common (COMMON (queue_reset), 2, 1);
  assert_int_equal (bar (VIRTIO_PCI_COMMON, COMMON (queue_enable), 2), 1);
  assert_int_equal (bar (VIRTIO_PCI_COMMON, COMMON (queue_size), 2), 8);
}

/* 4.1.4.9: what a driver can do that cannot reach the BAR. */
static void
test_window (void **state)
{
  unsigned at = find_capability (VIRTIO_PCI_CAP_ID, VIRTIO_PCI_CAP_PCI_CFG);
  unsigned data = at + sizeof (struct virtio_pci_cap);

  set_cfg (PCI_COMMAND, 2, 0);
  set_cfg (at + 8, 4, COMMON (num_queues));
  set_cfg (at + 12, 4, 2);
  assert_int_equal (cfg (data, 2), 1);
  set_cfg (at + 8, 4, COMMON (device_status));
  set_cfg (at + 12, 4, 1);
  set_cfg (data, 4, VIRTIO_STATUS_ACKNOWLEDGE);
  assert_int_equal (cfg (data, 1), VIRTIO_STATUS_ACKNOWLEDGE);
  assert_int_equal (m.pci.regs.status, VIRTIO_STATUS_ACKNOWLEDGE);
  for (unsigned i = 0; i < 5; i++)
    {
      static const uint32_t wrong[5][3] = { /* bar, offset, length */
        { 1, COMMON (device_status), 1 }, { 0, COMMON (device_status), 3 },
        { 0, 0xfffffff0, 4 }, { 0, COMMON (device_status) + 1, 4 }, { 0, VIRTIO_PCI_BAR_BYTES, 1 },
      };

      set_cfg (at + 4, 1, wrong[i][0]);
      set_cfg (at + 8, 4, wrong[i][1]);
      set_cfg (at + 12, 4, wrong[i][2]);
      set_cfg (data, 4, 0);
      cfg (data, 4);
      assert_int_equal (m.pci.regs.status, VIRTIO_STATUS_ACKNOWLEDGE);
    }
}

/* Whatever the guest has done with it, a reset machine has it as it was in the beginning. */
static void
test_reset (void **state)
{
  uint8_t before[256];

  set_cfg (PCI_COMMAND, 2, 0);
  for (unsigned i = 0; i < 256; i++)
    before[i] = (uint8_t) cfg (i, 1);
  set_cfg (PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
  set_common (COMMON (device_status), 1, VIRTIO_STATUS_ACKNOWLEDGE);
  set_common (COMMON (config_msix_vector), 2, 0);
  set_bar (VIRTIO_PCI_TABLE, 0, 4, 0xfee00000);
  set_bar (VIRTIO_PCI_TABLE, 12, 4, 0);
  set_msix (PCI_MSIX_FLAGS_ENABLE);
  for (unsigned i = 4; i < 256; i += 4)
    set_cfg (i, 4, 0xfffffff2 | cfg (i, 4));
  do_bus (&m.ports, PORT_PCI_ADDRESS, 4, 0x80000800u, true);
  pci_host_reset (&m.host);
  assert_int_equal (m.n_doorbells, 0);
  assert_int_equal (do_bus (&m.ports, PORT_PCI_ADDRESS, 4, 0, false), 0);
  for (unsigned i = 0; i < 256; i++)
    assert_int_equal (cfg (i, 1), before[i]);
  assert_int_equal (bar (VIRTIO_PCI_COMMON, COMMON (device_status), 1), 0xff); /* nobody answers */
  set_cfg (PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
  assert_int_equal (m.n_doorbells, 1);
  assert_int_equal (bar (VIRTIO_PCI_COMMON, COMMON (device_status), 1), 0);
  assert_int_equal (bar (VIRTIO_PCI_COMMON, COMMON (config_msix_vector), 2), VIRTIO_NO_VECTOR);
  assert_int_equal (bar (VIRTIO_PCI_TABLE, 0, 4), 0);
  assert_int_equal (bar (VIRTIO_PCI_TABLE, 12, 4), PCI_MSIX_ENTRY_CTRL_MASKBIT);
  msix_raise (&m.pci.msix, 0);
  assert_int_equal (pci_machine_fired (&m, 0), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown (name, begin, end)

/* ---- memory that is shared ---- */

static struct
{
  uint64_t at, size;
  void *host;
  unsigned calls;
} mapped;

static int
note_map (void *data, uint64_t at, void *host, uint64_t size)
{
  mapped.at = at;
  mapped.host = host;
  mapped.size = size;
  mapped.calls++;
  return 0;
}

static void
page_cfg (unsigned offset, unsigned len, uint32_t value)
{
  do_bus (&m.mmio, MAP_ECAM + 2 * SLOT + offset, len, value, true);
}

static void
test_shared_page (void **state)
{
  g_autofree char *directory = g_dir_make_tmp ("pvt-page-XXXXXX", NULL);
  g_autofree char *path = g_build_filename (directory, "page", NULL);
  g_autofree char *text = NULL;
  struct shared_page page;
  uint64_t at;
  gsize len;

  memset (&mapped, 0, sizeof mapped);
  assert_int_equal (shared_page_init (&page, directory, note_map, NULL), -EISDIR);
  shared_page_finish (&page);
  assert_int_equal (shared_page_init (&page, path, note_map, NULL), 0);
  assert_int_equal (pci_host_add (&m.host, &page.function), 2);
  assert_int_equal (do_bus (&m.mmio, MAP_ECAM + 2 * SLOT, 4, 0, false), 0x11101af4);
  assert_int_equal (mapped.calls, 0);
  page_cfg (PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
  at = page.function.bars[2].at;
  assert_true (mapped.at == at && mapped.host == page.data && mapped.size == SHARED_PAGE_BYTES);
  assert_int_equal (do_bus (&m.mmio, page.function.bars[0].at + 8, 4, 1, false), 0); /* IVPosition */
  assert_int_equal (do_bus (&m.mmio, at, 4, 0, false), 0x6f747670);                  /* "pvto" */
  do_bus (&m.mmio, at + SHARED_PAGE_BYTES - 8, 8, 0x1122334455667788, true);
  page_cfg (PCI_BASE_ADDRESS_2, 4, (uint32_t) PCI_HIGH);
  page_cfg (PCI_BASE_ADDRESS_2 + 4, 4, (uint32_t) (PCI_HIGH >> 32));
  assert_true (mapped.at == PCI_HIGH);
  /* Over the guest's memory it is nowhere. */
  page_cfg (PCI_BASE_ADDRESS_2 + 4, 4, 0);
  page_cfg (PCI_BASE_ADDRESS_2, 4, RAM_GPA);
  assert_true (mapped.at == PCI_NOWHERE);
  page_cfg (PCI_COMMAND, 2, 0);
  shared_page_finish (&page);
  m.host.functions[2] = NULL;
  assert_true (g_file_get_contents (path, &text, &len, NULL));
  assert_int_equal (len, SHARED_PAGE_BYTES);
  assert_memory_equal (text, "pvtools-page\0\0\0\0", 16);
  assert_int_equal ((uint8_t) text[len - 8], 0x88);
  /* Not a power of two. */
  assert_true (g_file_set_contents (path, text, 4097, NULL));
  assert_int_equal (shared_page_init (&page, path, note_map, NULL), -EFBIG);
  g_remove (path);
  g_rmdir (directory);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    TEST (test_identity),
    TEST (test_ports),
    TEST (test_what_cannot_be_written),
    TEST (test_bar_sizing),
    TEST (test_bar_moves),
    TEST (test_msix_masks),
    TEST (test_msix_table_accesses),
    TEST (test_queue_registers),
    TEST (test_requests_and_interrupts),
    TEST (test_queue_reset),
    TEST (test_no_queue_reset_without_the_feature),
    TEST (test_window),
    TEST (test_shared_page),
    TEST (test_reset),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
