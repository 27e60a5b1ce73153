/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The virtual machine: memory, processors, buses, and how it ends. */
#pragma once

#include <pthread.h>
#include <stdatomic.h>

#include "bus.h"
#include "host-side/vmm/core/memory.h"

#define VM_VCPUS_MAX 64

struct kvm_irq_routing;
struct kvm_run;
struct vcpu_state;
struct vm;
struct vm_state;

struct vcpu
{
  struct vm *vm;
  unsigned index;
  int fd;
  struct kvm_run *run;
  pthread_t thread;
  bool started;
  _Atomic bool nmi; /* somebody wants one */
  uint64_t exits;   /* to us */
  int stats_fd;     /* KVM's counters, or -1 */
  int64_t stats_at; /* of its exits */
  struct vcpu_state *initial;
};

/* Why a machine ended. */
enum vm_end
{
  VM_RUNS,
  VM_SHUTDOWN, /* the guest powered off, or somebody asked for it */
  VM_RESET, /* not yet the end: vm_go_on() */
  VM_PANICKED, /* the guest said so (pvpanic) and wanted no more */
  VM_FAILED,   /* KVM cannot go on */
};

struct vm
{
  int kvm; /* /dev/kvm, or -1: it is closed when the machine is made */
  int fd;
  uint8_t *ram;
  uint64_t ram_size;
  struct guest_memory memory;
  bool shares; /* KVM has memory of another's */
  struct bus ports, mmio;
  unsigned n_vcpus;
  struct vcpu vcpus[VM_VCPUS_MAX];
  size_t run_size;
  pthread_mutex_t routing_lock;
  struct kvm_irq_routing *routing; /* what KVM was told last */
  unsigned n_messages;
  /* Pausing: vCPUs wait while it is set. */
  pthread_mutex_t lock;
  pthread_cond_t changed;
  bool paused;
  unsigned n_paused;
  _Atomic bool stop_requested; /* pause or end: look under the lock */
  enum vm_end end;             /* under the lock */
  int end_fd;                  /* an eventfd: it ended */
  struct vm_state *initial;
};

/* Makes a machine with @ram_size bytes of memory, in huge pages of @page bytes each unless
 * that is 0, and @n_vcpus processors, which do not run yet. Negative errno with a message
 * for the user. */
int vm_new (struct vm **vm, uint64_t ram_size, uint64_t page, unsigned n_vcpus);
/* Ends the processors; NULL is accepted. */
void vm_free (struct vm *vm);

/* Starts all processors' threads; the first from where the loader has put it. */
int vm_start (struct vm *vm);
/* Stops all processors between two instructions; returns when they are. */
void vm_pause (struct vm *vm);
void vm_resume (struct vm *vm);
bool vm_is_paused (struct vm *vm);
/* A non-maskable interrupt for all processors. Any thread. */
void vm_nmi (struct vm *vm);
/* From any thread, the first reason counts, but any other one before a reset: processors
 * stop and end_fd is readable. After VM_RESET their threads wait, else they end. Whether
 * @why is the reason. */
bool vm_finish (struct vm *vm, enum vm_end why);
enum vm_end vm_ended (struct vm *vm);
/* After VM_RESET: returns when all processors wait; false when the machine has ended. */
bool vm_wait_reset (struct vm *vm);
/* Empties the memory, and puts processors and interrupt controllers into the state they
 * had in the beginning; after vm_wait_reset(). */
int vm_reset (struct vm *vm);
/* From a reset on as if the machine had begun then; nothing when it has ended meanwhile. */
void vm_go_on (struct vm *vm);
/* Waits for the processors' threads of a machine that has ended. */
void vm_join (struct vm *vm);

/* Memory of another's, @size bytes at @host, where the guest sees it as its own from now
 * on; no @size takes it away. There is one such place; one caller at a time. */
int vm_map_shared (struct vm *vm, uint64_t gpa, void *host, uint64_t size);

/* An eventfd that raises an interrupt line as an edge; negative errno. */
int vm_irqfd (struct vm *vm, unsigned gsi);
/* A new line for a message-signalled interrupt, which leads nowhere until it is
 * routed; its number for the two others, or -ENOSPC. */
int vm_message_new (struct vm *vm);
/* What the line sends from now on. Any thread. */
int vm_message_route (struct vm *vm, unsigned gsi, uint64_t address, uint32_t data);

/* An eventfd that is written when the guest writes @len bytes at @address. */
struct vm_doorbell
{
  uint64_t address;
  uint32_t len;
  bool match; /* @value only */
  uint32_t value;
  int fd;
};
int vm_doorbell (struct vm *vm, const struct vm_doorbell *doorbell, bool on);

/* In interrupts.c: what vm.c needs of it. */
int interrupts_init (struct vm *vm);
void interrupts_finish (struct vm *vm);
/* In ram.c: vm.c's memory, zeroed in the beginning and by vm_ram_empty(). */
int vm_ram_new (struct vm *vm, uint64_t size, uint64_t page);
int vm_ram_empty (struct vm *vm);
void vm_ram_free (struct vm *vm);
/* In vcpu.c: what vm.c needs of a processor. */
int vcpu_new (struct vm *vm, unsigned index);
void *vcpu_thread (void *vcpu);
void vcpu_kick (struct vcpu *vcpu);
/* Whose thread this is; NULL when it is no processor's. */
struct vcpu *vcpu_current (void);
/* In vcpu-state.c: the machine as it was in the beginning. */
int vm_state_save (struct vm *vm);
int vm_state_restore (struct vm *vm);
void vm_state_free (struct vm *vm);
/* In cpuid.c: what the guest may know of its processor. */
int vcpu_set_cpuid (struct vcpu *vcpu);
