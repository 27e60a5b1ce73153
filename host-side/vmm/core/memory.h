/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Guest memory: the regions a guest has, and the only way to reach into them. */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#define GUEST_REGIONS_MAX 32

struct guest_region
{
  uint64_t gpa;  /* first guest physical address */
  uint64_t size; /* bytes */
  uint8_t *host; /* where it is mapped here */
};

struct guest_memory
{
  unsigned n;
  uint64_t page; /* bytes of a huge page it is made of; 0: ordinary ones */
  struct guest_region region[GUEST_REGIONS_MAX];
};

/* Adds a region. -ENOSPC when there is no room, -EINVAL when it is empty, wraps
 * or overlaps another. */
int guest_memory_add (struct guest_memory *memory, uint64_t gpa, uint64_t size, void *host);

/* The host's address of @len bytes at @gpa; NULL unless all of them lie in one region. */
void *guest_memory_at (const struct guest_memory *memory, uint64_t gpa, uint64_t len);

/* Turns @len bytes at @gpa into at most @max pieces, more than one where regions
 * meet. The number of pieces, -EFAULT for bytes outside memory, -E2BIG for too
 * many pieces. */
int guest_memory_iov (const struct guest_memory *memory, uint64_t gpa, uint64_t len,
                      struct iovec *iov, size_t max);
