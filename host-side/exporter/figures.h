/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * From figures of a kind to samples, wherever they come from: names, units and
 * labels as node_exporter has them, and what it leaves out by default.
 */
#pragma once

#include "metrics.h"

/* Columns of a cpu line of /proc/stat: see proc(5). */
#define PVT_CPU_COLUMNS 10

/* Columns of /proc/diskstats behind the name: see iostats.rst. */
#define PVT_DISK_COLUMNS 17

/* rx-bytes, -packets, -errors, -dropped, then tx- in the same order. */
#define PVT_NET_COLUMNS 8

typedef struct
{
  const char *device, *fstype, *mountpoint;
  gboolean failed; /* it did not tell: no figures */
  gboolean has_size, has_free, has_avail, has_files, has_readonly;
  guint64 size, free, avail; /* bytes */
  guint64 files, files_free;
  gboolean readonly;
} PvtFilesystemFigures;

/* @seconds: the first @n columns are there. */
void pvt_figures_cpu (PvtMetrics *metrics, const char *cpu, const double *seconds, guint n);

/* @present: a bit for each column that is there. Times are in ms, as in the file. */
void pvt_figures_disk (PvtMetrics *metrics, const char *device, const guint64 *columns,
                       guint32 present);

void pvt_figures_network (PvtMetrics *metrics, const char *device, const guint64 *columns);

void pvt_figures_filesystem (PvtMetrics *metrics, const PvtFilesystemFigures *figures);

/* A whole disk or what is stacked on disks: no partition, RAM disk, loop or floppy. */
gboolean pvt_figures_wants_disk (const char *device);

/* No kernel interface, no part of a container or of an image. */
gboolean pvt_figures_wants_filesystem (const char *fstype, const char *mountpoint);
