/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "loader.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host-side/vmm/core/log.h"
#include "layout.h"

static int
open_file (const char *path, int *fd)
{
  int ret = 0;

  *fd = path ? open (path, O_RDONLY | O_CLOEXEC) : -1;
  if (path && *fd < 0)
    {
      ret = -errno;
      vmm_log ("%s: %s", path, strerror (-ret));
    }
  return ret;
}

int
loader_open (struct loader_plan *plan)
{
  int ret;

  plan->initrd_fd = -1;
  ret = open_file (plan->kernel, &plan->kernel_fd);
  return ret < 0 ? ret : open_file (plan->initrd, &plan->initrd_fd);
}

void
loader_close (struct loader_plan *plan)
{
  if (plan->kernel_fd >= 0)
    close (plan->kernel_fd);
  if (plan->initrd_fd >= 0)
    close (plan->initrd_fd);
  plan->kernel_fd = plan->initrd_fd = -1;
}

int
loader_map (int fd, struct loader_file *file)
{
  struct stat st;

  *file = (struct loader_file){ NULL, 0 };
  if (fstat (fd, &st) < 0)
    return -errno;
  if (!S_ISREG (st.st_mode) || st.st_size == 0)
    return -EINVAL;
  file->size = (size_t) st.st_size;
  file->data = mmap (NULL, file->size, PROT_READ, MAP_PRIVATE, fd, 0);
  if (file->data != MAP_FAILED)
    return 0;
  file->data = NULL;
  return -errno;
}

void
loader_unmap (struct loader_file *file)
{
  if (file->data)
    munmap (file->data, file->size);
}

unsigned
loader_memory_map (const struct vm *vm, struct e820_entry entries[E820_MAX])
{
  uint64_t low = vm->ram_size < MAP_HOLE ? vm->ram_size : MAP_HOLE;
  unsigned n = 0;

  entries[n++] = (struct e820_entry){ 0, MAP_LOW_END, 1 };
  entries[n++] = (struct e820_entry){ MAP_LOW_END, MAP_HIGH - MAP_LOW_END, 2 };
  entries[n++] = (struct e820_entry){ MAP_HIGH, low - MAP_HIGH, 1 };
  if (vm->ram_size > low)
    entries[n++] = (struct e820_entry){ MAP_ABOVE_4G, vm->ram_size - low, 1 };
  return n;
}

int
loader_initrd (struct vm *vm, const struct loader_plan *plan, uint64_t above, uint64_t max,
               uint32_t *addr, uint32_t *size)
{
  uint64_t low = vm->ram_size < MAP_HOLE ? vm->ram_size : MAP_HOLE;
  struct loader_file file;
  uint64_t end, start;
  int ret;

  *addr = *size = 0;
  if (plan->initrd == NULL)
    return 0;
  ret = loader_map (plan->initrd_fd, &file);
  if (ret < 0)
    {
      vmm_log ("%s: %s", plan->initrd, strerror (-ret));
      return ret;
    }
  end = low <= max ? low : max + 1;
  start = file.size <= end ? (end - file.size) & ~UINT64_C (0xfff) : 0;
  if (start < above)
    {
      vmm_log ("%s: %zu bytes do not fit into the guest's memory", plan->initrd, file.size);
      ret = -ENOMEM;
    }
  else
    {
      memcpy (vm->ram + start, file.data, file.size);
      *addr = (uint32_t) start;
      *size = (uint32_t) file.size;
    }
  loader_unmap (&file);
  return ret;
}

/* On a hardware-reduced machine without EFI Linux restarts by a jump to where a PC has its
 * firmware (reboot_init() makes it BOOT_EFI, which falls back to BOOT_BIOS and not to the
 * ACPI register): this firmware writes the register. */
static void
write_reset_vector (struct vm *vm)
{
  static const uint8_t code[] = {
    0xb0, 0x01,                                   /* mov $1, %al */
    0xba, PORT_RESET & 0xff, PORT_RESET >> 8,     /* mov $PORT_RESET, %dx */
    0xee, 0xf4, 0xeb, 0xfd,                       /* out %al, (%dx); hlt; jmp to the hlt */
  };

  memcpy (vm->ram + MAP_RESET_VECTOR, code, sizeof code);
}

int
loader_load (struct vm *vm, const struct loader_plan *plan)
{
  struct loader_file file;
  int ret = loader_map (plan->kernel_fd, &file);

  if (ret < 0)
    {
      vmm_log ("%s: %s", plan->kernel, strerror (-ret));
      return ret;
    }
  if (strlen (plan->cmdline) >= MAP_CMDLINE_MAX)
    ret = -E2BIG;
  else
    {
      strcpy ((char *) vm->ram + MAP_CMDLINE, plan->cmdline);
      write_reset_vector (vm);
      if (file.size > 4 && memcmp (file.data, "\177ELF", 4) == 0)
        ret = loader_pvh (vm, &file, plan);
      else
        ret = loader_linux (vm, &file, plan);
    }
  loader_unmap (&file);
  if (ret < 0)
    vmm_log ("%s: cannot be booted: %s", plan->kernel, strerror (-ret));
  return ret;
}
