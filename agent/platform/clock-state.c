/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "clock-state.h"

#include "clock.h"
#include "clock-policy.h"

#include <string.h>
#include <sys/timex.h>

#define TRIES 5

gint64
pvt_clock_ns (clockid_t clock)
{
  struct timespec now = { 0 };

  clock_gettime (clock, &now);
  return (gint64) now.tv_sec * PVT_NS_PER_S + now.tv_nsec;
}

gint64
pvt_clock_boottime (void)
{
  return pvt_clock_ns (CLOCK_BOOTTIME);
}

/* @a minus @b: of several readings, that with the least time between. */
static gint64
difference (clockid_t a, clockid_t b)
{
  gint64 best = G_MAXINT64, result = 0;

  for (guint i = 0; i < TRIES; i++)
    {
      gint64 before = pvt_clock_ns (b), middle = pvt_clock_ns (a), after = pvt_clock_ns (b);

      if (after - before < best)
        {
          best = after - before;
          result = middle - before - (after - before) / 2;
        }
    }
  return result;
}

gint64
pvt_clock_base (void)
{
  return difference (CLOCK_REALTIME, CLOCK_BOOTTIME);
}

gint64
pvt_clock_slept (void)
{
  gint64 slept = difference (CLOCK_BOOTTIME, CLOCK_MONOTONIC);

  return MAX (slept, 0); /* a reading is some ns off */
}

gboolean
pvt_clock_is_synchronized (void)
{
  struct timex tx = { .modes = 0 };

  return adjtimex (&tx) >= 0 && !(tx.status & STA_UNSYNC);
}

void
pvt_clock_state_read (const PvtRoot *root, PvtClockState *state)
{
  static const char path[]
      = "sys/devices/system/clocksource/clocksource0/current_clocksource";

  memset (state, 0, sizeof *state);
  if (pvt_read_at (root->fd, path, state->clocksource, sizeof state->clocksource) < 0)
    state->clocksource[0] = '\0';
  state->synchronized = pvt_clock_is_synchronized ();
  state->rtc_is_local = pvt_rtc_is_local (root);
  /* Last: who measures offsets wants it as late as can be. */
  state->boottime = pvt_clock_boottime ();
  state->realtime = state->boottime + pvt_clock_base ();
  state->monotonic = state->boottime - pvt_clock_slept ();
}
