/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "measure-clock.h"

#include <time.h>

static gint64
host_time (void)
{
  struct timespec now = { 0 };

  clock_gettime (CLOCK_REALTIME, &now);
  return (gint64) now.tv_sec * 1000000000 + now.tv_nsec;
}

void
pvt_clock_measure_clear (PvtClockMeasure *measure)
{
  g_clear_pointer (&measure->clock, pvt_clock_free);
}

static gboolean
ask (PvtClient *client, gboolean ours, PvtClock **clock, gint64 *guest, GError **error)
{
  if (!ours)
    return pvt_client_guest_get_time (client, guest, -1, NULL, error);
  *clock = pvt_client_get_clock (client, -1, NULL, error);
  if (*clock)
    *guest = (*clock)->realtime;
  return *clock != NULL;
}

static gboolean
sample (PvtClient *client, gboolean ours, PvtClockMeasure *best, GError **error)
{
  PvtClock *clock = NULL;
  gint64 guest = 0, before = host_time (), half;

  if (!ask (client, ours, &clock, &guest, error))
    return FALSE;
  half = (host_time () - before) / 2;
  if (half < 0 || half >= best->uncertainty)
    {
      g_clear_pointer (&clock, pvt_clock_free);
      return TRUE;
    }
  pvt_clock_measure_clear (best);
  best->clock = clock;
  best->uncertainty = half;
  best->guest_time = guest;
  /* What a guest says is not trusted: it may be any number. */
  if (__builtin_sub_overflow (before + half, guest, &best->offset))
    best->offset = guest < 0 ? G_MAXINT64 : -G_MAXINT64;
  return TRUE;
}

gboolean
pvt_clock_measure (PvtClient *client, PvtClockMeasure *measure, GError **error)
{
  GError *failure = NULL;
  gboolean ours = pvt_client_has_command (client, "pvt-get-clock", -1, NULL, &failure);

  *measure = (PvtClockMeasure){ .uncertainty = G_MAXINT64 };
  if (failure)
    {
      g_propagate_error (error, failure);
      return FALSE;
    }
  for (guint i = 0; i < PVT_CLOCK_SAMPLES; i++)
    if (!sample (client, ours, measure, error))
      return FALSE;
  return TRUE;
}
