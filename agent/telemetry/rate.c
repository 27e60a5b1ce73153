/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "rate.h"

gboolean
pvt_rate_pass (PvtRate *rate, gint64 now, guint64 *suppressed)
{
  double more = (double) MAX (now - rate->filled, 0) / G_USEC_PER_SEC * rate->per_second;

  rate->tokens = rate->filled == 0 ? rate->burst : MIN (rate->tokens + more, (double) rate->burst);
  rate->filled = MAX (now, 1);
  if (rate->tokens < 1)
    {
      rate->suppressed++;
      return FALSE;
    }
  rate->tokens--;
  *suppressed = rate->suppressed;
  rate->suppressed = 0;
  return TRUE;
}
