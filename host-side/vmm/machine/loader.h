/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Puts a kernel into a machine's memory and its first processor at the entry. */
#pragma once

#include <stddef.h>

#include "vm.h"

struct loader_file
{
  uint8_t *data;
  size_t size;
};

struct loader_plan
{
  const char *kernel; /* a bzImage or an ELF file with a PVH note */
  const char *initrd; /* or NULL */
  const char *cmdline;
  uint64_t rsdp; /* where the ACPI tables are, 0 for none */
  int kernel_fd, initrd_fd; /* from loader_open() on; -1: no file */
};

/* Opens the plan's files, so that it can be carried out more than once and in a sandbox.
 * Negative errno with a message for the user. */
int loader_open (struct loader_plan *plan);
void loader_close (struct loader_plan *plan);
/* Negative errno with a message for the user. */
int loader_load (struct vm *vm, const struct loader_plan *plan);

/* ---- between the loader's files ---- */

/* A file in memory, read-only; unmap with loader_unmap(). */
int loader_map (int fd, struct loader_file *file);
void loader_unmap (struct loader_file *file);

struct e820_entry
{
  uint64_t addr, size;
  uint32_t type; /* 1: memory, 2: reserved */
};
#define E820_MAX 8
unsigned loader_memory_map (const struct vm *vm, struct e820_entry entries[E820_MAX]);

/* Copies the initial RAM disk as high as @max (its last byte) allows; @addr 0 without one. */
int loader_initrd (struct vm *vm, const struct loader_plan *plan, uint64_t above, uint64_t max,
                   uint32_t *addr, uint32_t *size);

/* The two entries; the file is recognized as theirs. */
int loader_linux (struct vm *vm, const struct loader_file *file, const struct loader_plan *plan);
int loader_pvh (struct vm *vm, const struct loader_file *file, const struct loader_plan *plan);

/* The first processor's registers: 64 bits with memory mapped one to one, or 32 without paging. */
int loader_enter_long_mode (struct vm *vm, uint64_t rip, uint64_t rsi);
int loader_enter_protected_mode (struct vm *vm, uint64_t rip, uint64_t rbx);
