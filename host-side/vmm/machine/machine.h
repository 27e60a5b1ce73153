/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A whole machine: the VM, its board and its virtio devices. */
#pragma once

#include "host-side/vmm/virtio/mmio.h"
#include "host-side/vmm/virtio/pci.h"
#include "loader.h"
#include "pci-host.h"
#include "power.h"
#include "shared-page.h"
#include "uart.h"

#define MACHINE_DEVICES_MAX 31 /* slot 0 of PCI is the host bridge */

enum machine_transport
{
  MACHINE_PCI,
  MACHINE_MMIO,
};

/* A device and how it is reached. */
struct machine_slot
{
  struct vdev *dev;
  enum machine_transport transport;
};

struct copier;

struct machine
{
  struct vm *vm;
  struct uart uart;
  struct power power;
  struct pci_host pci_host;
  uint64_t pci_high; /* the window above 4 GiB */
  struct virtio_pci_platform platform;
  struct copier *copier; /* of the control socket; NULL without one */
  struct shared_page page; /* without data when there is none */
  unsigned n_devices, n_mmio, n_pci;
  struct vdev *devices[MACHINE_DEVICES_MAX];
  struct virtio_mmio *mmio[MACHINE_DEVICES_MAX];
  struct virtio_pci *pci[MACHINE_DEVICES_MAX];
};

/* Makes the board and plugs the devices of @slots in, which are the machine's from
 * now on, also when this fails. The serial port writes to @serial_fd. */
int machine_new (struct machine **machine, uint64_t ram_size, unsigned n_vcpus,
                 const struct machine_slot *slots, unsigned n_slots, int serial_fd);
/* Lets the guest share @path with whoever reads it, before it boots. */
int machine_share_page (struct machine *machine, const char *path);
/* Tables and kernel into memory; the processors' threads wait for machine_go(). */
int machine_boot (struct machine *machine, struct loader_plan *plan);
/* Off it goes; @paused: when it is resumed. */
void machine_go (struct machine *machine, bool paused);
/* Ends processors and devices; what they call is not called any more. */
void machine_stop (struct machine *machine);
/* Stops and frees. NULL is accepted. */
void machine_free (struct machine *machine);
