/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the readers of platform/ found, as the protocol has it; for commands and
 * for pushed telemetry. The caller frees. */
#pragma once

#include "agent/platform/meminfo.h"
#include "agent/platform/pressure.h"
#include "pvt-types.h"

/* All of /proc/pressure; NULL when the kernel has none. */
PvtPressure *pvt_pressure_report (const PvtRoot *root);
PvtPressureLine *pvt_pressure_report_line (const PvtPressureFile *file);

PvtMemory *pvt_memory_report (const PvtMeminfo *info);

/* An array of PvtFilesystem, which it does not free. May block: see
 * agent/platform/statfs-probe.h. */
GPtrArray *pvt_filesystems_report (const PvtRoot *root, GError **error);
