/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One host's subscription: what it wants, when that is due, and what waits for
 * it. It is the feed of a stream. Made on any thread, used on the main loop.
 */
#pragma once

#include "agent/core/stream.h"
#include "changes.h"
#include "event-queue.h"
#include "sampler.h"

#define PVT_MAX_SUBSCRIPTIONS 16

#define PVT_EVENT_BIT(kind) (1u << (kind))

typedef struct
{
  gint64 period; /* us; 0: not wanted */
  gint64 due;    /* g_get_monotonic_time() */
} PvtSchedule;

typedef struct
{
  gatomicrefcount refs;
  PvtStream *stream; /* NULL before it has begun and after its end */
  gboolean suspended;
  guint kinds; /* PVT_EVENT_BIT of each */
  double full_share;
  PvtSchedule heartbeat, groups[PVT_N_GROUPS], space;
  gboolean always_full[PVT_N_GROUPS];
  gboolean wants_filesystems; /* they are being asked for */
  guint lost;                 /* groups of dropped reports, a bit each: whole next time */
  PvtChanges changes[PVT_N_GROUPS];
  GHashTable *nearly_full;    /* set of mountpoints; NULL: not looked yet */
  guint64 heartbeats;
  PvtEventQueue queue;
  gboolean flushing;
} PvtSubscriber;

/* NULL when there are too many. Any thread. */
PvtSubscriber *pvt_subscriber_new (const PvtSubscribeArgs *args, guint kinds);
PvtSubscriber *pvt_subscriber_ref (PvtSubscriber *subscriber);
void pvt_subscriber_unref (PvtSubscriber *subscriber);

/* Everything is due at once. */
void pvt_subscriber_start (PvtSubscriber *subscriber, gint64 now);

/* When something is due next; G_MAXINT64: never. */
gint64 pvt_subscriber_due (const PvtSubscriber *subscriber);

/* TRUE when it is due; sets when it is next: a multiple of the period, so that
 * all subscribers are served in one wake-up. */
gboolean pvt_schedule_take (PvtSchedule *schedule, gint64 now);

/* Queues `"@name": { @body }`-like members: @body is JSON of the event's object. */
void pvt_subscriber_push (PvtSubscriber *subscriber, const char *name, const char *body, gsize len);

/* Queues a report of @groups, each of which has a sample, NULL: this kernel has none. */
void pvt_subscriber_report (PvtSubscriber *subscriber, const PvtMetricGroup *groups,
                            const PvtSample *const *samples, guint n);

/* Sends what the host takes. The subscriber may be gone when it returns, unless
 * the caller has a reference. */
void pvt_subscriber_flush (PvtSubscriber *subscriber);
