/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "metrics.h"

/* Adds CPU time, memory, descriptors and start of this process, from /proc/self,
 * and its version. */
void pvt_self_add_metrics (PvtMetrics *metrics);
