/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* For tests of the loader: a machine that is memory alone, with nothing mapped behind it, and
 * files that are given as bytes. There is no processor: a kernel that is taken ends
 * with -EBADF, when its registers are asked for. */
#pragma once

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "host-side/vmm/machine/layout.h"
#include "host-side/vmm/machine/loader.h"

#define KERNEL_RAM (20u << 20)

static inline struct vm *
memory_only_new (void)
{
  struct vm *vm = calloc (1, sizeof *vm);
  size_t page = (size_t) sysconf (_SC_PAGESIZE);

  vm->ram = mmap (NULL, KERNEL_RAM + page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  mprotect (vm->ram, KERNEL_RAM, PROT_READ | PROT_WRITE);
  vm->ram_size = KERNEL_RAM;
  vm->vcpus[0].fd = -1;
  guest_memory_add (&vm->memory, 0, KERNEL_RAM, vm->ram);
  return vm;
}

static inline void
memory_only_free (struct vm *vm)
{
  munmap (vm->ram, KERNEL_RAM + (size_t) sysconf (_SC_PAGESIZE));
  free (vm);
}

static inline int
file_of (const void *bytes, size_t len)
{
  int fd = memfd_create ("file", MFD_CLOEXEC);

  if (fd < 0 || write (fd, bytes, len) != (ssize_t) len)
    abort ();
  return fd;
}

/* What loader_load() says to these files; @initrd may be NULL. */
static inline int
load_bytes (struct vm *vm, const void *kernel, size_t len, const void *initrd, size_t initrd_len)
{
  struct loader_plan plan = {
    .kernel = "kernel", .initrd = initrd ? "initrd" : NULL, .cmdline = "quiet", .rsdp = MAP_ACPI,
    .kernel_fd = file_of (kernel, len), .initrd_fd = initrd ? file_of (initrd, initrd_len) : -1,
  };
  int ret = loader_load (vm, &plan);

  loader_close (&plan);
  return ret;
}
