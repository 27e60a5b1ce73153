/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The guardian: a forked helper that ends a freeze when nobody else does.
 *
 * It is forked when the agent starts, while that is small, and sleeps: a freeze
 * waits for no fork, and one can be had when memory is short. Before the first
 * filesystem is frozen it is handed a descriptor of each. It thaws them when the
 * deadline has passed (CLOCK_BOOTTIME, so that neither a step of the clock nor a
 * suspend prolongs a freeze), when the agent has died, and on SIGTERM. Its memory is
 * locked and it writes nothing, so that it needs nothing of a filesystem that is
 * frozen.
 *
 * Agent and guardian share a page of states, one a filesystem. Whoever takes a
 * state from FROZEN to THAWED thaws it. An ioctl that is under way when the
 * guardian has to act is waited for: a filesystem that the agent froze too late
 * is thawed by it, or by the guardian when the agent is dead.
 */
#pragma once

#include <glib.h>
#include <sys/types.h>

typedef struct _PvtGuardian PvtGuardian;

/* Why a freeze ended. */
typedef enum
{
  PVT_FREEZE_END_NONE,     /* it has not */
  PVT_FREEZE_END_HOST,     /* the host asked */
  PVT_FREEZE_END_DEADLINE, /* automatic, as are all that follow */
  PVT_FREEZE_END_AGENT_DIED,
  PVT_FREEZE_END_AGENT_STOPPED,
  PVT_FREEZE_END_GUARDIAN_DIED,
  PVT_FREEZE_END_ASKED_BY_SIGNAL, /* SIGTERM to the guardian */
} PvtFreezeEnd;

/* Now, on the clock of deadlines: ns. */
gint64 pvt_boottime (void);

/* The memory of the agent's command line, as main() got it. */
typedef struct
{
  char *start;
  gsize len;
} PvtGuardianTitle;

/*
 * Main thread, once, before there are others: forks the helper. @argv: what it
 * runs, of the agent's own program, once it has thawed for a dead agent; the lock
 * of pvt_guardian_start() stays open until that has ended. @title: there it writes
 * its own name, so that whoever looks for the agent's process finds one.
 */
gboolean pvt_guardian_prepare (char *const *argv, PvtGuardianTitle title, GError **error);

/* At the agent's end, after pvt_guardian_release(). */
void pvt_guardian_dismiss (void);

/* Instead: it sees to the rest of a freeze that could not be ended, and ends itself. */
void pvt_guardian_leave (void);

/* What it is handed. The descriptors stay the caller's, too, and open until
 * pvt_guardian_release(). */
typedef struct
{
  const int *fds; /* of the filesystems */
  guint n;
  int lock_fd;
  int hurry_fd;    /* see pvt_guardian_hurry(); -1: none */
  gint64 deadline; /* pvt_boottime() at which it thaws; 0: never */
} PvtGuardianCharge;

/* NULL with @error when there is no guardian to be had. */
PvtGuardian *pvt_guardian_start (const PvtGuardianCharge *charge, GError **error);

/*
 * Switches /sys/kernel/rcu_expedited on or off, when there is a descriptor of it.
 * A superblock is frozen in three steps, each of which waits for a grace period of
 * RCU; expedited, these take a millisecond instead of twenty. Should the agent die
 * meanwhile, its guardian switches it off.
 */
void pvt_guardian_hurry (PvtGuardian *guardian, gboolean on);

/* Waits until the deadline is armed: nothing may be frozen before. */
gboolean pvt_guardian_await (PvtGuardian *guardian, GError **error);

/*
 * Freezes filesystem @index. 0, or -errno of FIFREEZE; -ECANCELED when the
 * guardian has ended this freeze, in which case nothing stays frozen.
 */
int pvt_guardian_freeze (PvtGuardian *guardian, guint index);

/* Thaws filesystem @index if it is frozen by us: 1 when it was, 0 when not,
 * -errno of FITHAW; -EINVAL: somebody else had thawed it. */
int pvt_guardian_thaw (PvtGuardian *guardian, guint index);

/* Sets another deadline. FALSE when the guardian is gone. */
gboolean pvt_guardian_renew (PvtGuardian *guardian, gint64 deadline);

/* Readable, or hung up, once the guardian has ended by itself. */
int pvt_guardian_fd (const PvtGuardian *guardian);

/* Makes a freeze that is under way in another thread fail; what it has frozen is
 * thawed at once. */
void pvt_guardian_abort (PvtGuardian *guardian);

/* What ended it, and when (pvt_boottime()); END_GUARDIAN_DIED when it was killed. */
PvtFreezeEnd pvt_guardian_end (PvtGuardian *guardian, gint64 *when);

/* The freeze is over: it closes what it was handed. */
void pvt_guardian_release (PvtGuardian *guardian);
