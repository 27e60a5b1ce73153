/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* /proc/diskstats: see the kernel's Documentation/admin-guide/iostats.rst. */
#pragma once

#include "proc-file.h"

#define PVT_DISK_FIELDS 17

/* In the order of the file. */
typedef enum
{
  PVT_DISK_READ_IOS,
  PVT_DISK_READ_MERGES,
  PVT_DISK_READ_SECTORS,
  PVT_DISK_READ_TICKS,
  PVT_DISK_WRITE_IOS,
  PVT_DISK_WRITE_MERGES,
  PVT_DISK_WRITE_SECTORS,
  PVT_DISK_WRITE_TICKS,
  PVT_DISK_IN_FLIGHT,
  PVT_DISK_TOTAL_TICKS,
  PVT_DISK_WEIGHT_TICKS,
  PVT_DISK_DISCARD_IOS, /* since Linux 4.18 */
  PVT_DISK_DISCARD_MERGES,
  PVT_DISK_DISCARD_SECTORS,
  PVT_DISK_DISCARD_TICKS,
  PVT_DISK_FLUSH_IOS, /* since Linux 5.5 */
  PVT_DISK_FLUSH_TICKS,
} PvtDiskField;

typedef struct
{
  guint64 major, minor;
  char name[64];
  guint n_fields; /* 11, 15 or 17 by kernel */
  guint64 fields[PVT_DISK_FIELDS];
} PvtDiskCounters;

/* Appends a PvtDiskCounters for each line; lines of another form are skipped. */
void pvt_diskstats_parse (const char *text, gsize len, GArray *disks);

/* Reads the file; the caller unrefs the array of PvtDiskCounters. */
GArray *pvt_diskstats_read (const PvtRoot *root, GError **error);

/* The same of one that stays open. */
#define PVT_DISKSTATS_FILE { .path = "proc/diskstats", .records = TRUE, .fd = -1 }

GArray *pvt_diskstats_read_kept (PvtProcFile *file, const PvtRoot *root, GError **error);
