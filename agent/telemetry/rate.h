/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* So many at once, and so many a second; what is more is counted. Pure. */
#pragma once

#include <glib.h>

typedef struct
{
  guint burst, per_second;
  double tokens;      /* that are left */
  gint64 filled;      /* us; 0: never */
  guint64 suppressed; /* since the last that passed */
} PvtRate;

/* TRUE when one more may pass at @now (us); @suppressed: how many did not since
 * the last one. */
gboolean pvt_rate_pass (PvtRate *rate, gint64 now, guint64 *suppressed);
