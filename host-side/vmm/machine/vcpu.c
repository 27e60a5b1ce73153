/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A processor: one thread around KVM_RUN, which hands accesses to the buses. */
#include "meter.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/kvm.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "host-side/vmm/core/log.h"
#include "host-side/vmm/core/sandbox.h"

static _Thread_local struct vcpu *current;

/* KVM_RUN returns at once when this is set, even when the signal came just before it. */
static void
on_kick (int number)
{
  if (current)
    current->run->immediate_exit = 1;
}

int
vcpu_new (struct vm *vm, unsigned index)
{
  struct sigaction action = { .sa_handler = on_kick };
  struct vcpu *vcpu = &vm->vcpus[index];
  int ret;

  sigaction (SIGUSR1, &action, NULL); /* before there is a thread to kick */
  vcpu->vm = vm;
  vcpu->index = index;
  vcpu->fd = ioctl (vm->fd, KVM_CREATE_VCPU, index);
  if (vcpu->fd < 0)
    return -errno;
  vcpu->run = mmap (NULL, vm->run_size, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu->fd, 0);
  if (vcpu->run == MAP_FAILED)
    {
      ret = -errno;
      close (vcpu->fd);
      return ret;
    }
  meter_open (vcpu);
  vm->n_vcpus++;
  return vcpu_set_cpuid (vcpu);
}

void
vcpu_kick (struct vcpu *vcpu)
{
  pthread_kill (vcpu->thread, SIGUSR1);
}

static void handle_exit (struct vcpu *vcpu);

/* KVM ends an instruction that came here only in the next KVM_RUN: whoever looks at a
 * stopped processor, or puts it elsewhere, finds it between two. */
static void
settle (struct vcpu *vcpu)
{
  struct kvm_run *run = vcpu->run;

  run->immediate_exit = 1;
  while (ioctl (vcpu->fd, KVM_RUN, 0) == 0
         && (run->exit_reason == KVM_EXIT_IO || run->exit_reason == KVM_EXIT_MMIO))
    handle_exit (vcpu);
}

/* Waits while the machine is paused or resets; false when it has ended. */
static bool
may_run (struct vcpu *vcpu)
{
  struct vm *vm = vcpu->vm;
  bool runs, waited = false;

  vcpu->run->immediate_exit = 0;
  atomic_signal_fence (memory_order_seq_cst);
  if (!atomic_load (&vm->stop_requested))
    return true;
  settle (vcpu);
  pthread_mutex_lock (&vm->lock);
  vm->n_paused++;
  pthread_cond_broadcast (&vm->changed);
  while (vm->end == VM_RESET || (vm->paused && vm->end == VM_RUNS))
    {
      pthread_cond_wait (&vm->changed, &vm->lock);
      waited = true;
    }
  vm->n_paused--;
  runs = vm->end == VM_RUNS;
  pthread_mutex_unlock (&vm->lock);
  /* Its clocks went on: without a word of it Linux takes the pause for a lockup. Fails
   * where the guest has not set kvmclock up, and then nobody would read it. */
  if (waited && runs)
    ioctl (vcpu->fd, KVM_KVMCLOCK_CTRL, 0);
  return runs;
}

static void
do_port (struct vcpu *vcpu)
{
  struct kvm_run *run = vcpu->run;
  uint8_t *data = (uint8_t *) run + run->io.data_offset;

  for (uint32_t i = 0; i < run->io.count; i++)
    bus_do (&vcpu->vm->ports, run->io.port, data + i * run->io.size, run->io.size,
            run->io.direction == KVM_EXIT_IO_OUT);
}

/* Everything that tells why KVM gave up: the first question then. */
static void
report_failure (struct vcpu *vcpu)
{
  struct kvm_run *run = vcpu->run;
  struct kvm_regs regs = { 0 };
  struct kvm_sregs sregs = { 0 };

  ioctl (vcpu->fd, KVM_GET_REGS, &regs);
  ioctl (vcpu->fd, KVM_GET_SREGS, &sregs);
  vmm_log ("vCPU %u: exit reason %u, suberror %u, entry failure 0x%" PRIx64, vcpu->index,
           run->exit_reason, run->internal.suberror,
           (uint64_t) run->fail_entry.hardware_entry_failure_reason);
  vmm_log ("rip 0x%llx rsp 0x%llx rflags 0x%llx cr0 0x%llx cr2 0x%llx cr3 0x%llx cr4 0x%llx efer 0x%llx",
           regs.rip, regs.rsp, regs.rflags, sregs.cr0, sregs.cr2, sregs.cr3, sregs.cr4, sregs.efer);
}

static void
handle_exit (struct vcpu *vcpu)
{
  struct kvm_run *run = vcpu->run;

  vcpu->exits++;
  switch (run->exit_reason)
    {
    case KVM_EXIT_IO:
      do_port (vcpu);
      break;
    case KVM_EXIT_MMIO:
      bus_do (&vcpu->vm->mmio, run->mmio.phys_addr, run->mmio.data, run->mmio.len,
              run->mmio.is_write);
      break;
    case KVM_EXIT_INTR:
    case KVM_EXIT_HLT:
      break;
    case KVM_EXIT_SHUTDOWN: /* a triple fault is how a PC without more resets */
      vm_finish (vcpu->vm, VM_RESET);
      break;
    default:
      report_failure (vcpu);
      vm_finish (vcpu->vm, VM_FAILED);
    }
}

struct vcpu *
vcpu_current (void)
{
  return current;
}

void *
vcpu_thread (void *data)
{
  struct vcpu *vcpu = data;
  char name[16];

  current = vcpu;
  snprintf (name, sizeof name, "vcpu-%u", vcpu->index % 1000);
  pthread_setname_np (pthread_self (), name);
  while (may_run (vcpu))
    {
      sandbox_narrow (SANDBOX_VCPU);
      if (atomic_exchange (&vcpu->nmi, false))
        ioctl (vcpu->fd, KVM_NMI, 0);
      if (ioctl (vcpu->fd, KVM_RUN, 0) == 0)
        handle_exit (vcpu);
      else if (errno != EINTR && errno != EAGAIN)
        {
          vmm_log ("vCPU %u: KVM_RUN: %s", vcpu->index, strerror (errno));
          vm_finish (vcpu->vm, VM_FAILED);
        }
    }
  return NULL;
}
