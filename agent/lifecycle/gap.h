/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How long the guest was away. While a guest is paused, saved or moved all of
 * its clocks stand still, so they cannot tell. Two things go on: the host's
 * clock as ptp_kvm shows it, and the emulated hardware clock, which QEMU derives
 * from the host's clock and keeps so over a save and a migration.
 *
 * What counts is how the host's clock has moved against ours since both were
 * last compared. A difference that was there before is nobody's accident: a
 * guest may be set to another year on purpose.
 *
 * One thread at a time.
 */
#pragma once

#include "agent/platform/root.h"

typedef struct
{
  gint64 offset;        /* host minus guest, ns */
  guint64 uncertainty;
  gboolean from_rtc;
} PvtGap;

/* Compares the clocks, for later: at the start, and whenever the wall clock was
 * set. Blocks for up to a second. */
void pvt_gap_rebase (const PvtRoot *root);

/* A quick look that finds gaps of two seconds and more; FALSE also when it cannot be told. */
gboolean pvt_gap_suspected (const PvtRoot *root);

/* What is left of a gap that was dealt with: it is not found again. */
void pvt_gap_acknowledge (gint64 left);

/* FALSE when there is no source. Blocks for up to a second. */
gboolean pvt_gap_measure (const PvtRoot *root, PvtGap *gap);
