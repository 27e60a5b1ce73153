/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The wall clock and the hardware clock: clock_settime(2), rtc(4), hwclock(8). */
#pragma once

#include "root.h"

/* Steps the wall clock to @ns since the Unix epoch. */
gboolean pvt_clock_set (gint64 ns, GError **error);

/* Steps the wall clock by @delta ns. */
gboolean pvt_clock_step (gint64 delta, GError **error);

/*
 * Makes up for @delta ns by running 500 ppm faster or slower, adjtime(3): a
 * second takes half an hour. Replaces a slew under way.
 */
gboolean pvt_clock_slew (gint64 delta, GError **error);

/* The hardware clock has local time, not UTC: adjtime(5). */
gboolean pvt_rtc_is_local (const PvtRoot *root);

/* Writes the wall clock to the hardware clock. */
gboolean pvt_rtc_write (const PvtRoot *root, GError **error);

/*
 * The hardware clock in ns since the Unix epoch, exact to some ms: its next full
 * second is awaited. May block for a second.
 */
gboolean pvt_rtc_read (const PvtRoot *root, gint64 *ns, GError **error);

/* The same at once, cut to full seconds. */
gboolean pvt_rtc_glance (const PvtRoot *root, gint64 *ns, GError **error);
