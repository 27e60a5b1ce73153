/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Who answers an access: I/O ports and memory alike. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define BUS_DEVICES_MAX 64

/* @offset and @len lie in the range; @bytes has @len of them (1, 2, 4 or 8) and is
 * all ones before a read, which is what nobody answers with. */
typedef void (*bus_access) (void *device, uint64_t offset, void *bytes, unsigned len, bool write);

struct bus_range
{
  uint64_t base, len;
  bus_access access;
  void *device;
};

struct bus
{
  unsigned n;
  struct bus_range ranges[BUS_DEVICES_MAX];
};

/* Filled before the first vCPU runs, unchanged from then on: no lock. -ENOSPC,
 * or -EEXIST when the range overlaps another. */
int bus_add (struct bus *bus, uint64_t base, uint64_t len, bus_access access, void *device);

/* An access that hits no range, or leaves one, reads as ones and writes nothing. */
void bus_do (const struct bus *bus, uint64_t address, void *bytes, unsigned len, bool write);
