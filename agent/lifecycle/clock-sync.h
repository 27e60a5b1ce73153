/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Carrying out what the clock policy decides. */
#pragma once

#include "agent/platform/clock-policy.h"
#include "agent/platform/root.h"
#include "agent/platform/time-service.h"

typedef struct
{
  gint64 offset; /* host minus guest, ns */
  guint64 uncertainty;
  gboolean has_base; /* base: pvt_clock_base() when it was measured */
  gint64 base;
  gboolean allow_backward, force;
  gboolean keep_rtc; /* the hardware clock is where the offset is from */
} PvtClockOrder;

typedef struct
{
  PvtTimeServiceKind service;
  gboolean tracking;
  PvtClockAction action;
  const char *why; /* static */
  gint64 before, after;
  gboolean rtc_written;
} PvtClockOutcome;

/*
 * Applies the policy. May block for some ten seconds when a time service has to
 * be told; one caller at a time gets through. Runs the hooks of time.d after a
 * step. Worker threads.
 */
gboolean pvt_clock_sync (const PvtRoot *root, const PvtClockOrder *order, const gint *cancelled,
                         PvtClockOutcome *outcome, GError **error);
