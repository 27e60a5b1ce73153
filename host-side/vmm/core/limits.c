/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "limits.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#include "copier.h"
#include "descriptors.h"
#include "sandbox.h"

#define MIB (UINT64_C (1) << 20)

/* What each kind may come to need. Memory of libslirp: two buffers of 128 KiB a TCP
 * connection, and frames; of all others buffers of fixed size, JSON and malloc's arenas. */
static const struct
{
  unsigned kinds;
  unsigned descriptors, mebibytes;
} needs[] = {
  { ~0u, 8, 128 },
  { SANDBOX_CONTROL, 8, 64 },   /* clients */
  { SANDBOX_CONSOLE, 16, 0 },   /* one a port */
  { SANDBOX_VSOCK, 264, 32 },   /* connections */
  { SANDBOX_USER, 1024 + 304, 512 }, /* connections; and what net/user-room.c leaves for others */
  { SANDBOX_COPIER, COPIES_MAX + 2, 0 },
  { SANDBOX_FRONT, 256, 0 },    /* three a queue, and regions of memory while they come */
};

/* statm of proc_pid_statm(5): data and stack, in pages; 0 when nobody can say. The guest's
 * memory is shared and is not among it, as it is not for RLIMIT_DATA. */
static rlim_t
bytes_of_data (void)
{
  FILE *file = fopen ("/proc/self/statm", "re");
  unsigned long long pages = 0;

  if (file == NULL)
    return 0;
  if (fscanf (file, "%*u %*u %*u %*u %*u %llu", &pages) != 1)
    pages = 0;
  fclose (file);
  return (rlim_t) pages * (rlim_t) sysconf (_SC_PAGESIZE);
}

static _Atomic rlim_t lowered_descriptors, lowered_data; /* 0: not yet */

static uint64_t
now (int what, rlim_t lowered)
{
  struct rlimit limit;

  if (lowered > 0)
    return lowered;
  return getrlimit (what, &limit) < 0 ? UINT64_MAX : limit.rlim_cur;
}

uint64_t
limits_descriptors (void)
{
  return now (RLIMIT_NOFILE, lowered_descriptors);
}

uint64_t
limits_data (void)
{
  return now (RLIMIT_DATA, lowered_data);
}

/* Never more than there is. */
static int
lower (int what, rlim_t to, _Atomic rlim_t *lowered)
{
  struct rlimit limit;

  if (getrlimit (what, &limit) < 0)
    return -errno;
  if (limit.rlim_cur > to)
    limit.rlim_cur = to;
  limit.rlim_max = limit.rlim_cur;
  *lowered = limit.rlim_cur;
  return setrlimit (what, &limit) < 0 ? -errno : 0;
}

int
limits_enter (unsigned kinds)
{
  rlim_t descriptors = (rlim_t) descriptors_end (), data = bytes_of_data ();
  int ret = 0;

  for (unsigned i = 0; i < sizeof needs / sizeof needs[0]; i++)
    if (needs[i].kinds & kinds || needs[i].kinds == ~0u)
      {
        descriptors += descriptors ? needs[i].descriptors : 0;
        data += data ? needs[i].mebibytes * MIB : 0;
      }
  if (descriptors)
    ret = lower (RLIMIT_NOFILE, descriptors, &lowered_descriptors);
  if (ret == 0 && data)
    ret = lower (RLIMIT_DATA, data, &lowered_data);
  return ret;
}
