/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A PCI function's configuration space (PCI 3.0, chapter 6): which bits the guest
 * may change, BARs and capabilities. No machine is needed for it. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define PCI_CONFIG_BYTES 256u
#define PCI_CONFIG_SPACE 4096u /* of PCI Express; what is behind the 256 reads as zero */
#define PCI_BARS 6u
#define PCI_NOWHERE UINT64_MAX

struct pci_function;

/* Called with the host's lock held, but for bar. All may be NULL. */
struct pci_function_ops
{
  /* An access to a BAR; @offset and @len (1, 2, 4 or 8) lie in it. @bytes is all ones before a read. */
  void (*bar) (struct pci_function *function, unsigned bar, uint64_t offset, void *bytes,
               unsigned len, bool write);
  /* Somebody is about to read the configuration, or has written it. */
  void (*reads_config) (struct pci_function *function, unsigned offset, unsigned len);
  void (*wrote_config) (struct pci_function *function, unsigned offset, unsigned len);
  /* A BAR answers at another address: bars[].at. */
  void (*moved) (struct pci_function *function, unsigned bar);
  /* The machine resets; the configuration is back already. */
  void (*reset) (struct pci_function *function);
};

struct pci_bar
{
  uint64_t size; /* a power of two; 0: there is none */
  bool wide;     /* 64 bits: the next register is its upper half */
  uint64_t at;   /* where it answers, or PCI_NOWHERE: the host's */
};

struct pci_identity
{
  uint16_t vendor, device, subsystem_vendor, subsystem;
  uint32_t class_code; /* 24 bits */
  uint8_t revision;
};

struct pci_function
{
  const struct pci_function_ops *ops;
  uint8_t config[PCI_CONFIG_BYTES];
  uint8_t writable[PCI_CONFIG_BYTES]; /* the bits that are the guest's */
  uint8_t initial[PCI_CONFIG_BYTES];
  struct pci_bar bars[PCI_BARS];
  unsigned last_capability, end;
};

void pci_function_init (struct pci_function *function, const struct pci_function_ops *ops,
                        const struct pci_identity *identity);
void pci_function_add_bar (struct pci_function *function, unsigned bar, uint64_t size, bool wide);
/* Appends a capability, whose second byte will be the link; @writable as long, or
 * NULL. Where it is. */
unsigned pci_function_add_capability (struct pci_function *function, const void *capability,
                                      unsigned len, const void *writable);

/* What the registers say; PCI_NOWHERE while memory is not decoded. */
uint64_t pci_function_bar_address (const struct pci_function *function, unsigned bar);
/* As firmware does it. */
void pci_function_place (struct pci_function *function, unsigned bar, uint64_t address);

/* The configuration is complete: a reset brings it back. */
void pci_function_keep (struct pci_function *function);
void pci_function_reset (struct pci_function *function);

/* An access of 1, 2 or 4 bytes at a multiple of its length below PCI_CONFIG_SPACE. */
void pci_function_access (struct pci_function *function, unsigned offset, void *bytes, unsigned len,
                          bool write);
