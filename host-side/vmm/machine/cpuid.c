/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the guest sees of its processor: all that KVM supports, with KVM's
 * signature so that the guest uses its clock, and a topology of single cores. */
#include "vm.h"

#include <errno.h>
#include <linux/kvm.h>
#include <stdlib.h>
#include <sys/ioctl.h>

#define ENTRIES_MAX 256

#define LEAF1_ECX_HYPERVISOR (1u << 31)
#define LEAF1_ECX_TSC_DEADLINE (1u << 24)
#define LEAF6_EAX_ARAT (1u << 2)

static void
adjust (const struct vcpu *vcpu, struct kvm_cpuid_entry2 *entry)
{
  switch (entry->function)
    {
    case 0x1:
      entry->ebx = (entry->ebx & 0x0000ffff) | 1u << 16 | vcpu->index << 24;
      entry->edx &= ~(1u << 28); /* no hyper-threads */
      /* The machine has no timer to calibrate the APIC's with. */
      entry->ecx |= LEAF1_ECX_HYPERVISOR | LEAF1_ECX_TSC_DEADLINE;
      break;
    case 0x6:
      entry->eax |= LEAF6_EAX_ARAT;
      break;
    case 0xa: /* no performance counters */
      entry->eax = entry->ebx = entry->ecx = entry->edx = 0;
      break;
    case 0xb:
    case 0x1f:
      entry->edx = vcpu->index;
      if (entry->index < 2)
        {
          entry->eax = entry->index ? 8 : 0;
          entry->ebx = entry->index ? vcpu->vm->n_vcpus : 1;
          entry->ecx = entry->index | (entry->index + 1) << 8;
        }
      break;
    case 0x40000000:
      entry->eax = 0x40000001; /* the last leaf, which KVM leaves zero */
      break;
    case 0x8000001e:
      entry->eax = vcpu->index;
      entry->ebx = (entry->ebx & ~0xffu) | (vcpu->index & 0xff);
      break;
    default:
      break;
    }
}

int
vcpu_set_cpuid (struct vcpu *vcpu)
{
  struct kvm_cpuid2 *cpuid;
  int ret = 0;

  cpuid = calloc (1, sizeof *cpuid + ENTRIES_MAX * sizeof cpuid->entries[0]);
  if (cpuid == NULL)
    return -ENOMEM;
  cpuid->nent = ENTRIES_MAX;
  if (ioctl (vcpu->vm->kvm, KVM_GET_SUPPORTED_CPUID, cpuid) < 0)
    ret = -errno;
  for (uint32_t i = 0; ret == 0 && i < cpuid->nent; i++)
    adjust (vcpu, &cpuid->entries[i]);
  if (ret == 0 && ioctl (vcpu->fd, KVM_SET_CPUID2, cpuid) < 0)
    ret = -errno;
  free (cpuid);
  return ret;
}
