/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "agent/core/call.h"
#include "agent/platform/clock.h"

gboolean
pvt_handle_guest_set_time (PvtCall *call, const PvtGuestSetTimeArgs *args, GError **error)
{
  const PvtRoot *root = pvt_call_root (call);
  gint64 ns = args->time;

  if (!args->has_time)
    return pvt_rtc_read (root, &ns, error) && pvt_clock_set (ns, error);
  return pvt_clock_set (ns, error) && pvt_rtc_write (root, error);
}
