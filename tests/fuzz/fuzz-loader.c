/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Kernels that are anything: a byte that says how long the initial RAM disk is, the rest is
 * the file. Nothing is mapped behind the guest's memory. */
#include "fuzz.h"

#include "tests/support/kernel-file.h"

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  static const uint8_t initrd[3 * 4096 + 1];
  static const size_t lens[] = { 0, 1, 4095, 4096, 4097, sizeof initrd };
  static struct vm *vm;
  size_t len;

  if (size == 0)
    return 0;
  if (vm == NULL)
    vm = memory_only_new ();
  len = lens[data[0] % (sizeof lens / sizeof lens[0])];
  load_bytes (vm, data + 1, size - 1, len ? initrd : NULL, len);
  return 0;
}
