/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A guest that is watched: the state machine with a clock, its machine's monitor,
 * the agent's heartbeats and what is done about a crash. Lives in the main
 * context of the thread that made it.
 */
#pragma once

#include "health.h"
#include "policy.h"
#include "source.h"

typedef struct _PvtHealthWatch PvtHealthWatch;

typedef struct
{
  const char *address; /* as for pvt_client_connect() */
  PvtHealthLimits limits;
  gint64 interval;     /* microseconds between heartbeats and between looks */
  PvtAction on_panic, on_hang; /* reset and power off need a monitor: qemu: */
  PvtActionLimit limit;
  gint64 grace; /* microseconds that a panicked kernel has before a reset or power off */
  const PvtHeartbeatSource *source; /* NULL: pvt_heartbeat_poll */
  const char *crash_directory; /* where crashes are kept; NULL: they are not */
  const char *console;         /* a socket or a file; NULL: not known */
} PvtHealthWatchConfig;

typedef struct
{
  void (*changed) (PvtHealthWatch *watch, const PvtHealthChange *change, gpointer user_data);
  /* What the policy did, or would have done but for its limit. */
  void (*acted) (PvtHealthWatch *watch, const PvtAction *action, gboolean refused, gpointer user_data);
  void (*note) (PvtHealthWatch *watch, const char *text, gpointer user_data);
} PvtHealthWatchOps;

/* Copies what it needs of @config. Nothing is called back before the main context
 * runs. NULL with @error when the console cannot be opened. */
PvtHealthWatch *pvt_health_watch_new (const PvtHealthWatchConfig *config,
                                      const PvtHealthWatchOps *ops, gpointer user_data,
                                      GError **error);

/* Waits for its threads: as long as a question to the monitor or the agent may
 * take. Not from within a callback. */
void pvt_health_watch_free (PvtHealthWatch *watch);

const char *pvt_health_watch_address (const PvtHealthWatch *watch);
PvtHealthState pvt_health_watch_state (const PvtHealthWatch *watch);
/* Why it is in that state; "" before the first change. */
const char *pvt_health_watch_cause (const PvtHealthWatch *watch);
