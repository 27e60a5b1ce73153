/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A PCI host with a disk in slot 1, without KVM: lines and doorbells are noted. */
#pragma once

#include <sys/eventfd.h>

#include "guest-ram.h"
#include "host-side/vmm/machine/layout.h"
#include "host-side/vmm/machine/pci-host.h"
#include "host-side/vmm/virtio/pci.h"

#define PCI_HIGH 0x800000000ull
#define PCI_DISK_BYTES (64u * 1024)

struct pci_machine
{
  struct bus ports, mmio;
  struct pci_host host;
  struct virtio_pci pci;
  struct virtio_pci_platform platform;
  struct guest_memory memory;
  uint8_t *ram;
  struct vdev *dev;
  unsigned n_lines;
  uint64_t routes[MSIX_VECTORS_MAX];
  uint32_t values[MSIX_VECTORS_MAX];
  uint64_t doorbell; /* where queue 0's is; 0: nowhere */
  unsigned n_doorbells;
};

static inline int
pci_machine_line (void *data, unsigned *line, int *fd)
{
  struct pci_machine *machine = data;

  *line = machine->n_lines++;
  *fd = eventfd (0, EFD_CLOEXEC | EFD_NONBLOCK);
  return *fd < 0 ? -1 : 0;
}

static inline int
pci_machine_route (void *data, unsigned line, uint64_t address, uint32_t value)
{
  struct pci_machine *machine = data;

  machine->routes[line] = address;
  machine->values[line] = value;
  return 0;
}

static inline int
pci_machine_doorbell (void *data, uint64_t address, int fd, bool on)
{
  struct pci_machine *machine = data;

  if (on)
    machine->n_doorbells++;
  else
    machine->n_doorbells--;
  machine->doorbell = on ? address : 0;
  return 0;
}

/* How often a vector was fired since the last call. */
static inline uint64_t
pci_machine_fired (struct pci_machine *machine, unsigned vector)
{
  eventfd_t count = 0;

  return eventfd_read (machine->pci.irq_fd[vector], &count) == 0 ? count : 0;
}

/* 0, or what failed. */
static inline int
pci_machine_new (struct pci_machine *machine)
{
  static const struct pci_window windows[2] = {
    { MAP_PCI, MAP_PCI_SIZE, NULL }, { PCI_HIGH, MAP_PCI_HIGH_SIZE, NULL },
  };
  int ret;

  memset (machine, 0, sizeof *machine);
  machine->platform = (struct virtio_pci_platform){ pci_machine_line, pci_machine_route,
                                                    pci_machine_doorbell, machine };
  machine->ram = ram_new (&machine->memory);
  machine->dev = ram_disk (PCI_DISK_BYTES, "off");
  if (machine->dev == NULL)
    return -1;
  ret = pci_host_init (&machine->host, &machine->ports, &machine->mmio, windows);
  if (ret == 0)
    ret = virtio_pci_init (&machine->pci, machine->dev, &machine->memory, &machine->platform);
  return ret < 0 ? ret : pci_host_add (&machine->host, &machine->pci.function) - 1;
}

static inline void
pci_machine_free (struct pci_machine *machine)
{
  virtio_pci_finish (&machine->pci);
  pci_host_finish (&machine->host);
  vdev_free (machine->dev);
  munmap (machine->ram - sysconf (_SC_PAGESIZE), RAM_SIZE + 2 * (size_t) sysconf (_SC_PAGESIZE));
}
