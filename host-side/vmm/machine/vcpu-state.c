/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What processors and interrupt controllers are after power-on, kept to be put back
 * when the machine resets: KVM has no call for that.
 *
 * The time stamp counter goes on, as it may (Intel SDM 3B, 18.17: monotonic), so that
 * processors do not lose their agreement about it. */
#include "vm.h"

#include <errno.h>
#include <linux/kvm.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/ioctl.h>

#define MSRS_MAX 1024u
#define MSRS_STEP 128u /* KVM takes 255 at once */
#define MSR_TSC 0x10u

struct vcpu_state
{
  struct kvm_sregs sregs;
  struct kvm_regs regs;
  struct kvm_xcrs xcrs;
  uint32_t xsave[1024]; /* struct kvm_xsave, which ends with nothing */
  struct kvm_debugregs debugregs;
  struct kvm_lapic_state lapic;
  struct kvm_vcpu_events events;
  struct kvm_mp_state mp_state;
  struct kvm_nested_state *nested; /* NULL: there is no nesting */
  bool kept[8];                    /* KVM has given it */
};

struct vm_state
{
  struct kvm_irqchip chips[3];
  struct kvm_msrs *msrs; /* all processors' alike */
};

/* In the order in which they go back: the local APIC's registers mean what the base
 * among the special registers says. */
static const struct
{
  unsigned long get, set;
  size_t at;
} parts[] = {
  { KVM_GET_SREGS, KVM_SET_SREGS, offsetof (struct vcpu_state, sregs) },
  { KVM_GET_REGS, KVM_SET_REGS, offsetof (struct vcpu_state, regs) },
  { KVM_GET_XCRS, KVM_SET_XCRS, offsetof (struct vcpu_state, xcrs) },
  { KVM_GET_XSAVE, KVM_SET_XSAVE, offsetof (struct vcpu_state, xsave) },
  { KVM_GET_DEBUGREGS, KVM_SET_DEBUGREGS, offsetof (struct vcpu_state, debugregs) },
  { KVM_GET_LAPIC, KVM_SET_LAPIC, offsetof (struct vcpu_state, lapic) },
  { KVM_GET_VCPU_EVENTS, KVM_SET_VCPU_EVENTS, offsetof (struct vcpu_state, events) },
  { KVM_GET_MP_STATE, KVM_SET_MP_STATE, offsetof (struct vcpu_state, mp_state) },
};

#define N_PARTS (sizeof parts / sizeof parts[0])
_Static_assert (N_PARTS == sizeof ((struct vcpu_state *) 0)->kept, "one each");

static int
save_nested (struct vcpu *vcpu)
{
  int size = ioctl (vcpu->vm->fd, KVM_CHECK_EXTENSION, KVM_CAP_NESTED_STATE);
  struct kvm_nested_state *nested;

  if (size < (int) sizeof *nested)
    return 0;
  nested = calloc (1, (size_t) size);
  if (nested == NULL)
    return -ENOMEM;
  nested->size = (uint32_t) size;
  if (ioctl (vcpu->fd, KVM_GET_NESTED_STATE, nested) < 0)
    {
      free (nested);
      nested = NULL;
    }
  vcpu->initial->nested = nested;
  return 0;
}

static int
save_vcpu (struct vcpu *vcpu)
{
  vcpu->initial = calloc (1, sizeof *vcpu->initial);
  if (vcpu->initial == NULL)
    return -ENOMEM;
  for (unsigned i = 0; i < N_PARTS; i++)
    vcpu->initial->kept[i] = ioctl (vcpu->fd, parts[i].get, (uint8_t *) vcpu->initial + parts[i].at) == 0;
  return save_nested (vcpu);
}

/* KVM stops at one that it does not know or take: that is left out. What it took goes
 * into @done, which may be @msrs or NULL; how many these are. */
static unsigned
each_msr (int fd, unsigned long request, const struct kvm_msrs *msrs, struct kvm_msrs *done)
{
  struct kvm_msrs *some = calloc (1, sizeof *some + MSRS_STEP * sizeof some->entries[0]);
  unsigned at = 0, kept = 0;

  while (some && at < msrs->nmsrs)
    {
      unsigned want = msrs->nmsrs - at < MSRS_STEP ? msrs->nmsrs - at : MSRS_STEP, took;
      int ret;

      some->nmsrs = want;
      for (unsigned i = 0; i < want; i++)
        some->entries[i] = msrs->entries[at + i];
      ret = ioctl (fd, request, some);
      took = ret > 0 ? (unsigned) ret : 0;
      for (unsigned i = 0; i < took && done; i++)
        done->entries[kept++] = some->entries[i];
      at += took + (took < want);
    }
  free (some);
  return kept;
}

static int
save_msrs (struct vm *vm)
{
  struct kvm_msr_list *list = calloc (1, sizeof *list + MSRS_MAX * sizeof list->indices[0]);
  struct kvm_msrs *msrs = calloc (1, sizeof *msrs + MSRS_MAX * sizeof msrs->entries[0]);

  vm->initial->msrs = msrs;
  if (list == NULL || msrs == NULL)
    {
      free (list);
      return -ENOMEM;
    }
  list->nmsrs = MSRS_MAX;
  if (ioctl (vm->kvm, KVM_GET_MSR_INDEX_LIST, list) == 0)
    for (unsigned i = 0; i < list->nmsrs; i++)
      if (list->indices[i] != MSR_TSC)
        msrs->entries[msrs->nmsrs++].index = list->indices[i];
  free (list);
  msrs->nmsrs = each_msr (vm->vcpus[0].fd, KVM_GET_MSRS, msrs, msrs);
  return 0;
}

int
vm_state_save (struct vm *vm)
{
  int ret = 0;

  vm->initial = calloc (1, sizeof *vm->initial);
  if (vm->initial == NULL)
    return -ENOMEM;
  for (uint32_t i = 0; i < 3 && ret == 0; i++)
    {
      vm->initial->chips[i].chip_id = i;
      ret = ioctl (vm->fd, KVM_GET_IRQCHIP, &vm->initial->chips[i]) < 0 ? -errno : 0;
    }
  for (unsigned i = 0; i < vm->n_vcpus && ret == 0; i++)
    ret = save_vcpu (&vm->vcpus[i]);
  return ret < 0 ? ret : save_msrs (vm);
}

/* Out of a guest of its own first: registers that forbid one cannot be set inside it. */
static int
restore_vcpu (struct vcpu *vcpu, const struct kvm_msrs *msrs)
{
  struct vcpu_state *state = vcpu->initial;

  atomic_store (&vcpu->nmi, false);
  if (state->nested && ioctl (vcpu->fd, KVM_SET_NESTED_STATE, state->nested) < 0)
    return -errno;
  for (unsigned i = 0; i < N_PARTS; i++)
    if (state->kept[i] && ioctl (vcpu->fd, parts[i].set, (uint8_t *) state + parts[i].at) < 0)
      return -errno;
  each_msr (vcpu->fd, KVM_SET_MSRS, msrs, NULL);
  return 0;
}

int
vm_state_restore (struct vm *vm)
{
  int ret = 0;

  for (unsigned i = 0; i < vm->n_vcpus && ret == 0; i++)
    ret = restore_vcpu (&vm->vcpus[i], vm->initial->msrs);
  for (unsigned i = 0; i < 3 && ret == 0; i++)
    ret = ioctl (vm->fd, KVM_SET_IRQCHIP, &vm->initial->chips[i]) < 0 ? -errno : 0;
  return ret;
}

void
vm_state_free (struct vm *vm)
{
  for (unsigned i = 0; i < vm->n_vcpus; i++)
    if (vm->vcpus[i].initial)
      {
        free (vm->vcpus[i].initial->nested);
        free (vm->vcpus[i].initial);
      }
  if (vm->initial)
    free (vm->initial->msrs);
  free (vm->initial);
}
