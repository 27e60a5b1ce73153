/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* pvpanic as a PCI function (QEMU's docs/specs/pvpanic.rst): the port's byte in a BAR. */
#pragma once

#include "pci-host.h"
#include "power.h"

struct pvpanic_pci
{
  struct pci_function function;
  struct power *power;
};

/* Plugs it in; @power is told of panics. */
int pvpanic_pci_init (struct pvpanic_pci *pvpanic, struct pci_host *host, struct power *power);
