/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A whole machine: the VM, its board and its virtio devices. */
#pragma once

#include "host-side/vmm/virtio/mmio.h"
#include "host-side/vmm/virtio/pci.h"
#include "generation.h"
#include "loader.h"
#include "pci-host.h"
#include "power.h"
#include "pvpanic-pci.h"
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
  struct generation generation;
  struct pvpanic_pci pvpanic; /* when there is one */
  struct pci_host pci_host;
  uint64_t pci_high; /* the window above 4 GiB */
  struct virtio_pci_platform platform;
  struct loader_plan *plan; /* from machine_boot() on */
  _Atomic bool host_resets; /* the reset that is due was somebody's wish */
  struct copier *copier; /* of the control socket; NULL without one */
  struct shared_page page; /* without data when there is none */
  unsigned n_devices, n_mmio, n_pci;
  struct vdev *devices[MACHINE_DEVICES_MAX];
  struct virtio_mmio *mmio[MACHINE_DEVICES_MAX];
  struct virtio_pci *pci[MACHINE_DEVICES_MAX];
};

/* Makes the board and plugs the devices of @slots in, which are the machine's from
 * now on, also when this fails. Memory and processors are as of vm_new(); the serial port
 * writes to @serial_fd. */
int machine_new (struct machine **machine, uint64_t ram_size, uint64_t page, unsigned n_vcpus,
                 const struct machine_slot *slots, unsigned n_slots, int serial_fd);
/* Lets the guest share @path with whoever reads it, before it boots. */
int machine_share_page (struct machine *machine, const char *path);
/* Before machine_boot(): pvpanic as a PCI function, too. -ENOSPC without a free slot. */
int machine_add_pvpanic (struct machine *machine);
/* @cmdline and where the virtio-mmio slots are, as Linux's virtio_mmio.device= takes it, for
 * a kernel that does not look at ACPI; free() it. */
int machine_name_slots (const struct machine *machine, const char *cmdline, char **longer);
/* Tables and kernel into memory; the processors' threads wait for machine_go(). @plan
 * stays the caller's, with its files open until loader_close(). */
int machine_boot (struct machine *machine, struct loader_plan *plan);
/* After VM_RESET: all of it as after machine_boot(), and on it goes unless it is paused.
 * What the host has opened and set stays. 0 also when the machine has ended meanwhile. */
int machine_reset (struct machine *machine);
/* Off it goes; @paused: when it is resumed. */
void machine_go (struct machine *machine, bool paused);
/* Ends processors and devices; what they call is not called any more. */
void machine_stop (struct machine *machine);
/* Stops and frees. NULL is accepted. */
void machine_free (struct machine *machine);
