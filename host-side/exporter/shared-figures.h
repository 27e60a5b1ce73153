/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a guest's shared page has, under the names that its answers would have. The
 * guest wrote every figure and name of it. Pure. */
#pragma once

#include "metrics.h"

#include "pvt-page.h"

/* Adds them. Figures that no name is known for are passed over, and filesystems that
 * are not told what they are, or that were looked at too long ago. */
void pvt_shared_figures_add (PvtMetrics *metrics, const PvtPageFigures *figures);
