/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What is done after a disruption: the gap is measured, the clock put right,
 * hooks run, the network told. On a thread of its own, which is there only while
 * there is something to do, and never while filesystems are frozen: it waits
 * for the thaw then.
 */
#pragma once

#include "clock-sync.h"

/* Why it is looked; a set. */
enum
{
  PVT_REASON_GLANCE = 1 << 0,     /* a host is there: was there a gap before? */
  PVT_REASON_CLOCK_SET = 1 << 1,  /* the wall clock was set: compare anew */
  PVT_REASON_RESUMED = 1 << 2,    /* back from a suspend */
  PVT_REASON_GENERATION = 1 << 3, /* another VM generation */
  PVT_REASON_RESTORED = 1 << 4,   /* the host says so */
  PVT_REASON_MIGRATED = 1 << 5,   /* the host says so */
  PVT_REASON_CLONED = 1 << 6,     /* the disk was another machine's */
  PVT_REASON_STARTED = 1 << 7,    /* the agent was: is it a clone? */
};

/* In this order as an enum of the protocol. */
typedef enum
{
  PVT_DISRUPTED_PAUSED,
  PVT_DISRUPTED_RESUMED,
  PVT_DISRUPTED_GENERATION,
  PVT_DISRUPTED_RESTORED,
  PVT_DISRUPTED_MIGRATED,
  PVT_DISRUPTED_CLONED,
} PvtDisruptedBy;

typedef struct
{
  PvtDisruptedBy by;
  gint64 boottime; /* when it was dealt with */
  gboolean has_clock;
  PvtClockOutcome clock;
  guint frames;    /* sent to announce the guest */
  GPtrArray *hooks; /* PvtHookRun; NULL in a record of the last one */
} PvtReaction;

/* Asks for a look, soon. Any thread. */
void pvt_reaction_push (guint reasons);

/* Does it now, for a caller that waits: worker threads. The caller unrefs hooks. */
void pvt_reaction_run (guint reasons, const gint *cancelled, PvtReaction *reaction);

/* The last disruption that was dealt with; FALSE: none yet. Any thread. */
gboolean pvt_reaction_last (PvtReaction *reaction);

/* Main loop, at the end: waits for what is under way, which is cut short. */
void pvt_reaction_stop (void);
