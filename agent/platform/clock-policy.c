/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "clock-policy.h"

typedef struct
{
  PvtClockAction action;
  const char *why;
} Decision;

/* |G_MININT64| does not fit an i64. */
static guint64
magnitude (gint64 value)
{
  return value < 0 ? 0 - (guint64) value : (guint64) value;
}

static gboolean
is_possible (const PvtClockCase *c, gint64 *target)
{
  return !__builtin_add_overflow (c->now, c->offset, target) && *target >= 0;
}

static Decision
decide_step (const PvtClockCase *c)
{
  gint64 target;

  if (!is_possible (c, &target))
    return (Decision){ PVT_CLOCK_REFUSE, "the clock cannot show that time" };
  if (target < PVT_CLOCK_EARLIEST_NS && !c->force)
    return (Decision){ PVT_CLOCK_REFUSE, "the host's time is before this agent was built" };
  if (magnitude (c->offset) > PVT_CLOCK_JUMP_MAX_NS && !c->force)
    return (Decision){ PVT_CLOCK_REFUSE, "the jump is longer than a year" };
  if (c->offset < 0 && !c->allow_backward)
    return (Decision){ PVT_CLOCK_REFUSE, "the guest is ahead, and time does not go back unasked" };
  if (c->since_step >= 0 && c->since_step < PVT_CLOCK_STEP_PAUSE_NS)
    return (Decision){ PVT_CLOCK_IGNORE, "the clock was stepped a moment ago: measure again" };
  if (c->offset < 0)
    return (Decision){ PVT_CLOCK_STEP, "the guest was ahead" };
  return (Decision){ PVT_CLOCK_STEP, "the guest was behind" };
}

static Decision
decide (const PvtClockCase *c)
{
  guint64 off = magnitude (c->offset);

  if (off < PVT_CLOCK_TOLERANCE_NS)
    return (Decision){ PVT_CLOCK_IGNORE, "less than 5 ms" };
  if (off <= c->uncertainty)
    return (Decision){ PVT_CLOCK_IGNORE, "less than the measurement is exact to" };
  if (c->tracking && off < PVT_CLOCK_SLEW_MAX_NS)
    return (Decision){ PVT_CLOCK_IGNORE, "the guest's time service is in charge" };
  if (c->tracking)
    return (Decision){ PVT_CLOCK_DELEGATE, "the guest's time service is in charge" };
  if (off < PVT_CLOCK_SLEW_MAX_NS)
    return (Decision){ PVT_CLOCK_SLEW, "less than half a second" };
  return decide_step (c);
}

PvtClockAction
pvt_clock_decide (const PvtClockCase *c, const char **why)
{
  Decision decision = decide (c);

  *why = decision.why;
  return decision.action;
}

const char *
pvt_clock_action_name (PvtClockAction action)
{
  static const char *const names[] = {
    [PVT_CLOCK_IGNORE] = "ignored",     [PVT_CLOCK_SLEW] = "slewed",   [PVT_CLOCK_STEP] = "stepped",
    [PVT_CLOCK_DELEGATE] = "delegated", [PVT_CLOCK_REFUSE] = "refused",
  };

  return names[action];
}
