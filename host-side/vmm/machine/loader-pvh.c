/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* ELF files by the PVH entry: Xen's note says where, start_info what (Xen's
 * docs/misc/pvh.pandoc, xen/include/public/arch-x86/hvm/start_info.h). */
#include "loader.h"

#include <elf.h>
#include <errno.h>
#include <string.h>

#include "layout.h"

#define NOTE_PHYS32_ENTRY 18u
#define START_INFO_MAGIC 0x336ec578u

struct start_info
{
  uint32_t magic, version, flags, nr_modules;
  uint64_t modlist, cmdline, rsdp;
  uint64_t memmap;
  uint32_t memmap_entries, reserved;
};

struct module
{
  uint64_t addr, size, cmdline, reserved;
};

struct memmap_entry
{
  uint64_t addr, size;
  uint32_t type, reserved;
};

static bool
in_file (const struct loader_file *file, uint64_t offset, uint64_t len)
{
  return offset <= file->size && len <= file->size - offset;
}

/* Looks for the entry among the notes of one segment. */
static bool
find_entry (const uint8_t *notes, uint64_t len, uint32_t *entry)
{
  while (len >= sizeof (Elf64_Nhdr))
    {
      Elf64_Nhdr note;
      uint64_t name, desc;

      memcpy (&note, notes, sizeof note);
      name = (note.n_namesz + UINT64_C (3)) & ~UINT64_C (3);
      desc = (note.n_descsz + UINT64_C (3)) & ~UINT64_C (3);
      if (name + desc > len - sizeof note)
        return false;
      if (note.n_type == NOTE_PHYS32_ENTRY && note.n_namesz == 4 && note.n_descsz >= 4
          && memcmp (notes + sizeof note, "Xen", 4) == 0)
        {
          memcpy (entry, notes + sizeof note + name, sizeof *entry);
          return true;
        }
      notes += sizeof note + name + desc;
      len -= sizeof note + name + desc;
    }
  return false;
}

static int
load_segment (struct vm *vm, const struct loader_file *file, const Elf64_Phdr *ph, uint64_t *end)
{
  uint8_t *target = guest_memory_at (&vm->memory, ph->p_paddr, ph->p_memsz);

  if (ph->p_memsz == 0)
    return 0;
  if (target == NULL || ph->p_filesz > ph->p_memsz || ph->p_paddr < MAP_HIGH)
    return -ENOMEM;
  memcpy (target, file->data + ph->p_offset, ph->p_filesz);
  memset (target + ph->p_filesz, 0, ph->p_memsz - ph->p_filesz);
  if (ph->p_paddr + ph->p_memsz > *end && ph->p_paddr < MAP_HOLE)
    *end = ph->p_paddr + ph->p_memsz;
  return 0;
}

static int
load_elf (struct vm *vm, const struct loader_file *file, uint32_t *entry, uint64_t *end)
{
  Elf64_Ehdr header;
  bool found = false;
  int ret = 0;

  if (!in_file (file, 0, sizeof header))
    return -ENOEXEC;
  memcpy (&header, file->data, sizeof header);
  if (header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_machine != EM_X86_64
      || header.e_phentsize != sizeof (Elf64_Phdr)
      || !in_file (file, header.e_phoff, header.e_phnum * sizeof (Elf64_Phdr)))
    return -ENOEXEC;
  for (unsigned i = 0; i < header.e_phnum && ret == 0; i++)
    {
      Elf64_Phdr ph;

      memcpy (&ph, file->data + header.e_phoff + i * sizeof ph, sizeof ph);
      if (!in_file (file, ph.p_offset, ph.p_filesz))
        return -ENOEXEC;
      if (ph.p_type == PT_NOTE)
        found = found || find_entry (file->data + ph.p_offset, ph.p_filesz, entry);
      else if (ph.p_type == PT_LOAD)
        ret = load_segment (vm, file, &ph, end);
    }
  return ret < 0 || found ? ret : -ENOTSUP;
}

int
loader_pvh (struct vm *vm, const struct loader_file *file, const struct loader_plan *plan)
{
  struct start_info *info = (struct start_info *) (vm->ram + MAP_PVH_INFO);
  struct module *module = (struct module *) (info + 1);
  struct memmap_entry *memmap = (struct memmap_entry *) (module + 1);
  struct e820_entry entries[E820_MAX];
  uint32_t entry = 0, initrd, initrd_size;
  uint64_t end = MAP_HIGH;
  int ret = load_elf (vm, file, &entry, &end);

  if (ret == 0)
    ret = loader_initrd (vm, plan, end, UINT32_MAX, &initrd, &initrd_size);
  if (ret < 0)
    return ret;
  memset (info, 0, sizeof *info);
  info->magic = START_INFO_MAGIC;
  info->version = 1;
  info->cmdline = MAP_CMDLINE;
  info->rsdp = plan->rsdp;
  info->nr_modules = initrd_size > 0;
  info->modlist = (uint64_t) ((uint8_t *) module - vm->ram);
  *module = (struct module){ initrd, initrd_size, 0, 0 };
  info->memmap = (uint64_t) ((uint8_t *) memmap - vm->ram);
  info->memmap_entries = loader_memory_map (vm, entries);
  for (unsigned i = 0; i < info->memmap_entries; i++)
    memmap[i] = (struct memmap_entry){ entries[i].addr, entries[i].size, entries[i].type, 0 };
  return loader_enter_protected_mode (vm, entry, MAP_PVH_INFO);
}
