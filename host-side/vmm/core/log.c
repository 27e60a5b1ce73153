/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "log.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>

static void __attribute__ ((format (printf, 1, 0)))
print (const char *format, va_list args)
{
  char line[512];

  vsnprintf (line, sizeof line, format, args);
  fprintf (stderr, "pvtools-vmm: %s\n", line);
}

void
vmm_log (const char *format, ...)
{
  va_list args;

  va_start (args, format);
  print (format, args);
  va_end (args);
}

void
vmm_log_guest (const char *format, ...)
{
  static atomic_uint count;
  va_list args;

  if (atomic_load (&count) >= LOG_GUEST_MAX || atomic_fetch_add (&count, 1) >= LOG_GUEST_MAX)
    return;
  va_start (args, format);
  print (format, args);
  va_end (args);
}
