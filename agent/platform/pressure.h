/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* /proc/pressure: the kernel's pressure stall information. */
#pragma once

#include "root.h"

typedef struct
{
  gboolean present;
  double avg10, avg60, avg300; /* percent of time stalled */
  guint64 total_us;
} PvtPressureFigures;

typedef struct
{
  PvtPressureFigures some, full;
} PvtPressureFile;

/* FALSE when the text has neither line. */
gboolean pvt_pressure_parse (const char *text, gsize len, PvtPressureFile *file);

/* @name: cpu, memory, io or irq. FALSE when the kernel has it not. */
gboolean pvt_pressure_read (const PvtRoot *root, const char *name, PvtPressureFile *file);
