/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Heartbeats that pvtools-agent pushes on its extended channel. The connection is
 * kept; one that brings nothing any more is given up and made anew, because a guest
 * that was reset does not close it.
 */
#include "source.h"

#include <pvtools.h>

/* Heartbeats that may be missing before the connection is tried anew. */
#define MISSING 3

typedef struct
{
  const PvtHeartbeatSink *sink;
  PvtMailbox *mailbox;
  GMainContext *context;
  PvtWatch *watch;
  GSource *timer;
  gint64 interval;
  int timeout_ms;
  gboolean starting; /* in a thread, which ends by itself */
  gboolean stopped;
} Push;

typedef struct
{
  const PvtHeartbeatSink *sink;
  gboolean gone, frozen;
  char *boot_id; /* NULL: no heartbeat */
} News;

static void
deliver (gpointer owner, gpointer data)
{
  const News *news = data;

  if (news->boot_id)
    news->sink->heartbeat (owner, news->boot_id, news->frozen);
  else if (news->gone)
    news->sink->gone (owner);
}

static void
free_news (gpointer data)
{
  News *news = data;

  g_free (news->boot_id);
  g_free (news);
}

static void
post (Push *push, const char *boot_id, gboolean frozen, gboolean gone)
{
  News *news = g_new (News, 1);

  *news = (News){ push->sink, gone, frozen, g_strndup (boot_id, PVT_HEALTH_BOOT_ID_MAX) };
  pvt_mailbox_post (push->mailbox, deliver, news, free_news);
}

static void
clear_timer (Push *push)
{
  if (push->timer)
    g_source_destroy (push->timer);
  g_clear_pointer (&push->timer, g_source_unref);
}

static void connect_anew (Push *push);

static gboolean
time_is_over (gpointer data)
{
  connect_anew (data);
  return G_SOURCE_REMOVE;
}

static void
set_timer (Push *push, gint64 after)
{
  clear_timer (push);
  push->timer = g_timeout_source_new ((guint) CLAMP (after / 1000, 1, G_MAXINT));
  g_source_set_callback (push->timer, time_is_over, push, NULL);
  g_source_attach (push->timer, push->context);
}

static void
came (PvtWatch *watch G_GNUC_UNUSED, PvtEvent *event, gpointer data)
{
  Push *push = data;

  if (event->heartbeat == NULL)
    return;
  post (push, event->heartbeat->boot_id, event->heartbeat->frozen, FALSE);
  set_timer (push, MISSING * push->interval);
}

static void
closed (PvtWatch *watch G_GNUC_UNUSED, GError *error G_GNUC_UNUSED, gpointer data)
{
  Push *push = data;

  set_timer (push, push->interval);
}

static void
push_free (Push *push)
{
  clear_timer (push);
  g_signal_handlers_disconnect_by_data (push->watch, push);
  pvt_watch_stop (push->watch);
  g_object_unref (push->watch);
  g_main_context_unref (push->context);
  pvt_mailbox_unref (push->mailbox);
  g_free (push);
}

static void
started (GObject *watch, GAsyncResult *result, gpointer data)
{
  Push *push = data;
  g_autoptr (GError) error = NULL;
  gboolean ok = pvt_watch_start_finish (PVT_WATCH (watch), result, &error);

  push->starting = FALSE;
  if (push->stopped)
    {
      push_free (push);
      return;
    }
  if (!ok && g_error_matches (error, PVT_CLIENT_ERROR, PVT_CLIENT_ERROR_NOT_CONNECTED))
    post (push, NULL, FALSE, TRUE);
  set_timer (push, ok ? MISSING * push->interval : push->interval);
}

static void
connect_anew (Push *push)
{
  clear_timer (push);
  pvt_watch_stop (push->watch);
  push->starting = TRUE;
  pvt_watch_start_async (push->watch, push->timeout_ms, started, push);
}

static gpointer
start (const char *address, gint64 interval, int timeout_ms, const PvtHeartbeatSink *sink,
       PvtMailbox *mailbox)
{
  Push *push = g_new0 (Push, 1);

  push->sink = sink;
  push->mailbox = pvt_mailbox_ref (mailbox);
  push->context = g_main_context_ref_thread_default ();
  push->watch = pvt_watch_new (address);
  push->interval = interval;
  push->timeout_ms = timeout_ms;
  pvt_watch_set_heartbeat (push->watch, (guint) CLAMP (interval / 1000, 1000, 60000));
  g_signal_connect (push->watch, "event", G_CALLBACK (came), push);
  g_signal_connect (push->watch, "closed", G_CALLBACK (closed), push);
  connect_anew (push);
  return push;
}

static void
stop (gpointer data)
{
  Push *push = data;

  if (!push->starting)
    {
      push_free (push);
      return;
    }
  clear_timer (push);
  push->stopped = TRUE;
}

/* Its connection is there for good, as far as it can tell. */
static gboolean
is_away (gpointer data G_GNUC_UNUSED)
{
  return FALSE;
}

const PvtHeartbeatSource pvt_heartbeat_push = { "push", TRUE, start, stop, is_away };
