/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* bzImage by its 64-bit entry (Linux' Documentation/x86/boot.rst, "64-bit BOOT PROTOCOL"). */
#include "loader.h"

#include <asm/bootparam.h>
#include <errno.h>
#include <string.h>

#include "host-side/vmm/core/log.h"
#include "layout.h"

#define SETUP_HEADER 0x1f1u
#define ENTRY_64 0x200u
#define LOADER_UNKNOWN 0xffu
#define PROTOCOL_MIN 0x20cu /* the first with xloadflags */
#define BOOT_FLAG 0xaa55u
#define HEADER_MAGIC 0x53726448u

/* The file's setup header into the zero page; how much of the file is set-up code. */
static int
take_header (const struct loader_file *file, struct boot_params *params, size_t *setup_size)
{
  size_t len;

  if (file->size < 0x1000)
    return -ENOEXEC;
  /* "the end of the setup header is 0x0202 + byte value at offset 0x0201" */
  len = 0x202u + file->data[0x201] - SETUP_HEADER;
  if (len > sizeof params->hdr)
    len = sizeof params->hdr;
  memcpy (&params->hdr, file->data + SETUP_HEADER, len);
  if (params->hdr.boot_flag != BOOT_FLAG || params->hdr.header != HEADER_MAGIC)
    return -ENOEXEC;
  if (params->hdr.version < PROTOCOL_MIN || !(params->hdr.xloadflags & XLF_KERNEL_64))
    return -ENOTSUP;
  *setup_size = ((params->hdr.setup_sects ? params->hdr.setup_sects : 4u) + 1u) * 512u;
  return *setup_size < file->size ? 0 : -ENOEXEC;
}

static void
fill_memory_map (const struct vm *vm, struct boot_params *params)
{
  struct e820_entry entries[E820_MAX];

  params->e820_entries = (uint8_t) loader_memory_map (vm, entries);
  for (unsigned i = 0; i < params->e820_entries; i++)
    {
      params->e820_table[i].addr = entries[i].addr;
      params->e820_table[i].size = entries[i].size;
      params->e820_table[i].type = entries[i].type;
    }
}

int
loader_linux (struct vm *vm, const struct loader_file *file, const struct loader_plan *plan)
{
  struct boot_params *params = (struct boot_params *) (vm->ram + MAP_ZERO_PAGE);
  size_t setup_size, kernel_size;
  uint32_t initrd, initrd_size;
  int ret;

  memset (params, 0, sizeof *params);
  ret = take_header (file, params, &setup_size);
  if (ret < 0)
    return ret;
  kernel_size = file->size - setup_size;
  /* It unpacks itself in place and needs init_size bytes for that. */
  if (MAP_KERNEL + (uint64_t) params->hdr.init_size > vm->ram_size
      || MAP_KERNEL + kernel_size > vm->ram_size || MAP_KERNEL + kernel_size > MAP_HOLE)
    {
      vmm_log ("this kernel needs %u MiB of memory to unpack itself, and some to run in",
               (unsigned) ((MAP_KERNEL + (uint64_t) params->hdr.init_size) >> 20) + 1);
      return -ENOMEM;
    }
  memcpy (vm->ram + MAP_KERNEL, file->data + setup_size, kernel_size);
  ret = loader_initrd (vm, plan, MAP_KERNEL + (uint64_t) params->hdr.init_size,
                       params->hdr.initrd_addr_max, &initrd, &initrd_size);
  if (ret < 0)
    return ret;
  if (strlen (plan->cmdline) > params->hdr.cmdline_size)
    return -E2BIG;
  params->hdr.ramdisk_image = initrd;
  params->hdr.ramdisk_size = initrd_size;
  params->hdr.type_of_loader = LOADER_UNKNOWN;
  params->hdr.cmd_line_ptr = MAP_CMDLINE;
  params->acpi_rsdp_addr = plan->rsdp;
  fill_memory_map (vm, params);
  return loader_enter_long_mode (vm, MAP_KERNEL + ENTRY_64, MAP_ZERO_PAGE);
}
