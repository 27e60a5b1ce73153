/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The ACPI tables of a hardware-reduced machine (ACPI 6.4, 4.1). */
#pragma once

#include "aml.h"
#include "vm.h"

struct acpi_board
{
  unsigned n_mmio;   /* virtio-mmio slots in use */
  uint64_t pci_high; /* the window of PCI above 4 GiB; 0 for none */
  bool generation;   /* there is a GUID at MAP_GENERATION */
};

/* Writes the tables. The RSDP's address goes to @rsdp. -ENOSPC when they do not fit. */
int acpi_write (struct vm *vm, const struct acpi_board *board, uint64_t *rsdp);

/* In acpi-devices.c: the DSDT's scope \_SB. */
void acpi_describe_devices (struct aml *aml, const struct acpi_board *board);
