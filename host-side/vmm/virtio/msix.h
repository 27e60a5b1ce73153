/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* MSI-X (PCI 3.0, 6.8.2): the table of vectors, masks and what is pending.
 *
 * Registers are written under the transport's lock; msix_raise() takes none. */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "vdev.h"

#define MSIX_VECTORS_MAX (VDEV_QUEUES_MAX + 1)
#define MSIX_ENTRY_BYTES 16u

struct msix_ops
{
  /* What a vector sends from now on. */
  void (*route) (void *data, unsigned vector, uint64_t address, uint32_t value);
  /* Sends it; any thread. */
  void (*fire) (void *data, unsigned vector);
};

struct msix_vector
{
  uint64_t address;
  uint32_t value;
  bool masked;
  _Atomic bool live, pending; /* live: fires at once */
};

struct msix
{
  const struct msix_ops *ops;
  void *data;
  unsigned n;
  bool masked; /* all of them */
  _Atomic bool enabled;
  struct msix_vector vectors[MSIX_VECTORS_MAX];
};

void msix_init (struct msix *msix, unsigned n, const struct msix_ops *ops, void *data);
/* As after power-on: disabled, all masked. */
void msix_reset (struct msix *msix);
/* The two bits of the message control register. */
void msix_control (struct msix *msix, bool enabled, bool masked);
/* Accesses to the table, and to the bits of what is pending: whole double or
 * quad words at their multiples; others do nothing. */
void msix_table (struct msix *msix, uint64_t offset, void *bytes, unsigned len, bool write);
void msix_pending (struct msix *msix, uint64_t offset, void *bytes, unsigned len);
/* Fires, or remembers that it would have. Any thread. */
void msix_raise (struct msix *msix, unsigned vector);
