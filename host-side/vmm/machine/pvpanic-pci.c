/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "pvpanic-pci.h"

/* The numbers that QEMU has for it, and Linux' pvpanic-pci looks for. */
#define VENDOR 0x1b36u
#define DEVICE 0x0011u
#define SUBSYSTEM_VENDOR 0x1af4u
#define SUBSYSTEM 0x1100u
#define CLASS_OTHER_SYSTEM 0x088000u
#define BAR_BYTES 0x1000u /* a page of its own; the first byte counts */

static void
access_bar (struct pci_function *function, unsigned bar, uint64_t offset, void *bytes, unsigned len,
            bool write)
{
  struct pvpanic_pci *pvpanic = (struct pvpanic_pci *) function; /* its first member */

  if (offset == 0 && len == 1)
    power_access_pvpanic (pvpanic->power, bytes, write);
}

int
pvpanic_pci_init (struct pvpanic_pci *pvpanic, struct pci_host *host, struct power *power)
{
  static const struct pci_function_ops ops = { .bar = access_bar };
  static const struct pci_identity identity = {
    .vendor = VENDOR, .device = DEVICE, .subsystem_vendor = SUBSYSTEM_VENDOR, .subsystem = SUBSYSTEM,
    .class_code = CLASS_OTHER_SYSTEM, .revision = 1,
  };

  pvpanic->power = power;
  pci_function_init (&pvpanic->function, &ops, &identity);
  pci_function_add_bar (&pvpanic->function, 0, BAR_BYTES, false);
  return pci_host_add (host, &pvpanic->function);
}
