/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A PCI Express host bridge with one bus: configuration space by ECAM and by the
 * ports 0xcf8 and 0xcfc, and the windows in which BARs answer. */
#pragma once

#include <pthread.h>

#include "bus.h"
#include "pci-config.h"

#define PCI_SLOTS 32u

struct pci_host;

struct pci_window
{
  uint64_t base, size;
  struct pci_host *host;
};

struct pci_host
{
  pthread_mutex_t lock; /* of configuration spaces, and where BARs are */
  uint32_t address;     /* what was written to 0xcf8 */
  struct pci_function bridge;
  struct pci_function *functions[PCI_SLOTS]; /* of bus 0, function 0 each */
  struct pci_window windows[2];              /* below and above 4 GiB */
  uint64_t next;                             /* in the first: where the next BAR goes */
};

/* Puts it on the buses. The second window may have no size. */
int pci_host_init (struct pci_host *host, struct bus *ports, struct bus *mmio,
                   const struct pci_window windows[2]);
void pci_host_finish (struct pci_host *host);
/* Plugs a function into the next slot, before the first access; its BARs get
 * addresses below 4 GiB. The slot, or -ENOSPC. */
int pci_host_add (struct pci_host *host, struct pci_function *function);
/* Every function as it was when it was plugged in. */
void pci_host_reset (struct pci_host *host);
