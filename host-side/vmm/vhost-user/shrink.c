/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "shrink.h"

#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

static volatile struct
{
  uintptr_t base;
  size_t len;
} mappings[SHRINK_MAPPINGS_MAX];

/* In the thread that touched it, which then does so again. mmap(2) is no more than a system
 * call; a shared mapping does not count against the limit of data. */
static void
on_bus (int number, siginfo_t *info, void *data)
{
  uintptr_t at = (uintptr_t) info->si_addr;

  for (unsigned i = 0; i < SHRINK_MAPPINGS_MAX; i++)
    if (at - mappings[i].base < mappings[i].len
        && mmap ((void *) mappings[i].base, mappings[i].len, PROT_READ | PROT_WRITE,
                 MAP_FIXED | MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0) != MAP_FAILED)
      return;
  _exit (128 + number); /* not a front-end's */
}

void
shrink_survive (void)
{
  struct sigaction action = { .sa_sigaction = on_bus, .sa_flags = SA_SIGINFO };

  sigaction (SIGBUS, &action, NULL);
}

void
shrink_watch (unsigned index, void *base, size_t len)
{
  mappings[index].len = 0;
  mappings[index].base = (uintptr_t) base;
  mappings[index].len = len;
}
