/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Interrupts into the guest (KVM_IRQFD, KVM_SET_GSI_ROUTING) and doorbells out of
 * it (KVM_IOEVENTFD): both without a processor's thread of ours. */
#include "vm.h"

#include <errno.h>
#include <linux/kvm.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "layout.h"

#define MESSAGES_MAX 2048u /* KVM has 4096 routes */

static int
tell (struct vm *vm)
{
  return ioctl (vm->fd, KVM_SET_GSI_ROUTING, vm->routing) < 0 ? -errno : 0;
}

/* The I/O APIC alone: our ACPI says that there is no 8259. */
int
interrupts_init (struct vm *vm)
{
  pthread_mutex_init (&vm->routing_lock, NULL);
  vm->routing = calloc (1, sizeof *vm->routing
                             + (GSI_COUNT + MESSAGES_MAX) * sizeof vm->routing->entries[0]);
  if (vm->routing == NULL)
    return -ENOMEM;
  vm->routing->nr = GSI_COUNT;
  for (unsigned gsi = 0; gsi < GSI_COUNT; gsi++)
    vm->routing->entries[gsi] = (struct kvm_irq_routing_entry){
      .gsi = gsi,
      .type = KVM_IRQ_ROUTING_IRQCHIP,
      .u.irqchip = { .irqchip = KVM_IRQCHIP_IOAPIC, .pin = gsi },
    };
  return tell (vm);
}

void
interrupts_finish (struct vm *vm)
{
  if (vm->routing == NULL)
    return;
  free (vm->routing);
  pthread_mutex_destroy (&vm->routing_lock);
}

int
vm_irqfd (struct vm *vm, unsigned gsi)
{
  struct kvm_irqfd irqfd = { .gsi = gsi };
  int fd = eventfd (0, EFD_CLOEXEC | EFD_NONBLOCK), ret;

  if (fd < 0)
    return -errno;
  irqfd.fd = (uint32_t) fd;
  if (ioctl (vm->fd, KVM_IRQFD, &irqfd) == 0)
    return fd;
  ret = -errno;
  close (fd);
  return ret;
}

int
vm_message_new (struct vm *vm)
{
  return vm->n_messages < MESSAGES_MAX ? (int) (GSI_COUNT + vm->n_messages++) : -ENOSPC;
}

static struct kvm_irq_routing_entry *
find_route (struct kvm_irq_routing *routing, unsigned gsi)
{
  unsigned i = GSI_COUNT;

  while (i < routing->nr && routing->entries[i].gsi != gsi)
    i++;
  if (i == routing->nr)
    routing->nr++;
  return &routing->entries[i];
}

int
vm_message_route (struct vm *vm, unsigned gsi, uint64_t address, uint32_t data)
{
  const struct kvm_irq_routing_entry entry = {
    .gsi = gsi,
    .type = KVM_IRQ_ROUTING_MSI,
    .u.msi = { .address_lo = (uint32_t) address,
               .address_hi = (uint32_t) (address >> 32),
               .data = data },
  };
  int ret;

  pthread_mutex_lock (&vm->routing_lock);
  *find_route (vm->routing, gsi) = entry;
  ret = tell (vm);
  pthread_mutex_unlock (&vm->routing_lock);
  return ret;
}

int
vm_doorbell (struct vm *vm, const struct vm_doorbell *doorbell, bool on)
{
  struct kvm_ioeventfd event = {
    .addr = doorbell->address,
    .len = doorbell->len,
    .fd = doorbell->fd,
    .datamatch = doorbell->match ? doorbell->value : 0,
    .flags = (doorbell->match ? (uint32_t) KVM_IOEVENTFD_FLAG_DATAMATCH : 0u)
             | (on ? 0u : (uint32_t) KVM_IOEVENTFD_FLAG_DEASSIGN),
  };

  return ioctl (vm->fd, KVM_IOEVENTFD, &event) < 0 ? -errno : 0;
}
