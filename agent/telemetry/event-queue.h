/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Events that wait until a host takes them. Bounded in number and in bytes:
 * what is new pushes out what is oldest, and that is counted. Pure.
 */
#pragma once

#include <glib.h>

#define PVT_EVENT_QUEUE_MAX 256
#define PVT_EVENT_QUEUE_BYTES (512u * 1024)

/* Largest event; a larger one is dropped at once. */
#define PVT_EVENT_MAX (128u * 1024)

typedef struct
{
  guint64 number;
  gint64 realtime_ns;
  guint flags; /* whatever the owner wants to know when it is dropped */
  gsize len;
  char body[]; /* members of an object, without its braces */
} PvtQueuedEvent;

typedef struct
{
  GQueue events; /* PvtQueuedEvent */
  gsize bytes;
  guint64 last_number; /* of all that were ever pushed */
  guint64 dropped;     /* of those that were never taken */
} PvtEventQueue;

/* Zeroed memory is an empty queue. */
void pvt_event_queue_clear (PvtEventQueue *queue);

/* Appends a copy of @body; returns the flags of all that were dropped for it. */
guint pvt_event_queue_push (PvtEventQueue *queue, const char *body, gsize len, gint64 realtime_ns,
                            guint flags);

/* The oldest, borrowed; NULL when there is none. */
const PvtQueuedEvent *pvt_event_queue_peek (PvtEventQueue *queue);

/* Takes the oldest away: it was delivered. */
void pvt_event_queue_pop (PvtEventQueue *queue);
