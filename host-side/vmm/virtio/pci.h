/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* virtio over PCI (4.1), modern only: one BAR with the structures and MSI-X.
 *
 * Functions have no INTx pin: PCI Express lets them, MSI-X is there for every
 * queue, and the interrupt status register works for a driver that polls. */
#pragma once

#include <pthread.h>

#include "host-side/vmm/machine/pci-config.h"
#include "msix.h"
#include "registers.h"

/* Where the structures are in the BAR: a page each, so that a guest may map them apart. */
#define VIRTIO_PCI_BAR_BYTES 0x8000u
#define VIRTIO_PCI_PAGE 0x1000u
enum virtio_pci_page
{
  VIRTIO_PCI_COMMON,
  VIRTIO_PCI_ISR,
  VIRTIO_PCI_DEVICE,
  VIRTIO_PCI_NOTIFY,
  VIRTIO_PCI_TABLE,
  VIRTIO_PCI_PENDING,
};
#define VIRTIO_PCI_NOTIFY_STEP 4u /* bytes from doorbell to doorbell */

/* What the machine does for it. */
struct virtio_pci_platform
{
  /* A line for an interrupt message: its number, and an eventfd that sends it. */
  int (*new_line) (void *data, unsigned *line, int *fd);
  int (*route) (void *data, unsigned line, uint64_t address, uint32_t value);
  /* Has @fd written when the guest writes 16 bits at @address; or no more. */
  int (*doorbell) (void *data, uint64_t address, int fd, bool on);
  void *data;
};

struct virtio_pci
{
  struct pci_function function;
  const struct virtio_pci_platform *platform;
  pthread_mutex_t lock; /* of the registers; comes after the host's */
  struct registers regs;
  struct msix msix;
  _Atomic uint16_t config_vector, queue_vector[VDEV_QUEUES_MAX];
  _Atomic uint8_t isr;
  unsigned msix_at, window_at; /* capabilities */
  unsigned line[MSIX_VECTORS_MAX];
  int irq_fd[MSIX_VECTORS_MAX];
  bool doorbell[VDEV_QUEUES_MAX]; /* caught by the machine */
  uint64_t doorbells_at;
};

/* Makes a function of a device, which stays the caller's; finish it even when this
 * fails. @platform stays the caller's. */
int virtio_pci_init (struct virtio_pci *pci, struct vdev *dev, struct guest_memory *memory,
                     const struct virtio_pci_platform *platform);
/* The device is at rest; memory may go. */
void virtio_pci_finish (struct virtio_pci *pci);

/* ---- between its files ---- */

/* The configuration space: identity, BAR and capabilities (pci-identity.c). */
void virtio_pci_describe (struct virtio_pci *pci, const struct pci_function_ops *ops);
/* The registers of the common structure (pci-common.c); with the lock. */
void virtio_pci_access_common (struct virtio_pci *pci, uint64_t offset, void *bytes, unsigned len,
                               bool write);
/* What a reset forgets besides them. */
void virtio_pci_forget (struct virtio_pci *pci);
