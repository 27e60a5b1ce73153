/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The guest's memory: a memfd, mapped shared, so that pages can be given back one by one
 * (madvise(2), MADV_REMOVE). Once mapped it has no descriptor: nobody shortens it. */
#include "vm.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/memfd.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "host-side/vmm/core/log.h"

/* memfd_create(2): the size's logarithm goes into the flags. Ordinary memory is reserved
 * by nobody; huge pages are, or the guest would end at one that is not there. */
static int
open_memory (uint64_t size, uint64_t page, int *flags)
{
  unsigned huge = page ? MFD_HUGETLB | (unsigned) __builtin_ctzll (page) << MFD_HUGE_SHIFT : 0;
  int fd = memfd_create ("guest-ram", MFD_CLOEXEC | huge), ret;

  *flags = MAP_SHARED | (page ? 0 : MAP_NORESERVE);
  if (fd < 0)
    return -errno;
  if (ftruncate (fd, (off_t) size) == 0)
    return fd;
  ret = -errno;
  close (fd);
  return ret;
}

static int
map_memory (struct vm *vm, uint64_t size, uint64_t page)
{
  int flags, fd = open_memory (size, page, &flags), ret = 0;

  if (fd < 0)
    return fd;
  vm->ram = mmap (NULL, size, PROT_READ | PROT_WRITE, flags, fd, 0);
  if (vm->ram == MAP_FAILED)
    {
      vm->ram = NULL;
      ret = -errno;
    }
  close (fd);
  return ret;
}

int
vm_ram_new (struct vm *vm, uint64_t size, uint64_t page)
{
  int ret = page && size % page ? -EINVAL : map_memory (vm, size, page);

  if (ret < 0 && page)
    vmm_log ("hugepages: %s: the memory must be a multiple of %" PRIu64 " MiB, and so much of it free in "
             "/sys/kernel/mm/hugepages/hugepages-%" PRIu64 "kB", strerror (-ret), page >> 20, page >> 10);
  if (ret < 0)
    return ret;
  vm->ram_size = size;
  vm->memory.page = page;
  /* It may be more than a file system takes, and is not ours to leave there. */
  madvise (vm->ram, size, MADV_DONTDUMP);
  return 0;
}

/* A hole in all of it is zero when it is read. Huge pages stay ours that way: those of a
 * hole might be another's when they are wanted again. */
int
vm_ram_empty (struct vm *vm)
{
  if (vm->memory.page)
    memset (vm->ram, 0, vm->ram_size);
  else if (madvise (vm->ram, vm->ram_size, MADV_REMOVE) < 0)
    return -errno;
  return 0;
}

void
vm_ram_free (struct vm *vm)
{
  if (vm->ram)
    munmap (vm->ram, vm->ram_size);
  vm->ram = NULL;
}
