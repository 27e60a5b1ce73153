/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What to do about a clock that is off. Pure: a decision on figures, so that
 * every row of the table can be tested.
 */
#pragma once

#include <glib.h>

#define PVT_NS_PER_S G_GINT64_CONSTANT (1000000000)
#define PVT_NS_PER_MS G_GINT64_CONSTANT (1000000)

/* Less than this is no error worth touching a clock for. */
#define PVT_CLOCK_TOLERANCE_NS (5 * PVT_NS_PER_MS)

/* Up to here the clock is made faster or slower by 500 ppm, adjtime(3). */
#define PVT_CLOCK_SLEW_MAX_NS (500 * PVT_NS_PER_MS)

/* A jump further than this needs force: the host's clock may be the wrong one. */
#define PVT_CLOCK_JUMP_MAX_NS (366 * 86400 * PVT_NS_PER_S)

/* Two steps are at least that far apart: two who measure at once must not both
 * correct the same error. */
#define PVT_CLOCK_STEP_PAUSE_NS (5 * PVT_NS_PER_S)

/* 2025-11-01: this code did not exist earlier, so no clock shows that rightly. */
#define PVT_CLOCK_EARLIEST_NS (G_GINT64_CONSTANT (1761955200) * PVT_NS_PER_S)

typedef enum
{
  PVT_CLOCK_IGNORE,
  PVT_CLOCK_SLEW,
  PVT_CLOCK_STEP,
  PVT_CLOCK_DELEGATE, /* the guest's own time service is told to look */
  PVT_CLOCK_REFUSE,
} PvtClockAction;

typedef struct
{
  gint64 offset;       /* host minus guest in ns; above 0: the guest is behind */
  guint64 uncertainty; /* ns; the true offset is that far from it at most */
  gint64 now;          /* the guest's wall clock, ns since the epoch */
  gint64 since_step;   /* ns since the last step; below 0: there was none */
  gboolean tracking;   /* a time service in the guest follows a source */
  gboolean allow_backward;
  gboolean force; /* past the bounds on how far and to when */
} PvtClockCase;

/* *@why receives a static text that explains the decision. */
PvtClockAction pvt_clock_decide (const PvtClockCase *c, const char **why);

/* "ignored", "slewed", ...; static. */
const char *pvt_clock_action_name (PvtClockAction action);
