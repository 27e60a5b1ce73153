/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The devices of the DSDT. */
#include "acpi.h"

#include <stdio.h>

#include "layout.h"

static void
describe_serial (struct aml *aml)
{
  uint8_t crs[32];
  size_t len = aml_res_ports (crs, PORT_SERIAL, 8);

  len += aml_res_interrupt (crs + len, GSI_SERIAL);
  aml_device (aml, "COM1");
  aml_name (aml, "_HID");
  aml_eisa_id (aml, "PNP0501");
  aml_name (aml, "_UID");
  aml_integer (aml, 1);
  aml_crs (aml, crs, len);
  aml_end (aml);
}

/* What Linux' pvpanic-mmio looks for. */
static void
describe_pvpanic (struct aml *aml)
{
  uint8_t crs[16];
  size_t len = aml_res_ports (crs, PORT_PVPANIC, 1);

  aml_device (aml, "PEVT");
  aml_name (aml, "_HID");
  aml_string (aml, "QEMU0001");
  aml_name (aml, "_STA");
  aml_integer (aml, 0xf);
  aml_crs (aml, crs, len);
  aml_end (aml);
}

static void
describe_virtio (struct aml *aml, unsigned slot)
{
  uint8_t crs[32];
  size_t len = aml_res_memory (crs, MAP_VIRTIO_MMIO + slot * MAP_VIRTIO_MMIO_STEP,
                               MAP_VIRTIO_MMIO_STEP);
  char name[5];

  len += aml_res_interrupt (crs + len, GSI_VIRTIO + slot);
  snprintf (name, sizeof name, "VR%02X", slot & 0xff);
  aml_device (aml, name);
  aml_name (aml, "_HID");
  aml_string (aml, "LNRO0005"); /* what Linux' virtio_mmio looks for */
  aml_name (aml, "_UID");
  aml_integer (aml, slot);
  aml_name (aml, "_CCA");
  aml_integer (aml, 1);
  aml_crs (aml, crs, len);
  aml_end (aml);
}

/* Microsoft's "Virtual Machine Generation ID": the compatible name, and where the GUID is. */
static void
describe_generation (struct aml *aml)
{
  aml_device (aml, "VGEN");
  aml_name (aml, "_HID");
  aml_string (aml, "PVTVGEN0");
  aml_name (aml, "_CID");
  aml_string (aml, "VM_Gen_Counter");
  aml_name (aml, "_DDN");
  aml_string (aml, "VM_Gen_Counter");
  aml_name (aml, "ADDR");
  aml_package (aml, 2);
  aml_integer (aml, MAP_GENERATION);
  aml_integer (aml, 0);
  aml_end (aml);
  aml_end (aml);
}

/* If (And (Local0, @bit)) { Notify (@name, 0x80) } */
static void
notify_if (struct aml *aml, uint8_t bit, const char *name)
{
  const uint8_t and_local0[] = { 0x7b, 0x60, 0x0a, bit, 0x00 };
  const uint8_t notify[] = { 0x86, (uint8_t) name[0], (uint8_t) name[1], (uint8_t) name[2],
                             (uint8_t) name[3], 0x0a, 0x80 };

  aml_if (aml);
  aml_bytes (aml, and_local0, sizeof and_local0);
  aml_bytes (aml, notify, sizeof notify);
  aml_end (aml);
}

/* The button, and the Generic Event Device (5.6.9) whose interrupt means: look
 * into the events port. */
static void
describe_events (struct aml *aml, const struct acpi_board *board)
{
  static const uint8_t region[] = { 0x5b, 0x80, 'E', 'V', 'T', 'R', 0x01,
                                    0x0b, PORT_EVENTS & 0xff, PORT_EVENTS >> 8, 0x01 };
  static const uint8_t field[] = { 0x5b, 0x81, 0x0b, 'E', 'V', 'T', 'R', 0x01,
                                   'E', 'V', 'T', 'S', 0x08 };
  static const uint8_t store_local0[] = { 0x70, 'E', 'V', 'T', 'S', 0x60 };
  uint8_t crs[16];
  size_t len = aml_res_interrupt (crs, GSI_EVENTS);

  aml_device (aml, "PWRB");
  aml_name (aml, "_HID");
  aml_eisa_id (aml, "PNP0C0C");
  aml_name (aml, "_UID");
  aml_integer (aml, 0);
  aml_end (aml);
  aml_device (aml, "GED_");
  aml_name (aml, "_HID");
  aml_string (aml, "ACPI0013");
  aml_name (aml, "_UID");
  aml_integer (aml, 0);
  aml_crs (aml, crs, len);
  aml_bytes (aml, region, sizeof region);
  aml_bytes (aml, field, sizeof field);
  aml_method (aml, "_EVT", 1);
  aml_bytes (aml, store_local0, sizeof store_local0);
  notify_if (aml, EVENT_BUTTON, "PWRB");
  if (board->generation)
    notify_if (aml, EVENT_GENERATION, "VGEN");
  aml_end (aml);
  aml_end (aml);
}

/* ECAM's addresses are taken: Linux does not use them without this. */
static void
describe_ecam (struct aml *aml)
{
  uint8_t crs[16];
  size_t len = aml_res_memory (crs, MAP_ECAM, MAP_ECAM_SIZE);

  aml_device (aml, "ECAM");
  aml_name (aml, "_HID");
  aml_eisa_id (aml, "PNP0C02");
  aml_crs (aml, crs, len);
  aml_end (aml);
}

/* A PCI Express host bridge. Without a _PRT: no function has an INTx pin. */
static void
describe_pci (struct aml *aml, const struct acpi_board *board)
{
  uint8_t crs[160];
  size_t len = aml_res_buses (crs, 0, 1);

  len += aml_res_ports (crs + len, PORT_PCI_ADDRESS, 8);
  len += aml_res_window32 (crs + len, MAP_PCI, MAP_PCI_SIZE);
  if (board->pci_high > 0)
    len += aml_res_window64 (crs + len, board->pci_high, MAP_PCI_HIGH_SIZE);
  aml_device (aml, "PCI0");
  aml_name (aml, "_HID");
  aml_eisa_id (aml, "PNP0A08");
  aml_name (aml, "_CID");
  aml_eisa_id (aml, "PNP0A03");
  aml_name (aml, "_SEG");
  aml_integer (aml, 0);
  aml_name (aml, "_BBN");
  aml_integer (aml, 0);
  aml_name (aml, "_UID");
  aml_integer (aml, 0);
  aml_name (aml, "_CCA");
  aml_integer (aml, 1);
  aml_crs (aml, crs, len);
  aml_end (aml);
}

void
acpi_describe_devices (struct aml *aml, const struct acpi_board *board)
{
  aml_scope (aml, "_SB_");
  describe_serial (aml);
  if (board->generation)
    describe_generation (aml);
  describe_events (aml, board);
  describe_pvpanic (aml);
  describe_ecam (aml);
  describe_pci (aml, board);
  for (unsigned slot = 0; slot < board->n_mmio; slot++)
    describe_virtio (aml, slot);
  aml_end (aml);
}
