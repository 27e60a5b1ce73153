/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Where PCI Express has its configuration space: RSDP, XSDT, MCFG (ACPI 6.4, 5.2.5
 * and 5.2.8; PCI Firmware Specification 3.0, 4.1.2). Tables that do not add up are
 * not there. */
#include "guest.h"

#include <virtio/driver/mem.h>

#define HEADER 36u
#define TABLE_MAX 65536u
#define MAPPED_END 0x100000000ull

static uint64_t
number (uint64_t at, unsigned bytes)
{
  const volatile uint8_t *from = (const volatile uint8_t *) (uintptr_t) at;
  uint64_t value = 0;

  while (bytes-- > 0)
    value = value << 8 | from[bytes];
  return value;
}

static bool
adds_up (uint64_t at, uint64_t bytes)
{
  uint8_t sum = 0;

  if (at == 0 || bytes < HEADER || bytes > TABLE_MAX || at > MAPPED_END - TABLE_MAX)
    return false;
  for (uint64_t i = 0; i < bytes; i++)
    sum = (uint8_t) (sum + number (at + i, 1));
  return sum == 0;
}

/* A table's length; 0 when it is not one, or not @signature. */
static uint64_t
table (uint64_t at, const char *signature)
{
  uint64_t bytes;

  if (at == 0 || at > MAPPED_END - TABLE_MAX || memcmp ((void *) (uintptr_t) at, signature, 4) != 0)
    return 0;
  bytes = number (at + 4, 4);
  return adds_up (at, bytes) ? bytes : 0;
}

uint64_t
guest_ecam (const struct start_info *info)
{
  uint64_t rsdp = info->magic == START_MAGIC ? info->rsdp_paddr : 0, xsdt, bytes;

  if (!adds_up (rsdp, HEADER) || memcmp ((void *) (uintptr_t) rsdp, "RSD PTR ", 8) != 0)
    return 0;
  xsdt = number (rsdp + 24, 8);
  bytes = table (xsdt, "XSDT");
  for (uint64_t at = HEADER; at + 8 <= bytes; at += 8)
    {
      uint64_t mcfg = number (xsdt + at, 8);

      /* The first entry begins behind 8 reserved bytes; its last is the last bus. */
      if (table (mcfg, "MCFG") >= HEADER + 8 + 16)
        return number (mcfg + HEADER + 8, 8);
    }
  return 0;
}
