/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "agent/core/call.h"

#include <time.h>

gboolean
pvt_handle_guest_get_time (PvtCall *call G_GNUC_UNUSED, gint64 *result,
                           GError **error G_GNUC_UNUSED)
{
  struct timespec now;

  clock_gettime (CLOCK_REALTIME, &now);
  *result = (gint64) now.tv_sec * 1000000000 + now.tv_nsec;
  return TRUE;
}
