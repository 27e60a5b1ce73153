/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What freezer.c (freeze and thaw), wind-up.c (the way out of a freeze) and
 * recovery.c (start and end of the agent) share. */
#pragma once

#include "freezer.h"
#include "hooks.h"

/* All under the lock, but what only the thread that took the phase out of
 * THAWED or FROZEN touches until it puts it back: fds and record. */
typedef struct
{
  GMutex lock;
  const PvtConfig *config;
  const PvtRoot *root;
  PvtFreezerPhase phase;
  PvtFreezeRecord record;
  PvtGuardian *guardian;
  GArray *fds; /* int, one a filesystem of the guardian's */
  gint64 deadline;
  GSource *watch; /* of the guardian */
  int hurry_fd; /* of rcu_expedited while it may be switched; -1 */
  int lock_fd;    /* held as long as something may be frozen; -1 */
} PvtFreezer;

extern PvtFreezer pvt_freezer;

PvtHooksConfig pvt_freezer_hooks (const PvtConfig *config);

/* Takes the lock that outlives the agent: its guardian has it, too. -1 with
 * errno, EWOULDBLOCK when another has it. */
int pvt_freezer_take_lock (void);

/* Writes the record; a failure is logged. */
void pvt_freezer_save (void);

void pvt_freezer_set_phase (PvtFreezerPhase phase);

/* FROZEN to THAWING; TRUE for only one thread. */
gboolean pvt_freezer_begin_thaw (void);

/* Thaws what is ours. TRUE when all of it was still frozen. */
gboolean pvt_freezer_thaw_filesystems (guint *n_thawed);

/*
 * The way back to THAWED, from wherever a freeze had come to: ends the
 * guardian, runs the thaw hooks, writes the record. Returns the number of thaw
 * hooks that failed.
 */
guint pvt_freezer_wind_up (PvtFreezeEnd end, gint64 when, gboolean untold);
