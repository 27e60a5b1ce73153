/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "machine.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "acpi.h"
#include "host-side/vmm/core/log.h"
#include "layout.h"

_Static_assert (MACHINE_DEVICES_MAX <= VIRTIO_SLOTS, "each has an interrupt line of its own");

static int
plug (struct machine *machine, struct vdev *dev)
{
  unsigned slot = machine->n_devices;
  int ret;

  machine->devices[slot] = dev;
  machine->n_devices++;
  ret = vdev_start_workers (dev);
  return ret < 0 ? ret : virtio_mmio_init (&machine->mmio[slot], machine->vm, dev, slot);
}

int
machine_new (struct machine **result, uint64_t ram_size, unsigned n_vcpus,
             struct vdev *const *devices, unsigned n_devices, int serial_fd)
{
  struct machine *machine = calloc (1, sizeof *machine);
  int ret = machine ? vm_new (&machine->vm, ram_size, n_vcpus) : -ENOMEM, irq;
  unsigned plugged = 0;

  if (ret == 0)
    {
      ret = irq = vm_irqfd (machine->vm, GSI_SERIAL);
      if (ret >= 0)
        ret = uart_init (&machine->uart, machine->vm, serial_fd, irq);
      if (ret >= 0)
        ret = power_init (&machine->power, machine->vm);
      while (ret >= 0 && plugged < n_devices)
        ret = plug (machine, devices[plugged++]);
    }
  if (ret >= 0)
    {
      *result = machine;
      return 0;
    }
  vmm_log ("no machine: %s", strerror (-ret));
  while (plugged < n_devices)
    vdev_free (devices[plugged++]);
  machine_free (machine);
  return ret;
}

int
machine_boot (struct machine *machine, struct loader_plan *plan)
{
  int ret = acpi_write (machine->vm, machine->n_devices, &plan->rsdp);

  if (ret == 0)
    ret = loader_load (machine->vm, plan);
  if (ret < 0)
    return ret;
  vm_pause (machine->vm);
  ret = vm_start (machine->vm);
  vm_pause (machine->vm); /* until all of them wait */
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
  for (unsigned i = 0; i < machine->n_devices; i++)
    {
      if (machine->mmio[i].dev)
        virtio_mmio_finish (&machine->mmio[i]);
      vdev_free (machine->devices[i]);
    }
  machine->n_devices = 0;
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
  vm_free (machine->vm);
  free (machine);
}
