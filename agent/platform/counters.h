/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Counters of /proc/stat behind the cpu lines, /proc/vmstat, /proc/meminfo and
 * /proc/sys/fs/file-nr: see proc(5). */
#pragma once

#include "root.h"

/* The single numbers of /proc/stat. */
typedef enum
{
  PVT_STAT_BTIME,
  PVT_STAT_CTXT,
  PVT_STAT_INTR,
  PVT_STAT_PROCESSES,
  PVT_STAT_RUNNING,
  PVT_STAT_BLOCKED,
  PVT_N_STATS,
} PvtStatField;

typedef struct
{
  guint present; /* a bit for each field */
  guint64 fields[PVT_N_STATS];
} PvtStatCounters;

typedef struct
{
  char name[32];
  guint64 value;
} PvtNamedValue;

void pvt_stat_counters_parse (const char *text, gsize len, PvtStatCounters *counters);

/* FALSE when the file cannot be read. */
gboolean pvt_stat_counters_read (const PvtRoot *root, PvtStatCounters *counters);

/*
 * Appends a PvtNamedValue for each line "name value" or "name: value"; "kB"
 * behind the value makes it bytes. @wanted, NULL-terminated, NULL for all:
 * names that are taken. Lines of another form are passed over.
 */
void pvt_named_values_parse (const char *text, gsize len, const char *const *wanted,
                             GArray *values);

/* All lines of /proc/meminfo; the paging lines of /proc/vmstat. Empty when the
 * file cannot be read; the caller unrefs the array of PvtNamedValue. */
GArray *pvt_meminfo_values_read (const PvtRoot *root);
GArray *pvt_vmstat_values_read (const PvtRoot *root);

/* File handles in use and the most there may be; FALSE when unknown. */
gboolean pvt_file_handles_read (const PvtRoot *root, guint64 *allocated, guint64 *maximum);
