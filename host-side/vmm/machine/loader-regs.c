/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The states in which kernels are entered. */
#include "loader.h"

#include <errno.h>
#include <linux/kvm.h>
#include <string.h>
#include <sys/ioctl.h>

#include "layout.h"

#define CR0_PE 0x1u
#define CR0_ET 0x10u
#define CR0_PG 0x80000000u
#define CR4_PAE 0x20u
#define EFER_LME 0x100u
#define EFER_LMA 0x400u
#define PAGE_PRESENT 0x1u
#define PAGE_WRITE 0x2u
#define PAGE_LARGE 0x80u

/* The first 4 GiB one to one, in pages of 2 MiB. */
static void
make_page_tables (struct vm *vm)
{
  uint64_t *pml4 = (uint64_t *) (vm->ram + MAP_PAGE_TABLES);
  uint64_t *pdpt = pml4 + 512, *pd = pdpt + 512;

  memset (pml4, 0, 6 * 4096);
  pml4[0] = (MAP_PAGE_TABLES + 0x1000) | PAGE_PRESENT | PAGE_WRITE;
  for (unsigned i = 0; i < 4; i++)
    pdpt[i] = (MAP_PAGE_TABLES + 0x2000 + i * 0x1000) | PAGE_PRESENT | PAGE_WRITE;
  for (uint64_t i = 0; i < 4 * 512; i++)
    pd[i] = i << 21 | PAGE_PRESENT | PAGE_WRITE | PAGE_LARGE;
}

static struct kvm_segment
flat (unsigned selector, unsigned type, bool is_long)
{
  return (struct kvm_segment){
    .limit = 0xffffffff, .selector = (uint16_t) selector, .type = (uint8_t) type,
    .present = 1, .s = 1, .g = 1, .l = is_long, .db = !is_long,
  };
}

/* A descriptor as it lies in the GDT, from the form KVM has it in. */
static uint64_t
descriptor (const struct kvm_segment *s)
{
  uint64_t flags = s->type | s->s << 4 | s->dpl << 5 | s->present << 7 | (uint64_t) s->l << 13
                   | (uint64_t) s->db << 14 | (uint64_t) s->g << 15;

  return 0xffff | flags << 40 | UINT64_C (0xf) << 48;
}

static int
set_registers (struct vm *vm, struct kvm_sregs *sregs, bool is_long, const struct kvm_regs *regs)
{
  uint64_t *gdt = (uint64_t *) (vm->ram + MAP_GDT);
  int fd = vm->vcpus[0].fd;

  sregs->cs = flat (0x10, 0xb, is_long); /* __BOOT_CS */
  sregs->ds = sregs->es = sregs->fs = sregs->gs = sregs->ss = flat (0x18, 0x3, false);
  sregs->tr = (struct kvm_segment){ .limit = 0x67, .selector = 0x20, .type = 0xb, .present = 1 };
  gdt[0] = gdt[1] = 0;
  gdt[2] = descriptor (&sregs->cs);
  gdt[3] = descriptor (&sregs->ds);
  gdt[4] = 0;
  sregs->gdt.base = MAP_GDT;
  sregs->gdt.limit = 5 * 8 - 1;
  if (ioctl (fd, KVM_SET_SREGS, sregs) < 0 || ioctl (fd, KVM_SET_REGS, regs) < 0)
    return -errno;
  return 0;
}

int
loader_enter_long_mode (struct vm *vm, uint64_t rip, uint64_t rsi)
{
  struct kvm_regs regs = { .rip = rip, .rsi = rsi, .rsp = MAP_BOOT_STACK, .rflags = 2 };
  struct kvm_sregs sregs;

  if (ioctl (vm->vcpus[0].fd, KVM_GET_SREGS, &sregs) < 0)
    return -errno;
  make_page_tables (vm);
  sregs.cr0 = CR0_PE | CR0_ET | CR0_PG;
  sregs.cr3 = MAP_PAGE_TABLES;
  sregs.cr4 = CR4_PAE;
  sregs.efer = EFER_LME | EFER_LMA;
  return set_registers (vm, &sregs, true, &regs);
}

int
loader_enter_protected_mode (struct vm *vm, uint64_t rip, uint64_t rbx)
{
  struct kvm_regs regs = { .rip = rip, .rbx = rbx, .rflags = 2 };
  struct kvm_sregs sregs;

  if (ioctl (vm->vcpus[0].fd, KVM_GET_SREGS, &sregs) < 0)
    return -errno;
  sregs.cr0 = CR0_PE | CR0_ET;
  sregs.cr4 = 0;
  sregs.efer = 0;
  return set_registers (vm, &sregs, false, &regs);
}
