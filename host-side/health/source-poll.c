/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest-file.h"
#include "source.h"

#include <string.h>

#define BOOT_ID "/proc/sys/kernel/random/boot_id"

/* How this agent is asked; looked up once, and again when it proves wrong. */
typedef enum
{
  ASK_UNKNOWN,
  ASK_STATUS, /* pvtools-agent: pvt-get-status */
  ASK_FREEZE, /* guest-fsfreeze-status */
  ASK_PING,
} Manner;

typedef struct
{
  char *address;
  gint64 interval;
  int timeout_ms;
  const PvtHeartbeatSink *sink;
  PvtMailbox *mailbox;
  GThread *thread;
  GCancellable *cancellable;
  GMutex lock;
  GCond wake;
  gboolean stopping, connected;
  gint64 left_at; /* when the last connection was closed */
  /* the thread's own */
  Manner manner;
  gboolean has_files;
} Poll;

typedef struct
{
  const PvtHeartbeatSink *sink;
  gboolean gone, unanswered, frozen;
  char *boot_id;
} News;

static void
deliver (gpointer owner, gpointer data)
{
  const News *news = data;

  if (news->gone)
    news->sink->gone (owner);
  else if (news->unanswered)
    news->sink->unanswered (owner);
  else
    news->sink->heartbeat (owner, news->boot_id, news->frozen);
}

static void
free_news (gpointer data)
{
  News *news = data;

  g_free (news->boot_id);
  g_free (news);
}

static gboolean
look_up_manner (Poll *poll, PvtClient *client, GError **error)
{
  if (poll->manner != ASK_UNKNOWN)
    return TRUE;
  if (pvt_client_get_agent_version (client, -1, poll->cancellable, error) == NULL)
    return FALSE;
  if (pvt_client_has_command (client, "pvt-get-status", -1, poll->cancellable, NULL))
    poll->manner = ASK_STATUS;
  else if (pvt_client_has_command (client, "guest-fsfreeze-status", -1, poll->cancellable, NULL))
    poll->manner = ASK_FREEZE;
  else
    poll->manner = ASK_PING;
  poll->has_files = pvt_client_has_command (client, "guest-file-open", -1, poll->cancellable, NULL);
  return TRUE;
}

/* The sign of life itself. */
static gboolean
ask_frozen (Poll *poll, PvtClient *client, gboolean *frozen, GError **error)
{
  g_autoptr (PvtAgentStatus) status = NULL;
  PvtGuestFsfreezeStatus freeze = PVT_GUEST_FSFREEZE_STATUS_THAWED;

  *frozen = FALSE;
  if (poll->manner == ASK_STATUS)
    {
      status = pvt_client_get_status (client, -1, poll->cancellable, error);
      *frozen = status && status->frozen;
      return status != NULL;
    }
  if (poll->manner == ASK_FREEZE)
    {
      if (!pvt_client_guest_fsfreeze_status (client, &freeze, -1, poll->cancellable, error))
        return FALSE;
      *frozen = freeze == PVT_GUEST_FSFREEZE_STATUS_FROZEN;
      return TRUE;
    }
  return pvt_client_guest_ping (client, -1, poll->cancellable, error);
}

/* NULL when this agent does not tell, or does not while it is frozen. */
static char *
ask_boot_id (Poll *poll, PvtClient *client, gboolean frozen)
{
  g_autoptr (PvtUptime) uptime = NULL;
  g_autoptr (GBytes) bytes = NULL;
  gconstpointer data;
  gsize len;
  char *text;

  if (poll->manner == ASK_STATUS)
    {
      uptime = pvt_client_get_uptime (client, -1, poll->cancellable, NULL);
      return uptime ? g_strndup (uptime->boot_id, PVT_HEALTH_BOOT_ID_MAX) : NULL;
    }
  if (frozen || !poll->has_files)
    return NULL;
  bytes = pvt_guest_file_fetch (client, BOOT_ID, PVT_HEALTH_BOOT_ID_MAX, poll->timeout_ms, NULL);
  if (bytes == NULL)
    return NULL;
  data = g_bytes_get_data (bytes, &len);
  text = g_strchomp (g_strndup (data, len));
  if (*text)
    return text;
  g_free (text);
  return NULL;
}

static gboolean
ask (Poll *poll, News *news, GError **error)
{
  g_autoptr (PvtClient) client
      = pvt_client_connect (poll->address, poll->timeout_ms, poll->cancellable, error);

  if (client == NULL)
    return FALSE;
  pvt_client_set_timeout (client, poll->timeout_ms);
  if (!look_up_manner (poll, client, error) || !ask_frozen (poll, client, &news->frozen, error))
    {
      poll->manner = ASK_UNKNOWN; /* another agent may be there now */
      return FALSE;
    }
  news->boot_id = ask_boot_id (poll, client, news->frozen);
  return TRUE;
}

static void
set_connected (Poll *poll, gboolean connected)
{
  g_mutex_lock (&poll->lock);
  poll->connected = connected;
  poll->left_at = g_get_monotonic_time ();
  g_mutex_unlock (&poll->lock);
}

/* FALSE: nobody answered. */
static gboolean
ask_once (Poll *poll)
{
  g_autoptr (GError) error = NULL;
  News *news = g_new0 (News, 1);
  gboolean ok;

  news->sink = poll->sink;
  set_connected (poll, TRUE);
  ok = ask (poll, news, &error);
  set_connected (poll, FALSE);
  news->gone = !ok && g_error_matches (error, PVT_CLIENT_ERROR, PVT_CLIENT_ERROR_NOT_CONNECTED);
  news->unanswered = !ok && !news->gone;
  pvt_mailbox_post (poll->mailbox, deliver, news, free_news);
  return ok;
}

static gpointer
run (gpointer data)
{
  Poll *poll = data;
  gboolean stopping = FALSE;

  while (!stopping)
    {
      gint64 next = g_get_monotonic_time () + poll->interval;

      if (!ask_once (poll))
        next = MAX (next, g_get_monotonic_time () + PVT_SOURCE_PAUSE_US);
      g_mutex_lock (&poll->lock);
      while (!poll->stopping && g_cond_wait_until (&poll->wake, &poll->lock, next))
        ;
      stopping = poll->stopping;
      g_mutex_unlock (&poll->lock);
    }
  return NULL;
}

static gpointer
start (const char *address, gint64 interval, int timeout_ms, const PvtHeartbeatSink *sink,
       PvtMailbox *mailbox)
{
  Poll *poll = g_new0 (Poll, 1);

  poll->address = g_strdup (address);
  poll->interval = interval;
  poll->timeout_ms = timeout_ms;
  poll->sink = sink;
  poll->mailbox = pvt_mailbox_ref (mailbox);
  poll->cancellable = g_cancellable_new ();
  g_mutex_init (&poll->lock);
  g_cond_init (&poll->wake);
  poll->thread = g_thread_new ("pvt-heartbeat", run, poll);
  return poll;
}

static void
stop (gpointer data)
{
  Poll *poll = data;

  g_mutex_lock (&poll->lock);
  poll->stopping = TRUE;
  g_cond_signal (&poll->wake);
  g_mutex_unlock (&poll->lock);
  g_cancellable_cancel (poll->cancellable);
  g_thread_join (poll->thread);
  g_object_unref (poll->cancellable);
  pvt_mailbox_unref (poll->mailbox);
  g_mutex_clear (&poll->lock);
  g_cond_clear (&poll->wake);
  g_free (poll->address);
  g_free (poll);
}

static gboolean
is_away (gpointer data)
{
  Poll *poll = data;
  gboolean away;

  g_mutex_lock (&poll->lock);
  away = !poll->connected && g_get_monotonic_time () - poll->left_at > PVT_SOURCE_AWAY_US;
  g_mutex_unlock (&poll->lock);
  return away;
}

const PvtHeartbeatSource pvt_heartbeat_poll = { "poll", FALSE, start, stop, is_away };
