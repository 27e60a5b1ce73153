/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "machine.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "acpi.h"
#include "host-side/vmm/core/log.h"
#include "layout.h"
#include "meter.h"

/* ---- what KVM does for virtio-pci ---- */

static int
new_line (void *data, unsigned *line, int *fd)
{
  struct vm *vm = data;
  int gsi = vm_message_new (vm);
  int ret = gsi < 0 ? gsi : vm_irqfd (vm, (unsigned) gsi);

  if (ret < 0)
    return ret;
  *line = (unsigned) gsi;
  *fd = ret;
  return 0;
}

static int
route (void *data, unsigned line, uint64_t address, uint32_t value)
{
  return vm_message_route (data, line, address, value);
}

static int
doorbell (void *data, uint64_t address, int fd, bool on)
{
  const struct vm_doorbell doorbell = { .address = address, .len = 2, .fd = fd };

  return vm_doorbell (data, &doorbell, on);
}

/* ---- devices ---- */

static int
plug_mmio (struct machine *machine, struct vdev *dev)
{
  struct virtio_mmio *mmio;

  if (machine->n_mmio == VIRTIO_SLOTS)
    {
      vmm_log ("at most %u devices on virtio-mmio", VIRTIO_SLOTS);
      return -ENOSPC;
    }
  mmio = calloc (1, sizeof *mmio);
  if (mmio == NULL)
    return -ENOMEM;
  machine->mmio[machine->n_mmio] = mmio;
  return virtio_mmio_init (mmio, machine->vm, dev, machine->n_mmio++);
}

static int
plug_pci (struct machine *machine, struct vdev *dev)
{
  struct virtio_pci *pci = calloc (1, sizeof *pci);
  int ret;

  if (pci == NULL)
    return -ENOMEM;
  machine->pci[machine->n_pci++] = pci;
  ret = virtio_pci_init (pci, dev, &machine->vm->memory, &machine->platform);
  return ret < 0 ? ret : pci_host_add (&machine->pci_host, &pci->function);
}

static int
plug (struct machine *machine, const struct machine_slot *slot)
{
  int ret;

  machine->devices[machine->n_devices++] = slot->dev;
  ret = vdev_start_workers (slot->dev);
  if (ret < 0)
    return ret;
  return slot->transport == MACHINE_PCI ? plug_pci (machine, slot->dev)
                                        : plug_mmio (machine, slot->dev);
}

/* Memory ends below the window above 4 GiB, which lies at a multiple of its size. */
static int
make_pci (struct machine *machine)
{
  uint64_t end = MAP_ABOVE_4G + machine->vm->ram_size;
  const struct pci_window windows[2] = {
    { MAP_PCI, MAP_PCI_SIZE, NULL },
    { (end + MAP_PCI_HIGH_SIZE - 1) & ~(MAP_PCI_HIGH_SIZE - 1), MAP_PCI_HIGH_SIZE, NULL },
  };

  machine->pci_high = windows[1].base;
  machine->platform = (struct virtio_pci_platform){ new_line, route, doorbell, machine->vm };
  return pci_host_init (&machine->pci_host, &machine->vm->ports, &machine->vm->mmio, windows);
}

static int
make_board (struct machine *machine, int serial_fd)
{
  int ret = vm_irqfd (machine->vm, GSI_SERIAL);

  if (ret >= 0)
    ret = uart_init (&machine->uart, machine->vm, serial_fd, ret);
  if (ret >= 0)
    ret = power_init (&machine->power, machine->vm);
  if (ret >= 0)
    ret = meter_init (machine->vm);
  return ret < 0 ? ret : make_pci (machine);
}

int
machine_new (struct machine **result, uint64_t ram_size, uint64_t page, unsigned n_vcpus,
             const struct machine_slot *slots, unsigned n_slots, int serial_fd)
{
  struct machine *machine = calloc (1, sizeof *machine);
  int ret = machine ? vm_new (&machine->vm, ram_size, page, n_vcpus) : -ENOMEM;
  unsigned plugged = 0;

  if (machine)
    pthread_mutex_init (&machine->generation.lock, NULL);
  if (ret == 0)
    ret = make_board (machine, serial_fd);
  while (ret >= 0 && plugged < n_slots)
    ret = plug (machine, &slots[plugged++]);
  if (ret >= 0)
    {
      *result = machine;
      return 0;
    }
  vmm_log ("no machine: %s", strerror (-ret));
  while (plugged < n_slots)
    vdev_free (slots[plugged++].dev);
  machine_free (machine);
  return ret;
}

static int
map_page (void *data, uint64_t at, void *host, uint64_t size)
{
  return vm_map_shared (data, at == PCI_NOWHERE ? 0 : at, host, at == PCI_NOWHERE ? 0 : size);
}

int
machine_share_page (struct machine *machine, const char *path)
{
  int ret = shared_page_init (&machine->page, path, map_page, machine->vm);

  return ret < 0 ? ret : pci_host_add (&machine->pci_host, &machine->page.function);
}

int
machine_add_pvpanic (struct machine *machine)
{
  int ret = pvpanic_pci_init (&machine->pvpanic, &machine->pci_host, &machine->power);

  return ret < 0 ? ret : 0;
}

int
machine_name_slots (const struct machine *machine, const char *cmdline, char **longer)
{
  size_t size = strlen (cmdline) + machine->n_mmio * 64 + 1, len;
  char *text = malloc (size);

  if (text == NULL)
    return -ENOMEM;
  len = (size_t) snprintf (text, size, "%s", cmdline);
  for (unsigned i = 0; i < machine->n_mmio; i++)
    len += (size_t) snprintf (text + len, size - len, " virtio_mmio.device=0x%x@0x%x:%u",
                              MAP_VIRTIO_MMIO_STEP, MAP_VIRTIO_MMIO + i * MAP_VIRTIO_MMIO_STEP,
                              GSI_VIRTIO + i);
  *longer = text;
  return 0;
}

static int
load (struct machine *machine)
{
  const struct acpi_board board = { machine->n_mmio, machine->pci_high, machine->generation.present };
  int ret = acpi_write (machine->vm, &board, &machine->plan->rsdp);

  generation_place (&machine->generation, machine->vm);
  return ret < 0 ? ret : loader_load (machine->vm, machine->plan);
}

int
machine_boot (struct machine *machine, struct loader_plan *plan)
{
  int ret = loader_open (plan);

  machine->plan = plan;
  if (ret == 0)
    ret = load (machine);
  if (ret < 0)
    return ret;
  vm_pause (machine->vm);
  ret = vm_start (machine->vm);
  if (ret < 0)
    {
      vmm_log ("the processors do not start: %s", strerror (-ret));
      return ret;
    }
  vm_pause (machine->vm); /* until all of them wait */
  return 0;
}

/* Devices come to rest before the memory goes that they work on. */
int
machine_reset (struct machine *machine)
{
  int ret;

  if (!vm_wait_reset (machine->vm))
    return 0;
  for (unsigned i = 0; i < machine->n_mmio; i++)
    virtio_mmio_reset (machine->mmio[i]);
  pci_host_reset (&machine->pci_host);
  uart_reset (&machine->uart);
  power_reset (&machine->power);
  ret = vm_reset (machine->vm);
  if (ret == 0)
    ret = load (machine);
  if (ret == 0)
    vm_go_on (machine->vm);
  else
    vmm_log ("the machine cannot be reset: %s", strerror (-ret));
  return ret;
}

void
machine_go (struct machine *machine, bool paused)
{
  if (!paused)
    vm_resume (machine->vm);
}

void
machine_stop (struct machine *machine)
{
  if (machine->vm == NULL)
    return;
  vm_finish (machine->vm, VM_SHUTDOWN);
  vm_join (machine->vm);
  for (unsigned i = 0; i < machine->n_mmio; i++)
    {
      virtio_mmio_finish (machine->mmio[i]);
      free (machine->mmio[i]);
    }
  for (unsigned i = 0; i < machine->n_pci; i++)
    {
      virtio_pci_finish (machine->pci[i]);
      free (machine->pci[i]);
    }
  for (unsigned i = 0; i < machine->n_devices; i++)
    vdev_free (machine->devices[i]);
  machine->n_mmio = machine->n_pci = machine->n_devices = 0;
}

void
machine_free (struct machine *machine)
{
  if (machine == NULL)
    return;
  machine_stop (machine);
  if (machine->uart.irq_fd > 0)
    close (machine->uart.irq_fd);
  if (machine->power.irq_fd > 0)
    close (machine->power.irq_fd);
  pci_host_finish (&machine->pci_host);
  pthread_mutex_destroy (&machine->generation.lock);
  vm_free (machine->vm);
  shared_page_finish (&machine->page);
  free (machine);
}
