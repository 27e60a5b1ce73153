/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "meter.h"

#include <errno.h>
#include <linux/kvm.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "host-side/vmm/core/log.h"
#include "host-side/vmm/core/sandbox.h"
#include "host.h"
#include "layout.h"

#define SHARED_SLOT 2u /* behind those of the guest's own memory */

static int
add_slot (struct vm *vm, unsigned slot, uint64_t gpa, uint64_t offset, uint64_t size)
{
  struct kvm_userspace_memory_region region = {
    .slot = slot,
    .guest_phys_addr = gpa,
    .memory_size = size,
    .userspace_addr = (uint64_t) (uintptr_t) (vm->ram + offset),
  };

  if (ioctl (vm->fd, KVM_SET_USER_MEMORY_REGION, &region) < 0)
    return -errno;
  return guest_memory_add (&vm->memory, gpa, size, vm->ram + offset);
}

int
vm_map_shared (struct vm *vm, uint64_t gpa, void *host, uint64_t size)
{
  struct kvm_userspace_memory_region region = { .slot = SHARED_SLOT };

  /* KVM moves no memory that it has: it is taken away first, and only what is there. */
  if (vm->shares && ioctl (vm->fd, KVM_SET_USER_MEMORY_REGION, &region) < 0)
    return -errno;
  vm->shares = false;
  if (size == 0)
    return 0;
  region.guest_phys_addr = gpa;
  region.memory_size = size;
  region.userspace_addr = (uint64_t) (uintptr_t) host;
  if (ioctl (vm->fd, KVM_SET_USER_MEMORY_REGION, &region) < 0)
    return -errno;
  vm->shares = true;
  return 0;
}

static int
make_memory (struct vm *vm, uint64_t size, uint64_t page)
{
  uint64_t low = size < MAP_HOLE ? size : MAP_HOLE;
  int ret = vm_ram_new (vm, size, page);

  if (ret == 0)
    ret = add_slot (vm, 0, 0, 0, low);
  return ret < 0 || low == size ? ret : add_slot (vm, 1, MAP_ABOVE_4G, low, size - low);
}

static int
make_machine (struct vm *vm)
{
  uint64_t identity = MAP_IDENTITY;

  vm->fd = ioctl (vm->kvm, KVM_CREATE_VM, 0);
  if (vm->fd < 0 || ioctl (vm->fd, KVM_SET_IDENTITY_MAP_ADDR, &identity) < 0
      || ioctl (vm->fd, KVM_SET_TSS_ADDR, MAP_TSS) < 0
      || ioctl (vm->fd, KVM_CREATE_IRQCHIP, 0) < 0)
    return -errno;
  return interrupts_init (vm);
}

int
vm_new (struct vm **result, uint64_t ram_size, uint64_t page, unsigned n_vcpus)
{
  struct vm *vm = calloc (1, sizeof *vm);
  int ret;

  if (vm == NULL)
    return -ENOMEM;
  vm->fd = -1;
  pthread_mutex_init (&vm->lock, NULL);
  pthread_cond_init (&vm->changed, NULL);
  vm->end_fd = eventfd (0, EFD_CLOEXEC | EFD_NONBLOCK);
  vm->kvm = ret = host_open_kvm ();
  if (ret < 0)
    goto free;
  ret = make_machine (vm);
  if (ret == 0)
    ret = make_memory (vm, ram_size, page);
  if (ret == 0)
    ret = ioctl (vm->kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
  vm->run_size = (size_t) ret;
  for (unsigned i = 0; i < n_vcpus && ret >= 0; i++)
    ret = vcpu_new (vm, i);
  if (ret >= 0)
    ret = vm_state_save (vm);
  if (ret < 0)
    {
      vmm_log ("the machine cannot be made: %s", strerror (-ret));
      goto free;
    }
  close (vm->kvm);
  vm->kvm = -1;
  *result = vm;
  return 0;

free:
  vm_free (vm);
  return ret;
}

void
vm_join (struct vm *vm)
{
  for (unsigned i = 0; i < vm->n_vcpus; i++)
    if (vm->vcpus[i].started)
      {
        pthread_join (vm->vcpus[i].thread, NULL);
        vm->vcpus[i].started = false;
      }
}

void
vm_free (struct vm *vm)
{
  if (vm == NULL)
    return;
  vm_finish (vm, VM_SHUTDOWN);
  vm_join (vm);
  vm_state_free (vm);
  for (unsigned i = 0; i < vm->n_vcpus; i++)
    {
      munmap (vm->vcpus[i].run, vm->run_size);
      meter_close (&vm->vcpus[i]);
      close (vm->vcpus[i].fd);
    }
  vm_ram_free (vm);
  if (vm->fd >= 0)
    close (vm->fd);
  if (vm->kvm >= 0)
    close (vm->kvm);
  close (vm->end_fd);
  interrupts_finish (vm);
  pthread_cond_destroy (&vm->changed);
  pthread_mutex_destroy (&vm->lock);
  free (vm);
}

int
vm_start (struct vm *vm)
{
  sandbox_expect (SANDBOX_VCPU);
  for (unsigned i = 0; i < vm->n_vcpus; i++)
    {
      struct vcpu *vcpu = &vm->vcpus[i];
      int ret = -pthread_create (&vcpu->thread, NULL, vcpu_thread, vcpu);

      if (ret < 0)
        return ret;
      vcpu->started = true;
    }
  return 0;
}

static void
kick_all (struct vm *vm)
{
  atomic_store (&vm->stop_requested, true);
  for (unsigned i = 0; i < vm->n_vcpus; i++)
    if (vm->vcpus[i].started)
      vcpu_kick (&vm->vcpus[i]);
}

/* KVM takes it from the processor's own thread: nobody else gets at one that runs. */
void
vm_nmi (struct vm *vm)
{
  for (unsigned i = 0; i < vm->n_vcpus; i++)
    {
      atomic_store (&vm->vcpus[i].nmi, true);
      if (vm->vcpus[i].started)
        vcpu_kick (&vm->vcpus[i]);
    }
}

void
vm_pause (struct vm *vm)
{
  unsigned started = 0;

  pthread_mutex_lock (&vm->lock);
  vm->paused = true;
  for (unsigned i = 0; i < vm->n_vcpus; i++)
    started += vm->vcpus[i].started;
  kick_all (vm);
  while (vm->n_paused < started && vm->end == VM_RUNS)
    pthread_cond_wait (&vm->changed, &vm->lock);
  pthread_mutex_unlock (&vm->lock);
}

void
vm_resume (struct vm *vm)
{
  pthread_mutex_lock (&vm->lock);
  vm->paused = false;
  atomic_store (&vm->stop_requested, vm->end != VM_RUNS);
  pthread_cond_broadcast (&vm->changed);
  pthread_mutex_unlock (&vm->lock);
}

bool
vm_is_paused (struct vm *vm)
{
  bool paused;

  pthread_mutex_lock (&vm->lock);
  paused = vm->paused;
  pthread_mutex_unlock (&vm->lock);
  return paused;
}

bool
vm_finish (struct vm *vm, enum vm_end why)
{
  bool first;

  pthread_mutex_lock (&vm->lock);
  first = vm->end == VM_RUNS || (vm->end == VM_RESET && why != VM_RESET);
  if (first)
    {
      vm->end = why;
      kick_all (vm);
      pthread_cond_broadcast (&vm->changed);
      eventfd_write (vm->end_fd, 1);
    }
  pthread_mutex_unlock (&vm->lock);
  return first;
}

bool
vm_wait_reset (struct vm *vm)
{
  unsigned started = 0;
  bool resets;

  pthread_mutex_lock (&vm->lock);
  for (unsigned i = 0; i < vm->n_vcpus; i++)
    started += vm->vcpus[i].started;
  while (vm->n_paused < started && vm->end == VM_RESET)
    pthread_cond_wait (&vm->changed, &vm->lock);
  resets = vm->end == VM_RESET;
  pthread_mutex_unlock (&vm->lock);
  return resets;
}

int
vm_reset (struct vm *vm)
{
  int ret = vm_ram_empty (vm);

  return ret < 0 ? ret : vm_state_restore (vm);
}

void
vm_go_on (struct vm *vm)
{
  eventfd_t count;

  pthread_mutex_lock (&vm->lock);
  if (vm->end == VM_RESET)
    {
      vm->end = VM_RUNS;
      eventfd_read (vm->end_fd, &count);
      atomic_store (&vm->stop_requested, vm->paused);
      pthread_cond_broadcast (&vm->changed);
    }
  pthread_mutex_unlock (&vm->lock);
}

enum vm_end
vm_ended (struct vm *vm)
{
  enum vm_end end;

  pthread_mutex_lock (&vm->lock);
  end = vm->end;
  pthread_mutex_unlock (&vm->lock);
  return end;
}
