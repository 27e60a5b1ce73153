/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "acpi.h"

#include <errno.h>
#include <string.h>

#include "aml.h"
#include "layout.h"

struct __attribute__ ((packed)) header
{
  char signature[4];
  uint32_t length;
  uint8_t revision, checksum;
  char oem[6], oem_table[8];
  uint32_t oem_revision;
  char creator[4];
  uint32_t creator_revision;
};

struct __attribute__ ((packed)) address
{
  uint8_t space, bits, offset, access; /* space 1: I/O ports */
  uint64_t address;
};

/* 5.2.9, with what a hardware-reduced machine ignores left out by name. */
struct __attribute__ ((packed)) fadt
{
  struct header header;
  uint8_t legacy1[9];
  uint8_t preferred_profile; /* at 45 */
  uint8_t legacy2[63];
  uint16_t boot_flags; /* at 109 */
  uint8_t reserved;
  uint32_t flags; /* at 112 */
  struct address reset_reg;
  uint8_t reset_value;
  uint16_t arm_flags;
  uint8_t minor;
  uint64_t x_facs, x_dsdt;
  uint8_t legacy3[96];
  struct address sleep_control, sleep_status; /* at 244 */
  uint64_t hypervisor;
};

_Static_assert (sizeof (struct header) == 36, "5.2.6");
_Static_assert (offsetof (struct fadt, boot_flags) == 109, "5.2.9");
_Static_assert (offsetof (struct fadt, sleep_control) == 244, "5.2.9");
_Static_assert (sizeof (struct fadt) == 276, "5.2.9");

#define FADT_BOOT_NO_VGA 0x4u
#define FADT_BOOT_NO_CMOS 0x20u
#define FADT_CONTROL_METHOD_BUTTONS 0x30u
#define FADT_RESET_REG (1u << 10)
#define FADT_HW_REDUCED (1u << 20)

/* Tables are laid one behind the other from here. */
struct layout
{
  struct vm *vm;
  uint64_t at;
};

static uint8_t
sum (const void *data, size_t len)
{
  const uint8_t *bytes = data;
  uint8_t total = 0;

  while (len-- > 0)
    total = (uint8_t) (total + *bytes++);
  return total;
}

static void
set_header (struct header *header, const char *signature, unsigned revision, size_t len)
{
  memset (header, 0, sizeof *header);
  memcpy (header->signature, signature, 4);
  header->length = (uint32_t) len;
  header->revision = (uint8_t) revision;
  memcpy (header->oem, "PVTOOL", 6);
  memcpy (header->oem_table, "PVTOOLSV", 8);
  header->oem_revision = 1;
  memcpy (header->creator, "PVTV", 4);
  header->creator_revision = 1;
}

/* Copies a table, whose header has all but its checksum; where it is, 0 without room. */
static uint64_t
put (struct layout *layout, void *table, size_t len)
{
  struct header *header = table;
  uint64_t at = (layout->at + 15) & ~UINT64_C (15);

  if (at + len > MAP_ACPI_END)
    return 0;
  header->checksum = 0;
  header->checksum = (uint8_t) -sum (table, len);
  memcpy (layout->vm->ram + at, table, len);
  layout->at = at + len;
  return at;
}

static uint64_t
put_dsdt (struct layout *layout, const struct acpi_board *board)
{
  uint8_t data[8192];
  struct aml aml = { .data = data, .size = sizeof data, .len = sizeof (struct header) };

  acpi_describe_devices (&aml, board);
  aml_name (&aml, "_S5_");
  aml_package (&aml, 4);
  aml_integer (&aml, 5);
  aml_integer (&aml, 0);
  aml_integer (&aml, 0);
  aml_integer (&aml, 0);
  aml_end (&aml);
  if (aml.overflow)
    return 0;
  set_header ((struct header *) data, "DSDT", 6, aml.len);
  return put (layout, data, aml.len);
}

static uint64_t
put_fadt (struct layout *layout, uint64_t dsdt)
{
  struct fadt fadt = {
    .boot_flags = FADT_BOOT_NO_VGA | FADT_BOOT_NO_CMOS,
    .flags = FADT_HW_REDUCED | FADT_RESET_REG | FADT_CONTROL_METHOD_BUTTONS,
    .reset_reg = { 1, 8, 0, 1, PORT_RESET },
    .reset_value = 1,
    .minor = 4,
    .x_dsdt = dsdt,
    .sleep_control = { 1, 8, 0, 1, PORT_SLEEP },
    .sleep_status = { 1, 8, 0, 1, PORT_SLEEP },
  };

  set_header (&fadt.header, "FACP", 6, sizeof fadt);
  memcpy (&fadt.hypervisor, "pvtools", 8);
  return put (layout, &fadt, sizeof fadt);
}

static uint64_t
put_madt (struct layout *layout)
{
  uint8_t data[sizeof (struct header) + 8 + 12 + VM_VCPUS_MAX * 8];
  struct aml out = { .data = data, .size = sizeof data, .len = sizeof (struct header) };

  aml_u32 (&out, MAP_LAPIC);
  aml_u32 (&out, 0); /* no 8259 */
  for (unsigned i = 0; i < layout->vm->n_vcpus; i++)
    {
      const uint8_t lapic[] = { 0, 8, (uint8_t) i, (uint8_t) i, 1, 0, 0, 0 };

      aml_bytes (&out, lapic, sizeof lapic);
    }
  aml_byte (&out, 1); /* an I/O APIC: id 0, lines from 0 */
  aml_byte (&out, 12);
  aml_u16 (&out, 0);
  aml_u32 (&out, MAP_IOAPIC);
  aml_u32 (&out, 0);
  set_header ((struct header *) data, "APIC", 5, out.len);
  return put (layout, data, out.len);
}

/* PCI Firmware Specification 3.0, 4.1.2: where configuration space is, of bus 0. */
static uint64_t
put_mcfg (struct layout *layout)
{
  uint8_t data[sizeof (struct header) + 8 + 16];
  struct aml out = { .data = data, .size = sizeof data, .len = sizeof (struct header) };

  aml_u64 (&out, 0);
  aml_u64 (&out, MAP_ECAM);
  aml_u16 (&out, 0); /* segment */
  aml_u16 (&out, 0); /* first bus and last */
  aml_u32 (&out, 0);
  set_header ((struct header *) data, "MCFG", 1, out.len);
  return put (layout, data, out.len);
}

static uint64_t
put_xsdt (struct layout *layout, const uint64_t *tables, unsigned n)
{
  uint8_t data[sizeof (struct header) + 8 * 8];
  size_t len = sizeof (struct header) + n * sizeof tables[0];

  set_header ((struct header *) data, "XSDT", 1, len);
  memcpy (data + sizeof (struct header), tables, n * sizeof tables[0]);
  return put (layout, data, len);
}

/* 5.2.5.3: two checksums, of the old part and of all. */
static void
write_rsdp (struct vm *vm, uint64_t xsdt)
{
  uint8_t rsdp[36] = "RSD PTR ";
  const uint32_t len = sizeof rsdp;

  memcpy (rsdp + 9, "PVTOOL", 6);
  rsdp[15] = 2;
  memcpy (rsdp + 20, &len, 4);
  memcpy (rsdp + 24, &xsdt, 8);
  rsdp[8] = (uint8_t) -sum (rsdp, 20);
  rsdp[32] = (uint8_t) -sum (rsdp, sizeof rsdp);
  memcpy (vm->ram + MAP_ACPI, rsdp, sizeof rsdp);
}

int
acpi_write (struct vm *vm, const struct acpi_board *board, uint64_t *rsdp)
{
  struct layout layout = { vm, MAP_ACPI + 64 };
  uint64_t dsdt = put_dsdt (&layout, board);
  uint64_t tables[3] = { put_fadt (&layout, dsdt), put_madt (&layout), put_mcfg (&layout) };
  uint64_t xsdt = put_xsdt (&layout, tables, 3);

  if (dsdt == 0 || tables[0] == 0 || tables[1] == 0 || tables[2] == 0 || xsdt == 0)
    return -ENOSPC;
  write_rsdp (vm, xsdt);
  *rsdp = MAP_ACPI;
  return 0;
}
