/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Samples from the text of files in /proc, read through an agent that can do no
 * better. The text is a guest's: lines of another form are passed over.
 */
#pragma once

#include "metrics.h"

typedef void (*PvtProcfsParser) (PvtMetrics *metrics, const char *text, gsize len);

void pvt_procfs_stat (PvtMetrics *metrics, const char *text, gsize len);
void pvt_procfs_meminfo (PvtMetrics *metrics, const char *text, gsize len);
void pvt_procfs_vmstat (PvtMetrics *metrics, const char *text, gsize len);
void pvt_procfs_loadavg (PvtMetrics *metrics, const char *text, gsize len);
void pvt_procfs_diskstats (PvtMetrics *metrics, const char *text, gsize len);
void pvt_procfs_net_dev (PvtMetrics *metrics, const char *text, gsize len);
void pvt_procfs_file_nr (PvtMetrics *metrics, const char *text, gsize len);
void pvt_procfs_pressure_cpu (PvtMetrics *metrics, const char *text, gsize len);
void pvt_procfs_pressure_io (PvtMetrics *metrics, const char *text, gsize len);
void pvt_procfs_pressure_memory (PvtMetrics *metrics, const char *text, gsize len);
void pvt_procfs_pressure_irq (PvtMetrics *metrics, const char *text, gsize len);

/* Whether /proc/mounts has the mountpoint, and whether read-only. */
gboolean pvt_procfs_mount_is_readonly (const char *mounts, gsize len, const char *mountpoint,
                                       gboolean *readonly);
