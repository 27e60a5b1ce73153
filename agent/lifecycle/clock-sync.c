/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "clock-sync.h"

#include "agent/core/log.h"
#include "agent/platform/clock.h"
#include "agent/platform/clock-state.h"
#include "event-hooks.h"

/* How long a time service gets to measure and to step. */
#define DELEGATE_ROUNDS 15
#define DELEGATE_ROUND_US G_USEC_PER_SEC

static GMutex lock; /* of what follows, and of the clock */
static gint64 last_step;

static gboolean
given_up (const gint *cancelled)
{
  return cancelled && g_atomic_int_get (cancelled) == 1;
}

static gint64
since_step (void)
{
  return last_step ? pvt_clock_boottime () - last_step : -1;
}

/* The wall clock was set or slewed since the offset was measured. */
static gboolean
is_stale (const PvtClockOrder *order)
{
  gint64 moved = order->has_base ? pvt_clock_base () - order->base : 0;

  return ABS (moved) >= PVT_CLOCK_TOLERANCE_NS;
}

static void
decide (const PvtRoot *root, const PvtClockOrder *order, PvtClockOutcome *outcome)
{
  PvtClockCase c = { .offset = order->offset,
                     .uncertainty = order->uncertainty,
                     .since_step = since_step (),
                     .now = pvt_clock_ns (CLOCK_REALTIME),
                     .allow_backward = order->allow_backward,
                     .force = order->force };

  outcome->service = pvt_time_service_find (root);
  c.tracking = outcome->tracking = pvt_time_service_tracking (outcome->service);
  outcome->action = pvt_clock_decide (&c, &outcome->why);
  if (!is_stale (order))
    return;
  outcome->action = PVT_CLOCK_IGNORE;
  outcome->why = "the clock was set since the offset was measured: measure again";
}

static gboolean
step (const PvtRoot *root, const PvtClockOrder *order, PvtClockOutcome *outcome, GError **error)
{
  g_autoptr (GError) rtc = NULL;

  if (!pvt_clock_step (order->offset, error))
    return FALSE;
  last_step = pvt_clock_boottime ();
  if (order->keep_rtc || pvt_rtc_is_local (root))
    return TRUE;
  /* Who sets a hardware clock with local time must know about daylight saving. */
  outcome->rtc_written = pvt_rtc_write (root, &rtc);
  if (!outcome->rtc_written)
    pvt_log (PVT_LOG_DEBUG, "%s", rtc->message);
  return TRUE;
}

/* Waits until it has moved the clock most of the way. */
static void
delegate (const PvtClockOrder *order, const gint *cancelled, PvtClockOutcome *outcome)
{
  gint64 base = pvt_clock_base ();
  g_autoptr (GError) error = NULL;

  if (!pvt_time_service_trigger (outcome->service, &error))
    {
      pvt_log (PVT_LOG_WARNING, "%s", error->message);
      outcome->why = "the guest's time service is in charge, and could not be told to look";
      return;
    }
  for (guint i = 0; i < DELEGATE_ROUNDS && !given_up (cancelled); i++)
    {
      gint64 moved = pvt_clock_base () - base;

      if ((order->offset > 0) == (moved > 0) && ABS (moved) >= ABS (order->offset / 2))
        return;
      g_usleep (DELEGATE_ROUND_US);
      pvt_time_service_push (outcome->service);
    }
  outcome->why = "the guest's time service was told, and has not set the clock yet";
}

static gboolean
act (const PvtRoot *root, const PvtClockOrder *order, const gint *cancelled,
     PvtClockOutcome *outcome, GError **error)
{
  switch (outcome->action)
    {
    case PVT_CLOCK_SLEW:
      return pvt_clock_slew (order->offset, error);
    case PVT_CLOCK_STEP:
      return step (root, order, outcome, error);
    case PVT_CLOCK_DELEGATE:
      delegate (order, cancelled, outcome);
      return TRUE;
    case PVT_CLOCK_IGNORE:
    case PVT_CLOCK_REFUSE:
    default:
      return TRUE;
    }
}

static void
tell (const PvtClockOutcome *outcome, const gint *cancelled)
{
  g_autofree char *method = g_strconcat ("PVT_CLOCK_METHOD=", pvt_clock_action_name (outcome->action), NULL);
  g_autofree char *offset
      = g_strdup_printf ("PVT_CLOCK_OFFSET_NS=%" G_GINT64_FORMAT, outcome->before);
  char *const env[] = { method, offset, NULL };
  gint64 moved = outcome->before - outcome->after;

  if (outcome->action == PVT_CLOCK_IGNORE)
    return;
  pvt_log (outcome->action == PVT_CLOCK_REFUSE ? PVT_LOG_WARNING : PVT_LOG_INFO,
           "clock: off by %.3f s, %s: %s (time service: %s%s)", (double) outcome->before / 1e9,
           pvt_clock_action_name (outcome->action), outcome->why,
           pvt_time_service_name (outcome->service), outcome->tracking ? ", tracking" : "");
  if (ABS (moved) >= PVT_CLOCK_SLEW_MAX_NS)
    g_ptr_array_unref (pvt_event_hooks_run ("time.d", "step", env, cancelled));
}

gboolean
pvt_clock_sync (const PvtRoot *root, const PvtClockOrder *order, const gint *cancelled,
                PvtClockOutcome *outcome, GError **error)
{
  PvtClockOutcome out = { .before = order->offset };
  gint64 base;
  gboolean ok;

  g_mutex_lock (&lock);
  base = pvt_clock_base ();
  decide (root, order, &out);
  ok = act (root, order, cancelled, &out, error);
  out.after = order->offset - (pvt_clock_base () - base);
  g_mutex_unlock (&lock);
  if (!ok)
    return FALSE;
  *outcome = out;
  tell (&out, cancelled);
  return TRUE;
}
