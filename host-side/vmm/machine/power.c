/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "power.h"

#include <sys/eventfd.h>

#include "layout.h"

/* ACPI 6.4, 4.8.3.7: SLP_TYP in bits 2 to 4, SLP_EN in bit 5. */
#define SLEEP_S5 (5u << 2 | 1u << 5)
#define RESET_VALUE 1u
#define I8042_RESET 0xfeu

/* QEMU's docs/specs/pvpanic.rst: bit 0 panicked. Bit 1, a crash kernel takes over,
 * is not offered: then the guest goes on anyway. */
#define PVPANIC_PANICKED 1u

static void
access_sleep (void *device, uint64_t offset, void *bytes, unsigned len, bool write)
{
  struct power *power = device;
  uint8_t *byte = bytes;

  if (!write)
    *byte = 0;
  else if (*byte == SLEEP_S5)
    vm_finish (power->vm, VM_SHUTDOWN);
}

static void
access_reset (void *device, uint64_t offset, void *bytes, unsigned len, bool write)
{
  if (write && *(uint8_t *) bytes == RESET_VALUE)
    vm_finish (((struct power *) device)->vm, VM_RESET);
}

static void
access_events (void *device, uint64_t offset, void *bytes, unsigned len, bool write)
{
  struct power *power = device;

  if (!write)
    *(uint8_t *) bytes = atomic_exchange (&power->events, 0);
}

/* No keyboard is there: its status reads as idle, and only the reset line is wired. */
static void
access_i8042 (void *device, uint64_t offset, void *bytes, unsigned len, bool write)
{
  struct power *power = device;

  if (!write)
    *(uint8_t *) bytes = 0;
  else if (*(uint8_t *) bytes == I8042_RESET)
    vm_finish (power->vm, VM_RESET);
}

void
power_access_pvpanic (struct power *power, void *bytes, bool write)
{
  uint8_t *byte = bytes;

  if (!write)
    *byte = PVPANIC_PANICKED; /* what we understand */
  else if (*byte & PVPANIC_PANICKED)
    {
      if (power->panicked && !atomic_exchange (&power->told, true))
        power->panicked (power->data);
      vm_finish (power->vm, VM_PANICKED);
    }
}

static void
access_pvpanic (void *device, uint64_t offset, void *bytes, unsigned len, bool write)
{
  power_access_pvpanic (device, bytes, write);
}

int
power_init (struct power *power, struct vm *vm)
{
  const struct
  {
    uint16_t port;
    bus_access access;
  } ports[] = {
    { PORT_SLEEP, access_sleep }, { PORT_RESET, access_reset },     { PORT_EVENTS, access_events },
    { PORT_I8042, access_i8042 }, { PORT_PVPANIC, access_pvpanic },
  };
  int ret;

  power->vm = vm;
  ret = power->irq_fd = vm_irqfd (vm, GSI_EVENTS);
  for (unsigned i = 0; i < sizeof ports / sizeof ports[0] && ret >= 0; i++)
    ret = bus_add (&vm->ports, ports[i].port, 1, ports[i].access, power);
  return ret < 0 ? ret : 0;
}

void
power_reset (struct power *power)
{
  atomic_store (&power->events, 0);
}

static void
happens (struct power *power, uint8_t event)
{
  atomic_fetch_or (&power->events, event);
  eventfd_write (power->irq_fd, 1);
}

void
power_button (struct power *power)
{
  happens (power, EVENT_BUTTON);
}

void
power_new_generation (struct power *power)
{
  happens (power, EVENT_GENERATION);
}
