/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The ACPI tables of a hardware-reduced machine (ACPI 6.4, 4.1). */
#pragma once

#include "vm.h"

/* Writes the tables; @n_virtio virtio-mmio slots are in use. The RSDP's address
 * goes to @rsdp. -ENOSPC when they do not fit. */
int acpi_write (struct vm *vm, unsigned n_virtio, uint64_t *rsdp);
