/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Logical CPUs: /sys/devices/system/cpu, see the kernel's cputopology.rst. */
#pragma once

#include "proc-file.h"

typedef struct
{
  guint number;
  gboolean online;
  gboolean can_offline;
} PvtCpu;

/* Bits of a list such as "0-3,5"; FALSE for anything else or a number past the
 * limit. @bits has room for PVT_MAX_CPUS. */
gboolean pvt_cpulist_parse (const char *text, gsize len, guint8 *bits);

/* The CPUs that are present, by number; the caller unrefs the array of PvtCpu. */
GArray *pvt_cpus_read (const PvtRoot *root, GError **error);

/* The same from files that stay open. */
typedef struct
{
  PvtProcFile present, online;
} PvtCpusFiles;

#define PVT_CPUS_FILES \
  { { .path = "sys/devices/system/cpu/present", .fd = -1 }, \
    { .path = "sys/devices/system/cpu/online", .fd = -1 } }

GArray *pvt_cpus_read_kept (PvtCpusFiles *files, const PvtRoot *root, GError **error);

/* Takes a CPU online or offline; -errno on failure. */
int pvt_cpu_switch (const PvtRoot *root, guint number, gboolean online);
