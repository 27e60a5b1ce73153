/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* An NVMe device's health: SMART log page 2 of the NVM Express base specification. */
#pragma once

#include <glib.h>

typedef struct
{
  guint64 low, high;
} PvtU128;

typedef struct
{
  guint8 critical_warning;
  guint16 temperature; /* kelvin */
  guint8 available_spare, spare_threshold, percentage_used;
  /* In the order of the page. */
  PvtU128 data_units_read, data_units_written, host_read_commands, host_write_commands,
      controller_busy_time, power_cycles, power_on_hours, unsafe_shutdowns, media_errors,
      error_log_entries;
} PvtNvmeSmart;

#define PVT_NVME_SMART_SIZE 512

/* Takes the 512 bytes of the page apart. Pure. */
void pvt_nvme_smart_parse (const guint8 *page, PvtNvmeSmart *smart);

/* Asks the device behind @node; FALSE when it does not tell. */
gboolean pvt_nvme_smart_read (const char *node, PvtNvmeSmart *smart);
