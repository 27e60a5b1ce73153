/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The wall clock and the hardware clock: clock_settime(2), rtc(4), hwclock(8). */
#pragma once

#include "root.h"

/* Steps the wall clock to @ns since the Unix epoch. */
gboolean pvt_clock_set (gint64 ns, GError **error);

/* Writes the wall clock to the hardware clock. */
gboolean pvt_rtc_write (const PvtRoot *root, GError **error);

/*
 * The hardware clock in ns since the Unix epoch, exact to some ms: its next full
 * second is awaited. May block for a second.
 */
gboolean pvt_rtc_read (const PvtRoot *root, gint64 *ns, GError **error);
