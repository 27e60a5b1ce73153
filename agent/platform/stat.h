/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* /proc/stat: see proc(5). */
#pragma once

#include "proc-file.h"

#define PVT_CPU_FIELDS 10

/* In the order of the file. */
typedef enum
{
  PVT_CPU_USER,
  PVT_CPU_NICE,
  PVT_CPU_SYSTEM,
  PVT_CPU_IDLE,
  PVT_CPU_IOWAIT,
  PVT_CPU_IRQ,
  PVT_CPU_SOFTIRQ,
  PVT_CPU_STEAL,
  PVT_CPU_GUEST,
  PVT_CPU_GUEST_NICE,
} PvtCpuField;

typedef struct
{
  gint cpu; /* -1: all together */
  guint n_fields; /* old kernels have fewer; the rest is 0 */
  guint64 ticks[PVT_CPU_FIELDS]; /* of USER_HZ, 1/100 s */
} PvtCpuTimes;

/* Appends a PvtCpuTimes for the total and each CPU of the text. */
void pvt_stat_parse (const char *text, gsize len, GArray *cpus);

/* Reads the file; the caller frees the array of PvtCpuTimes. */
GArray *pvt_stat_read (const PvtRoot *root, GError **error);

/* The same of one that stays open, "proc/stat". */
GArray *pvt_stat_read_kept (PvtProcFile *file, const PvtRoot *root, GError **error);
