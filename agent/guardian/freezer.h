/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The one freeze that this guest may be in: hooks, filesystems, guardian,
 * record. What every caller may rely on:
 *  - an error means that nothing is frozen and that the thaw hooks have run;
 *  - a freeze that nobody ends is ended by its deadline, or with the agent;
 *  - the first thaw after such an end is an error that says so.
 */
#pragma once

#include "agent/core/config.h"
#include "agent/platform/root.h"
#include "record.h"

typedef enum
{
  PVT_FREEZER_THAWED,
  PVT_FREEZER_FREEZING,
  PVT_FREEZER_FROZEN,
  PVT_FREEZER_THAWING,
} PvtFreezerPhase;

typedef struct
{
  char *mountpoint;
  char *type;
  guint major, minor;
  guint tier;    /* see PvtFreezeTarget */
  char *skipped; /* why it was not frozen; NULL: it was */
} PvtFrozenFs;

/* A freeze as a caller asks for it and is told about it. */
typedef struct
{
  char *const *only;      /* mountpoints; NULL: all */
  guint deadline_ms;      /* G_MAXUINT: as configured; 0: none */
  guint lease_ms;         /* once frozen, until it ends unless renewed; 0: the deadline's */
  guint patience_ms;      /* how long the caller waits for it to be frozen; 0: for ever */
  gint *cancelled;        /* see PvtCall */
  /* out */
  guint64 generation;
  guint n_frozen;
  gint64 started, frozen_at; /* pvt_boottime() */
  GPtrArray *filesystems;    /* PvtFrozenFs */
  GPtrArray *hooks;          /* PvtHookRun */
} PvtFreeze;

void pvt_freeze_clear (PvtFreeze *freeze);

/* A glance at the state. */
typedef struct
{
  PvtFreezerPhase phase;
  guint64 generation;    /* of this or the last freeze; 0: none yet */
  PvtFreezeEnd end;      /* of the last one */
  gint64 started, frozen_at, thawed_at;
  gint64 deadline;       /* 0: none */
  gboolean untold;       /* an automatic end was not told to anybody yet */
} PvtFreezerState;

/* Main thread, before there are others: the guardian, see there. */
gboolean pvt_freezer_prepare (const PvtConfig *config, PvtGuardianTitle title, GError **error);

/* Main loop, once, at the start: also undoes what an agent that was killed
 * together with its guardian left frozen. @config must stay. */
void pvt_freezer_init (const PvtConfig *config, const PvtRoot *root);

/* Main loop, at the end: nothing stays frozen. */
void pvt_freezer_finish (void);

/* Worker threads. @freeze is filled as far as it came, also with an error. */
gboolean pvt_freezer_freeze (PvtFreeze *freeze, GError **error);

/*
 * Worker threads. *@n_thawed is 0 when nothing was frozen. @generation not 0:
 * only that one. *@when: the instant before the first filesystem was thawed.
 * An error means that a snapshot taken in the freeze is not consistent;
 * nothing is frozen then, either.
 */
gboolean pvt_freezer_thaw (guint64 generation, guint *n_thawed, gint64 *when, GError **error);

/* Moves the deadline of freeze @generation to @deadline_ms from now. */
gboolean pvt_freezer_renew (guint64 generation, guint deadline_ms, GError **error);

void pvt_freezer_state (PvtFreezerState *state);

/* What a guardian becomes once it has thawed for a dead agent: runs the thaw
 * hooks that the record names. */
gboolean pvt_freezer_aftermath (const PvtConfig *config, GError **error);
