/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "call.h"

#include "server.h"

#define SLICE_US 50000

const PvtRoot *
pvt_call_root (PvtCall *call G_GNUC_UNUSED)
{
  return pvt_server_root ();
}

gboolean
pvt_call_cancelled (PvtCall *call)
{
  return call->cancelled && g_atomic_int_get (call->cancelled) == 1;
}

gboolean
pvt_call_sleep (PvtCall *call, guint ms, GError **error)
{
  gint64 end = g_get_monotonic_time () + (gint64) ms * 1000, left;

  while ((left = end - g_get_monotonic_time ()) > 0)
    {
      if (pvt_call_cancelled (call))
        return pvt_call_fail (error, "the request was given up");
      g_usleep ((gulong) MIN (left, SLICE_US));
    }
  return TRUE;
}

gboolean
pvt_call_fail (GError **error, const char *format, ...)
{
  va_list args;

  va_start (args, format);
  if (error)
    *error = g_error_new_valist (PVT_AGENT_ERROR, PVT_AGENT_ERROR_GENERIC, format, args);
  va_end (args);
  return FALSE;
}
