/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bus.h"

#include <errno.h>
#include <string.h>

int
bus_add (struct bus *bus, uint64_t base, uint64_t len, bus_access access, void *device)
{
  if (bus->n == BUS_DEVICES_MAX)
    return -ENOSPC;
  for (unsigned i = 0; i < bus->n; i++)
    if (base < bus->ranges[i].base + bus->ranges[i].len && bus->ranges[i].base < base + len)
      return -EEXIST;
  bus->ranges[bus->n++] = (struct bus_range){ base, len, access, device };
  return 0;
}

void
bus_do (const struct bus *bus, uint64_t address, void *bytes, unsigned len, bool write)
{
  if (!write)
    memset (bytes, 0xff, len);
  for (unsigned i = 0; i < bus->n; i++)
    {
      const struct bus_range *range = &bus->ranges[i];
      uint64_t offset = address - range->base;

      if (offset < range->len && len <= range->len - offset)
        {
          range->access (range->device, offset, bytes, len, write);
          return;
        }
    }
}
