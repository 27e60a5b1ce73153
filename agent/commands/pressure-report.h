/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "agent/platform/root.h"
#include "pvt-types.h"

/* All of /proc/pressure; NULL when the kernel has none. The caller frees. */
PvtPressure *pvt_pressure_report (const PvtRoot *root);
