/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reading the kernel's clocks: clock_gettime(2), adjtimex(2). */
#pragma once

#include "root.h"

#include <time.h>

typedef struct
{
  gint64 realtime, boottime, monotonic; /* of one moment; ns */
  gboolean synchronized;                /* somebody keeps the clock right */
  gboolean rtc_is_local;                /* the hardware clock has local time */
  char clocksource[32];                 /* the kernel's; "" when it does not say */
} PvtClockState;

void pvt_clock_state_read (const PvtRoot *root, PvtClockState *state);

gint64 pvt_clock_ns (clockid_t clock);
gint64 pvt_clock_boottime (void);

/*
 * CLOCK_REALTIME minus CLOCK_BOOTTIME, exact to some hundred ns. It changes when
 * the wall clock is set or slewed, and by nothing else.
 */
gint64 pvt_clock_base (void);

/* How long the guest has been suspended since its boot, ns. */
gint64 pvt_clock_slept (void);

/* STA_UNSYNC of adjtimex(2) is not set. */
gboolean pvt_clock_is_synchronized (void);
