/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * News comes in bursts: one look serves all that comes within a moment. Waits
 * for no silence, so that an endless burst is looked at, too.
 */
#pragma once

#include <glib.h>

#define PVT_SETTLE_MS 50

/* Calls @look once, soon, unless that is under way; @source is 0 otherwise. */
static inline void
pvt_settle (guint *source, GSourceFunc look)
{
  if (*source == 0)
    *source = g_timeout_add (PVT_SETTLE_MS, look, NULL);
}
