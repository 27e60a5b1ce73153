/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is done about a guest that crashed or hangs, and how often at most. */
#pragma once

#include "health.h"

typedef enum
{
  PVT_ACTION_NONE,
  PVT_ACTION_RESET,
  PVT_ACTION_POWER_OFF,
  PVT_ACTION_RUN, /* a command on the host */
} PvtActionKind;

typedef struct
{
  PvtActionKind kind;
  char *command; /* of PVT_ACTION_RUN */
} PvtAction;

/* Most actions that a limit remembers. */
#define PVT_ACTION_LIMIT_MAX 100

/* At most @count actions in any @period, so that a guest that crashes while it
 * boots is not reset for ever. */
typedef struct
{
  guint count;   /* 1 to PVT_ACTION_LIMIT_MAX */
  gint64 period; /* microseconds */
} PvtActionLimit;

/* 3 in 10 minutes. */
extern const PvtActionLimit pvt_action_default_limit;

typedef struct
{
  PvtAction on_panic, on_hang;
  PvtActionLimit limit;
  /* private: when the last ones were, as a ring */
  gint64 done[PVT_ACTION_LIMIT_MAX];
  guint n_done, next;
} PvtPolicy;

/* "none", "reset", "poweroff" or "run:COMMAND". FALSE when it is none of them;
 * @action is to be cleared. */
gboolean pvt_action_parse (const char *text, PvtAction *action);
void pvt_action_clear (PvtAction *action);
const char *pvt_action_name (PvtActionKind kind);

/* "N/PERIOD": 3/10m; the period in seconds, or with s, m, h or d behind it. */
gboolean pvt_action_limit_parse (const char *text, PvtActionLimit *limit);

/*
 * What is to be done about a change, or NULL. @refused is set when something
 * would be done but the limit is reached. What is returned counts as done.
 */
const PvtAction *pvt_policy_decide (PvtPolicy *policy, const PvtHealthChange *change,
                                    gboolean *refused);
