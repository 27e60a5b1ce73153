/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How far a guest's clock is off, and how exactly that is known. */
#pragma once

#include "cli.h"

#define PVT_CLOCK_SAMPLES 8

typedef struct
{
  gint64 offset;      /* host minus guest in ns; above 0: the guest is behind */
  gint64 uncertainty; /* half of the quickest answer's time, ns */
  gint64 guest_time;  /* of that answer, ns since the epoch */
  PvtClock *clock;    /* the same; NULL with a stock qemu-ga */
} PvtClockMeasure;

void pvt_clock_measure_clear (PvtClockMeasure *measure);

/*
 * Asks PVT_CLOCK_SAMPLES times and keeps the quickest answer: the truth lies
 * within its question and its answer. Clear @measure in any case.
 */
gboolean pvt_clock_measure (PvtClient *client, PvtClockMeasure *measure, GError **error);
