/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Where heartbeats come from. A source runs by itself, in a thread or in the
 * main context, and tells what it hears through a mailbox. Others than polling
 * fill in the same three functions.
 */
#pragma once

#include "health.h"
#include "mailbox.h"

/* For so long the hypervisor's side may still show a connection that was closed. */
#define PVT_SOURCE_AWAY_US 300000
#define PVT_SOURCE_PAUSE_US 1500000

typedef struct
{
  /* All with what pvt_mailbox_new() was given. */
  void (*heartbeat) (gpointer owner, const char *boot_id, gboolean frozen);
  /* The channel is not there at all: whoever made it is gone. */
  void (*gone) (gpointer owner);
  /* Nobody answered. The source stays away for PVT_SOURCE_PAUSE_US at least, so
   * that it can be seen whether somebody else has the channel. */
  void (*unanswered) (gpointer owner);
} PvtHeartbeatSink;

typedef struct
{
  const char *name;
  gboolean extended; /* on the extended channel; else on the plain one */
  /* @interval in microseconds; @timeout_ms bounds a single question. */
  gpointer (*start) (const char *address, gint64 interval, int timeout_ms,
                     const PvtHeartbeatSink *sink, PvtMailbox *mailbox);
  /* Waits until its thread has ended, @timeout_ms at most. */
  void (*stop) (gpointer source);
  /* From any thread: it has had no connection of its own for PVT_SOURCE_AWAY_US, so
   * that one which is there is somebody else's. */
  gboolean (*is_away) (gpointer source);
} PvtHeartbeatSource;

/* Asks an agent of either kind on its plain channel, a connection each time: the
 * channel serves one client, and is others' in between. */
extern const PvtHeartbeatSource pvt_heartbeat_poll;

/* Those that pvtools-agent pushes on its extended channel. It is held all the time. */
extern const PvtHeartbeatSource pvt_heartbeat_push;
