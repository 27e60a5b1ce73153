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

int
loader_map (const char *path, struct loader_file *file)
{
  int fd = open (path, O_RDONLY | O_CLOEXEC), ret = 0;
  struct stat st;

  *file = (struct loader_file){ NULL, 0 };
  if (fd < 0)
    return -errno;
  if (fstat (fd, &st) < 0)
    ret = -errno;
  else if (!S_ISREG (st.st_mode) || st.st_size == 0)
    ret = -EINVAL;
  else
    {
      file->size = (size_t) st.st_size;
      file->data = mmap (NULL, file->size, PROT_READ, MAP_PRIVATE, fd, 0);
      if (file->data == MAP_FAILED)
        ret = -errno;
    }
  close (fd);
  return ret;
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
loader_initrd (struct vm *vm, const char *path, uint64_t above, uint64_t max, uint32_t *addr,
               uint32_t *size)
{
  uint64_t low = vm->ram_size < MAP_HOLE ? vm->ram_size : MAP_HOLE;
  struct loader_file file;
  uint64_t end, start;
  int ret;

  *addr = *size = 0;
  if (path == NULL)
    return 0;
  ret = loader_map (path, &file);
  if (ret < 0)
    {
      vmm_log ("%s: %s", path, strerror (-ret));
      return ret;
    }
  end = low < max ? low : max + 1;
  if (file.size > end || end - file.size < above)
    {
      vmm_log ("%s: %zu bytes do not fit into the guest's memory", path, file.size);
      ret = -ENOMEM;
    }
  else
    {
      start = (end - file.size) & ~UINT64_C (0xfff);
      memcpy (vm->ram + start, file.data, file.size);
      *addr = (uint32_t) start;
      *size = (uint32_t) file.size;
    }
  loader_unmap (&file);
  return ret;
}

int
loader_load (struct vm *vm, const struct loader_plan *plan)
{
  struct loader_file file;
  int ret = loader_map (plan->kernel, &file);

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
