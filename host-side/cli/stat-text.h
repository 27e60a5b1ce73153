/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How busy a guest is, for people; wherever its figures come from. */
#pragma once

#include "cli.h"

void pvt_stat_print_cpu (PvtCli *cli, const PvtCpuUsage *usage);
void pvt_stat_print_memory (PvtCli *cli, const PvtMemory *memory);
void pvt_stat_print_load (const PvtGuestLoadAverage *load);
void pvt_stat_print_pressure (const PvtPressure *pressure);

/* stat of page:/file. */
gboolean pvt_stat_of_page (PvtCli *cli, GError **error);
