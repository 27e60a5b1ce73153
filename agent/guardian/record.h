/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What is known about the last freeze, in a file that the next agent reads. It
 * is written before the first filesystem is frozen and after the last is
 * thawed, never in between: the file itself may be on one of them.
 */
#pragma once

#include "guardian.h"

typedef struct
{
  guint64 generation; /* 0: there was none */
  gboolean frozen;
  gboolean hurried; /* rcu_expedited may have been switched on */
  PvtFreezeEnd end;
  gboolean untold;    /* the end was automatic and nobody was told yet */
  gint64 started, frozen_at, thawed_at; /* pvt_boottime() */
  GPtrArray *mountpoints;               /* char *, in the order of freezing */
  GPtrArray *hooks;                     /* PvtHookRun: those whose thaw is due */
} PvtFreezeRecord;

void pvt_record_init (PvtFreezeRecord *record);
void pvt_record_clear (PvtFreezeRecord *record);

/* What the file in @statedir says; a missing, damaged or other boot's file says
 * that there was no freeze. */
void pvt_record_load (const char *statedir, PvtFreezeRecord *record);

/* Replaces the file as a whole. */
gboolean pvt_record_save (const char *statedir, const PvtFreezeRecord *record, GError **error);

/* Text for an end: "the deadline passed" and so on. Static. */
const char *pvt_freeze_end_text (PvtFreezeEnd end);
