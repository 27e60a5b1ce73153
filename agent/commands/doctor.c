/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "agent/core/call.h"
#include "agent/doctor/doctor.h"

gboolean
pvt_handle_get_checkup (PvtCall *call, PvtCheckup **result, GError **error)
{
  *result = pvt_doctor_run (pvt_call_root (call), call->cancelled);
  return !pvt_call_cancelled (call) || pvt_call_fail (error, "the request was given up");
}
