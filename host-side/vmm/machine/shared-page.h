/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Memory that a guest shares with whoever opens its file: the device that QEMU calls
 * ivshmem-plain (docs/specs/ivshmem-spec.rst), labelled for the guest's agent. See
 * protocol/page/README.md. */
#pragma once

#include "pci-config.h"

#define SHARED_PAGE_BYTES 0x100000u     /* of a file that is made */
#define SHARED_PAGE_BYTES_MAX 0x1000000u

/* What the machine does for it: puts @size bytes at @host where the guest sees them,
 * or takes them away when @at is PCI_NOWHERE. Negative errno. */
typedef int (*shared_page_map) (void *data, uint64_t at, void *host, uint64_t size);

struct shared_page
{
  struct pci_function function;
  uint8_t *data;
  uint64_t size;
  shared_page_map map;
  void *map_data;
};

/* Makes the file unless it is there, and labels it. Negative errno with a message for
 * the user; finish it even then. */
int shared_page_init (struct shared_page *page, const char *path, shared_page_map map, void *data);
void shared_page_finish (struct shared_page *page);
