/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "agent/core/call.h"
#include "agent/lifecycle/clock-sync.h"
#include "agent/lifecycle/reaction.h"
#include "agent/platform/clock.h"
#include "agent/platform/clock-state.h"
#include "describe-clock.h"

gboolean
pvt_handle_guest_set_time (PvtCall *call, const PvtGuestSetTimeArgs *args, GError **error)
{
  const PvtRoot *root = pvt_call_root (call);
  gint64 ns = args->time;

  if (!args->has_time)
    return pvt_rtc_read (root, &ns, error) && pvt_clock_set (ns, error);
  if (!pvt_clock_set (ns, error) || !pvt_rtc_write (root, error))
    return FALSE;
  /* The hardware clock moved, too, and maybe after it was compared. */
  pvt_reaction_push (PVT_REASON_CLOCK_SET);
  return TRUE;
}

static PvtTimeService
describe_service (PvtTimeServiceKind kind)
{
  static const PvtTimeService services[] = {
    [PVT_SERVICE_NONE] = PVT_TIME_SERVICE_NONE,
    [PVT_SERVICE_CHRONY] = PVT_TIME_SERVICE_CHRONY,
    [PVT_SERVICE_TIMESYNCD] = PVT_TIME_SERVICE_TIMESYNCD,
    [PVT_SERVICE_NTPD] = PVT_TIME_SERVICE_NTPD,
  };

  return services[kind];
}

static PvtClockMethod
describe_method (PvtClockAction action)
{
  static const PvtClockMethod methods[] = {
    [PVT_CLOCK_IGNORE] = PVT_CLOCK_METHOD_IGNORED,
    [PVT_CLOCK_SLEW] = PVT_CLOCK_METHOD_SLEWED,
    [PVT_CLOCK_STEP] = PVT_CLOCK_METHOD_STEPPED,
    [PVT_CLOCK_DELEGATE] = PVT_CLOCK_METHOD_DELEGATED,
    [PVT_CLOCK_REFUSE] = PVT_CLOCK_METHOD_REFUSED,
  };

  return methods[action];
}

static PvtDisruption *
describe_disruption (const PvtReaction *reaction)
{
  static const PvtDisruptionKind disruptions[] = {
    [PVT_DISRUPTED_PAUSED] = PVT_DISRUPTION_KIND_PAUSED,
    [PVT_DISRUPTED_RESUMED] = PVT_DISRUPTION_KIND_RESUMED,
    [PVT_DISRUPTED_GENERATION] = PVT_DISRUPTION_KIND_GENERATION,
    [PVT_DISRUPTED_RESTORED] = PVT_DISRUPTION_KIND_RESTORED,
    [PVT_DISRUPTED_MIGRATED] = PVT_DISRUPTION_KIND_MIGRATED,
    [PVT_DISRUPTED_CLONED] = PVT_DISRUPTION_KIND_CLONED,
  };
  PvtDisruption *out = pvt_disruption_new ();

  out->kind = disruptions[reaction->by];
  out->boottime = reaction->boottime;
  out->gap_ns = reaction->has_clock ? reaction->clock.before : 0;
  out->method = describe_method (reaction->has_clock ? reaction->clock.action : PVT_CLOCK_IGNORE);
  out->why = g_strdup (reaction->has_clock ? reaction->clock.why : "no clock to compare with");
  return out;
}

PvtClockSync *
pvt_describe_clock (const PvtClockOutcome *outcome)
{
  PvtClockSync *out = pvt_clock_sync_new ();

  out->service = describe_service (outcome->service);
  out->tracking = outcome->tracking;
  out->method = describe_method (outcome->action);
  out->why = g_strdup (outcome->why);
  out->offset_before_ns = outcome->before;
  out->offset_after_ns = outcome->after;
  out->rtc_written = outcome->rtc_written;
  return out;
}

gboolean
pvt_handle_get_clock (PvtCall *call, PvtClock **result, GError **error G_GNUC_UNUSED)
{
  PvtClock *out = pvt_clock_new ();
  PvtReaction last;
  PvtClockState state;

  out->service = describe_service (pvt_time_service_find_recent (pvt_call_root (call)));
  if (pvt_reaction_last (&last))
    out->last_disruption = describe_disruption (&last);
  pvt_clock_state_read (pvt_call_root (call), &state);
  out->realtime = state.realtime;
  out->boottime = state.boottime;
  out->monotonic = state.monotonic;
  out->clocksource = g_strdup (state.clocksource);
  out->synchronized = state.synchronized;
  out->rtc_is_local = state.rtc_is_local;
  *result = out;
  return TRUE;
}

gboolean
pvt_handle_sync_clock (PvtCall *call, const PvtSyncClockArgs *args, PvtClockSync **result,
                       GError **error)
{
  PvtClockOrder order = { .offset = args->offset_ns,
                          .uncertainty = (guint64) args->uncertainty_ns,
                          .has_base = args->has_base_ns,
                          .base = args->base_ns,
                          .allow_backward = args->has_allow_backward && args->allow_backward,
                          .force = args->has_force && args->force };
  PvtClockOutcome outcome;

  if (!pvt_clock_sync (pvt_call_root (call), &order, call->cancelled, &outcome, error))
    return FALSE;
  if (outcome.rtc_written)
    pvt_reaction_push (PVT_REASON_CLOCK_SET);
  *result = pvt_describe_clock (&outcome);
  return TRUE;
}
