/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest.h"

#include "exposition.h"

#include <pvtools.h>

PvtGuest *
pvt_guest_new (const char *address)
{
  PvtGuest *guest = g_new0 (PvtGuest, 1);

  guest->refs = 1;
  guest->address = g_strdup (address);
  guest->waiters = g_ptr_array_new ();
  pvt_health_init (&guest->health, &pvt_health_default_limits, g_get_monotonic_time (), NULL, NULL);
  return guest;
}

PvtGuest *
pvt_guest_ref (PvtGuest *guest)
{
  g_atomic_int_inc (&guest->refs);
  return guest;
}

void
pvt_guest_unref (PvtGuest *guest)
{
  if (!g_atomic_int_dec_and_test (&guest->refs))
    return;
  pvt_metrics_unref (guest->metrics);
  g_ptr_array_unref (guest->waiters);
  pvt_metrics_unref (guest->rest.metrics);
  pvt_shared_clear (&guest->shared);
  g_free (guest->why);
  g_free (guest->address);
  g_free (guest->channel);
  g_free (guest);
}

PvtReason
pvt_reason_of (const GError *error)
{
  if (error->domain != PVT_CLIENT_ERROR)
    return PVT_REASON_OTHER;
  switch ((PvtClientError) error->code)
    {
    case PVT_CLIENT_ERROR_NOT_CONNECTED:
    case PVT_CLIENT_ERROR_DISCONNECTED:
      return PVT_REASON_CONNECT;
    case PVT_CLIENT_ERROR_TIMEOUT_BEFORE_SENT:
    case PVT_CLIENT_ERROR_TIMEOUT_AFTER_SENT:
      return PVT_REASON_TIMEOUT;
    case PVT_CLIENT_ERROR_PROTOCOL:
      return PVT_REASON_PROTOCOL;
    case PVT_CLIENT_ERROR_FAILED:
    case PVT_CLIENT_ERROR_INVALID_ADDRESS:
    case PVT_CLIENT_ERROR_UNSUPPORTED:
    case PVT_CLIENT_ERROR_BUSY:
    default:
      return PVT_REASON_OTHER;
    }
}

const char *
pvt_reason_name (PvtReason reason)
{
  static const char *const names[PVT_N_REASONS] = { "connect", "timeout", "protocol", "other" };

  return names[reason];
}

static void
add_own (PvtGuest *guest, PvtMetrics *metrics, double seconds)
{
  gint64 now = g_get_real_time ();

  pvt_metrics_open_reserve (metrics);
  pvt_metrics_add (metrics, PVT_F_UP, guest->answered, NULL);
  pvt_metrics_add (metrics, PVT_F_COLLECT_SECONDS, seconds, NULL);
  pvt_metrics_add (metrics, PVT_F_COLLECTED, (double) now / 1e6, NULL);
  if (guest->success_us)
    pvt_metrics_add (metrics, PVT_F_SUCCEEDED, (double) guest->success_us / 1e6, NULL);
  for (guint i = 0; i < PVT_N_REASONS; i++)
    pvt_metrics_add (metrics, PVT_F_GUEST_ERRORS, (double) guest->errors[i], "reason",
                     pvt_reason_name (i), NULL);
  pvt_metrics_add (metrics, PVT_F_DROPPED, metrics->dropped, NULL);
  pvt_shared_add_state (&guest->shared, metrics);
  if (guest->shared.file)
    pvt_metrics_add (metrics, PVT_F_ROUNDS, (double) guest->rest.rounds, NULL);
  if (guest->shared.file && guest->shared.state == PVT_SHARED_USED && guest->rest.metrics)
    pvt_metrics_add (metrics, PVT_F_REST_AGE,
                     (double) (g_get_monotonic_time () - guest->rest.at) / 1e6, NULL);
}

char *
pvt_guest_news (PvtGuest *guest, const GError *error)
{
  gint64 now = g_get_monotonic_time ();
  GString *line;

  if (g_strcmp0 (guest->why, error ? error->message : NULL) == 0
      || (guest->said_at && guest->said_at + PVT_SAY_US > now))
    return NULL;
  guest->said_at = now;
  g_free (guest->why);
  guest->why = error ? g_strdup (error->message) : NULL;
  line = g_string_new (guest->address);
  g_string_append (line, ": ");
  /* The guest may have a part in the text. */
  pvt_label_escape (line, error ? error->message : "it answers again");
  return g_string_free (line, FALSE);
}

static gint64
back_off (guint failures)
{
  return MIN (PVT_BACKOFF_FIRST_US << MIN (failures - 1, 5), PVT_BACKOFF_MAX_US);
}

void
pvt_guest_take_rest (PvtGuest *guest, PvtMetrics *metrics, const PvtSign *sign, const GError *error,
                     const PvtGuestTimes *times)
{
  PvtRest *rest = &guest->rest;
  gint64 now = g_get_monotonic_time ();

  rest->failures = error ? rest->failures + 1 : 0;
  rest->due = now + (error ? MAX (back_off (rest->failures), times->rest) : times->rest);
  if (error || times->rest == 0)
    return;
  pvt_metrics_unref (rest->metrics);
  rest->metrics = pvt_metrics_ref (metrics);
  rest->at = now;
  g_strlcpy (rest->boot_id, sign->boot_id, sizeof rest->boot_id);
}

PvtMetrics *
pvt_guest_rest (PvtGuest *guest, const PvtGuestTimes *times)
{
  PvtRest *rest = &guest->rest;

  if (rest->metrics && rest->at + 2 * times->rest + times->timeout < g_get_monotonic_time ())
    {
      g_clear_pointer (&rest->metrics, pvt_metrics_unref);
      rest->boot_id[0] = '\0';
    }
  return rest->metrics ? pvt_metrics_ref (rest->metrics) : NULL;
}

gint64
pvt_guest_next_turn (const PvtGuest *guest, gint64 now, gint64 period)
{
  /* Names that are alike hash alike: a multiplication spreads them (Knuth). */
  guint32 hash = g_str_hash (guest->address) * 2654435761u;
  gint64 phase = (gint64) ((guint64) hash * (guint64) period >> 32);

  return now + period - (now - phase) % period;
}

/* A channel that nobody serves costs nothing to try: no longer than once a second. */
static gint64
rest (const PvtGuest *guest, const GError *error, gint64 max_age_us)
{
  if (pvt_reason_of (error) == PVT_REASON_CONNECT)
    return MIN (max_age_us, G_USEC_PER_SEC);
  return back_off (guest->failures);
}

/* A channel that is not there is a machine that has ended, as far as can be told
 * without its monitor. */
static void
take_sign (PvtGuest *guest, const PvtSign *sign, const GError *error, gint64 now)
{
  const PvtHealthInput started = { .kind = PVT_HEALTH_IN_STARTED };
  const PvtHealthInput gone = { .kind = PVT_HEALTH_IN_GONE };
  const PvtHealthInput tick = { .kind = PVT_HEALTH_IN_TICK };
  const PvtHealthInput beat = { PVT_HEALTH_IN_HEARTBEAT, *sign->boot_id ? sign->boot_id : NULL,
                                sign->frozen, PVT_KERNEL_UNKNOWN };

  if (error && !guest->monitored && g_error_matches (error, PVT_CLIENT_ERROR, PVT_CLIENT_ERROR_NOT_CONNECTED))
    {
      guest->gone = TRUE;
      pvt_health_input (&guest->health, &gone, now);
      return;
    }
  if (guest->gone && error == NULL)
    pvt_health_input (&guest->health, &started, now);
  guest->gone = guest->gone && error;
  pvt_health_input (&guest->health, error ? &tick : &beat, now);
}

PvtHealthState
pvt_guest_health (PvtGuest *guest, gint64 now)
{
  const PvtHealthInput tick = { .kind = PVT_HEALTH_IN_TICK };

  /* That nobody asked it is no silence of the guest's. */
  if (guest->failures > 0)
    pvt_health_input (&guest->health, &tick, now);
  return pvt_health_state (&guest->health);
}

void
pvt_guest_finish (PvtGuest *guest, PvtMetrics *metrics, const PvtSign *sign, const GError *error,
                  double seconds,
                  const PvtGuestTimes *times)
{
  gint64 now = g_get_monotonic_time ();

  guest->answered = error == NULL;
  guest->left_at = now;
  guest->failures = error ? guest->failures + 1 : 0;
  if (error)
    guest->errors[pvt_reason_of (error)]++;
  else
    guest->success_us = g_get_real_time ();
  guest->fresh_until = now + (error ? rest (guest, error, times->max_age) : times->max_age);
  guest->keep_until = guest->fresh_until;
  guest->due = 0;
  if (times->refresh)
    {
      guest->due = error ? MAX (guest->fresh_until, now + times->refresh)
                         : pvt_guest_next_turn (guest, now, times->refresh);
      guest->keep_until = MAX (guest->fresh_until, guest->due) + times->refresh + times->timeout;
    }
  take_sign (guest, sign, error, now);
  add_own (guest, metrics, seconds);
  pvt_metrics_seal (metrics);
  pvt_metrics_unref (guest->metrics);
  guest->metrics = metrics;
}

gboolean
pvt_guest_is_backed_off (const PvtGuest *guest, gint64 now)
{
  return guest->failures > 0 && guest->fresh_until > now;
}
