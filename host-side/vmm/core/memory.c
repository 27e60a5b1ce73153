/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "memory.h"

#include <errno.h>
#include <stdbool.h>

int
guest_memory_add (struct guest_memory *memory, uint64_t gpa, uint64_t size, void *host)
{
  if (memory->n == GUEST_REGIONS_MAX)
    return -ENOSPC;
  if (size == 0 || size > PTRDIFF_MAX || gpa + size < gpa)
    return -EINVAL;
  for (unsigned i = 0; i < memory->n; i++)
    {
      const struct guest_region *other = &memory->region[i];

      if (gpa < other->gpa + other->size && other->gpa < gpa + size)
        return -EINVAL;
    }
  memory->region[memory->n++] = (struct guest_region){ gpa, size, host };
  return 0;
}

static const struct guest_region *
find (const struct guest_memory *memory, uint64_t gpa)
{
  for (unsigned i = 0; i < memory->n; i++)
    if (gpa - memory->region[i].gpa < memory->region[i].size)
      return &memory->region[i];
  return NULL;
}

void *
guest_memory_at (const struct guest_memory *memory, uint64_t gpa, uint64_t len)
{
  const struct guest_region *region = find (memory, gpa);

  if (region == NULL || len > region->size - (gpa - region->gpa))
    return NULL;
  return region->host + (gpa - region->gpa);
}

int
guest_memory_iov (const struct guest_memory *memory, uint64_t gpa, uint64_t len,
                  struct iovec *iov, size_t max)
{
  size_t n = 0;

  while (len > 0)
    {
      const struct guest_region *region = find (memory, gpa);
      uint64_t room;

      if (region == NULL)
        return -EFAULT;
      if (n == max)
        return -E2BIG;
      room = region->size - (gpa - region->gpa);
      iov[n].iov_base = region->host + (gpa - region->gpa);
      iov[n].iov_len = len < room ? len : room;
      gpa += iov[n].iov_len;
      len -= iov[n].iov_len;
      n++;
    }
  return (int) n;
}
