/* SPDX-License-Identifier: LGPL-2.1-or-later */
/**
 * PvtWatch:
 *
 * What a guest tells by itself: heartbeats, metrics and events, pushed by its
 * agent on the extended channel (the port `org.pvtools.0`, or a socket).
 *
 * Say what is wanted, start it, and connect to #PvtWatch::event; it is emitted
 * from the main context that was the thread's default at the start. A guest is
 * not trusted: an event has at most 128 KiB, its members are checked, and a
 * guest that sends anything else is hung up on, which #PvtWatch::closed tells.
 * Its texts may hold anything that is UTF-8: escape them for a terminal.
 */
#include "pvt-watch.h"

#include "extended.h"
#include "protocol/message/reply.h"
#include "pvt-boxed.h"
#include "pvt-tables.h"

#include <glib-unix.h>
#include <string.h>

/* Largest event that is looked at. */
#define EVENT_MAX (128u * 1024)

/* Most bytes of events that wait to be told. What one read has is told before the next;
 * only a guest that sends events before it answers the subscription has more. */
#define PENDING_MAX (4 * PVT_STREAM_WINDOW)

struct _PvtWatch
{
  GObject parent;
  char *address;
  PvtSubscribeArgs wanted;
  PvtSubscription *subscription;
  PvtExtended *extended; /* NULL: not connected */
  guint32 id;
  gsize pending_bytes;
  GQueue pending;        /* PvtEvent that came and nobody was told of yet */
  GError *failure;       /* why it is over */
  GMainContext *context;
  GSource *source;
  GIOCondition watched;
};

G_DEFINE_FINAL_TYPE (PvtWatch, pvt_watch, G_TYPE_OBJECT)

enum
{
  SIGNAL_EVENT,
  SIGNAL_CLOSED,
  N_SIGNALS,
};

static guint signals[N_SIGNALS];

static void
disconnect (PvtWatch *watch)
{
  if (watch->source)
    g_source_destroy (watch->source);
  g_clear_pointer (&watch->source, g_source_unref);
  g_clear_pointer (&watch->extended, pvt_extended_close);
  g_clear_pointer (&watch->context, g_main_context_unref);
  g_queue_clear_full (&watch->pending, (GDestroyNotify) pvt_event_free);
}

static void
finalize (GObject *object)
{
  PvtWatch *watch = PVT_WATCH (object);

  disconnect (watch);
  g_clear_error (&watch->failure);
  g_clear_pointer (&watch->subscription, pvt_subscription_free);
  g_clear_pointer (&watch->wanted.groups, g_ptr_array_unref);
  g_strfreev (watch->wanted.events);
  g_free (watch->address);
  G_OBJECT_CLASS (pvt_watch_parent_class)->finalize (object);
}

static void
pvt_watch_class_init (PvtWatchClass *klass)
{
  GType type = G_TYPE_FROM_CLASS (klass);

  G_OBJECT_CLASS (klass)->finalize = finalize;
  /**
   * PvtWatch::event:
   * @watch: the watch
   * @event: what the guest told
   *
   * The guest told something. Events that this library does not know have a
   * name and no member.
   *
   * Since: 1.0
   */
  signals[SIGNAL_EVENT] = g_signal_new ("event", type, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL,
                                        G_TYPE_NONE, 1, PVT_TYPE_EVENT);
  /**
   * PvtWatch::closed:
   * @watch: the watch
   * @error: why
   *
   * It is over: the agent has stopped, the guest has ended or misbehaved. The
   * watch may be started again.
   *
   * Since: 1.0
   */
  signals[SIGNAL_CLOSED] = g_signal_new ("closed", type, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL,
                                         G_TYPE_NONE, 1, G_TYPE_ERROR);
}

static void
pvt_watch_init (PvtWatch *watch)
{
  g_queue_init (&watch->pending);
  watch->wanted.groups = g_ptr_array_new_with_free_func ((GDestroyNotify) pvt_group_request_free);
  watch->wanted.events = g_new0 (char *, 1);
}

/**
 * pvt_watch_new: (constructor)
 * @address: `unix:/path`, `vsock:CID:PORT`, `vsock-mux:/path:PORT`, `qemu:/qmp-socket`, or the path of a
 *   unix socket: a guest's extended channel
 *
 * Makes a watch of one guest.
 *
 * Returns: (transfer full): a watch that is not started
 *
 * Since: 1.0
 */
PvtWatch *
pvt_watch_new (const char *address)
{
  PvtWatch *watch = g_object_new (PVT_TYPE_WATCH, NULL);

  watch->address = g_strdup (address);
  return watch;
}

/* ---- what is wanted ---- */

/**
 * pvt_watch_set_heartbeat:
 * @watch: a #PvtWatch that is not started
 * @period_ms: milliseconds from one heartbeat to the next, 100 to 3600000; 0: none
 *
 * Asks for heartbeats.
 *
 * Since: 1.0
 */
void
pvt_watch_set_heartbeat (PvtWatch *watch, guint period_ms)
{
  watch->wanted.has_heartbeat_ms = period_ms > 0;
  watch->wanted.heartbeat_ms = period_ms;
}

/**
 * pvt_watch_add_metrics:
 * @watch: a #PvtWatch that is not started
 * @group: what is measured
 * @period_ms: milliseconds from one report to the next, 100 to 3600000
 * @full: %TRUE: all of it each time; %FALSE: what has changed
 *
 * Asks for a group of figures; may be called for each group that is wanted.
 *
 * Since: 1.0
 */
void
pvt_watch_add_metrics (PvtWatch *watch, PvtMetricGroup group, guint period_ms, gboolean full)
{
  PvtGroupRequest *request = pvt_group_request_new ();

  request->group = group;
  request->period_ms = period_ms;
  request->has_full = request->full = full;
  g_ptr_array_add (watch->wanted.groups, request);
}

/**
 * pvt_watch_add_events:
 * @watch: a #PvtWatch that is not started
 * @kind: a kind of events as in #PvtEventKind, such as `address`, or `all`
 *
 * Asks for a kind of events; may be called for each kind that is wanted.
 *
 * Since: 1.0
 */
void
pvt_watch_add_events (PvtWatch *watch, const char *kind)
{
  guint n = g_strv_length (watch->wanted.events);

  watch->wanted.events = g_renew (char *, watch->wanted.events, n + 2);
  watch->wanted.events[n] = g_strdup (kind);
  watch->wanted.events[n + 1] = NULL;
}

/**
 * pvt_watch_set_full_percent:
 * @watch: a #PvtWatch that is not started
 * @percent: from how much in use on a filesystem is nearly full, 1 to 100
 *
 * Sets when the event comes that a filesystem is nearly full.
 *
 * Since: 1.0
 */
void
pvt_watch_set_full_percent (PvtWatch *watch, guint percent)
{
  watch->wanted.has_full_percent = TRUE;
  watch->wanted.full_percent = percent;
}

/* ---- what comes ---- */

static void
fail (PvtWatch *watch, PvtClientError code, const char *why)
{
  if (watch->failure == NULL)
    g_set_error_literal (&watch->failure, PVT_CLIENT_ERROR, (int) code, why);
}

static void
take_data (guint channel, const char *data, gsize len, gpointer user_data)
{
  PvtWatch *watch = user_data;
  PvtEvent *event;

  if (watch->failure)
    return;
  watch->pending_bytes += len;
  if (watch->pending_bytes > PENDING_MAX)
    {
      fail (watch, PVT_CLIENT_ERROR_PROTOCOL, "the guest sends events without end");
      return;
    }
  event = pvt_event_new ();
  pvt_extended_consumed (watch->extended, watch->id, channel, len);
  if (len <= EVENT_MAX && pvt_decode_untrusted (data, len, &pvt_event_type, event))
    {
      g_queue_push_tail (&watch->pending, event);
      return;
    }
  /* A failed decoding has cleared it. */
  pvt_event_free (event);
  fail (watch, PVT_CLIENT_ERROR_PROTOCOL, "the guest sent an event that is none");
}

static void
take_end (const char *json G_GNUC_UNUSED, gsize len G_GNUC_UNUSED, gpointer user_data)
{
  fail (user_data, PVT_CLIENT_ERROR_DISCONNECTED, "the agent ended the subscription");
}

static const PvtExtendedOps ops = { take_data, take_end };

static void watch_descriptor (PvtWatch *watch);

/* Those who hear of it may stop the watch. */
static void
tell (PvtWatch *watch)
{
  PvtEvent *event;

  watch->pending_bytes = 0;
  while ((event = g_queue_pop_head (&watch->pending)))
    {
      g_signal_emit (watch, signals[SIGNAL_EVENT], 0, event);
      pvt_event_free (event);
    }
  if (watch->extended && watch->failure)
    {
      g_autoptr (GError) failure = g_steal_pointer (&watch->failure);

      disconnect (watch);
      g_signal_emit (watch, signals[SIGNAL_CLOSED], 0, failure);
    }
}

static gboolean
descriptor_ready (gint fd G_GNUC_UNUSED, GIOCondition condition G_GNUC_UNUSED, gpointer data)
{
  g_autoptr (PvtWatch) watch = g_object_ref (data);
  GSource *before = watch->source;

  if (watch->failure == NULL)
    pvt_extended_process (watch->extended, &watch->failure);
  tell (watch);
  if (watch->extended && watch->source == before)
    watch_descriptor (watch);
  return watch->source == before ? G_SOURCE_CONTINUE : G_SOURCE_REMOVE;
}

/* Something came along with the answer to the subscription. */
static gboolean
tell_first (gpointer data)
{
  tell (data);
  return G_SOURCE_REMOVE;
}

static void
watch_descriptor (PvtWatch *watch)
{
  GIOCondition wanted = G_IO_IN | G_IO_HUP | G_IO_ERR;

  if (pvt_extended_wants_write (watch->extended))
    wanted |= G_IO_OUT;
  if (watch->source && wanted == watch->watched)
    return;
  if (watch->source)
    g_source_destroy (watch->source);
  g_clear_pointer (&watch->source, g_source_unref);
  watch->watched = wanted;
  watch->source = g_unix_fd_source_new (pvt_extended_fd (watch->extended), wanted);
  g_source_set_callback (watch->source, G_SOURCE_FUNC (descriptor_ready), watch, NULL);
  g_source_attach (watch->source, watch->context);
}

static void
listen (PvtWatch *watch)
{
  watch->context = g_main_context_ref_thread_default ();
  watch_descriptor (watch);
  if (watch->pending.head || watch->failure)
    {
      g_autoptr (GSource) first = g_idle_source_new ();

      g_source_set_callback (first, tell_first, g_object_ref (watch), g_object_unref);
      g_source_attach (first, watch->context);
    }
}

/* ---- life ---- */

/* Blocking; touches nothing of the main context. */
static gboolean
subscribe (PvtWatch *watch, int timeout_ms, GError **error)
{
  PvtSubscription *subscription = NULL;

  if (watch->extended)
    {
      g_set_error_literal (error, PVT_CLIENT_ERROR, PVT_CLIENT_ERROR_BUSY,
                           "the watch is started already");
      return FALSE;
    }
  g_clear_error (&watch->failure);
  watch->pending_bytes = 0;
  watch->extended = pvt_extended_open (watch->address, timeout_ms, error);
  if (watch->extended == NULL)
    return FALSE;
  if (!pvt_extended_call (watch->extended, &pvt_command_infos[PVT_COMMAND_PVT_SUBSCRIBE],
                          &watch->wanted, &subscription, timeout_ms, &ops, watch, &watch->id, error))
    {
      disconnect (watch);
      return FALSE;
    }
  g_clear_pointer (&watch->subscription, pvt_subscription_free);
  watch->subscription = subscription;
  return TRUE;
}

/**
 * pvt_watch_start:
 * @watch: a #PvtWatch
 * @timeout_ms: most milliseconds to wait for the agent, more than 0
 * @error: set on failure
 *
 * Connects and subscribes, blocking. From then on signals come from the thread's
 * default main context. %PVT_CLIENT_ERROR_UNSUPPORTED: this is no extended
 * channel.
 *
 * Returns: %TRUE on success
 *
 * Since: 1.0
 */
gboolean
pvt_watch_start (PvtWatch *watch, int timeout_ms, GError **error)
{
  g_return_val_if_fail (timeout_ms > 0, FALSE);
  if (!subscribe (watch, timeout_ms, error))
    return FALSE;
  listen (watch);
  return TRUE;
}

static void
start_thread (GTask *task, gpointer source, gpointer data, GCancellable *cancellable G_GNUC_UNUSED)
{
  GError *error = NULL;

  if (subscribe (source, GPOINTER_TO_INT (data), &error))
    g_task_return_boolean (task, TRUE);
  else
    g_task_return_error (task, error);
}

/**
 * pvt_watch_start_async:
 * @watch: a #PvtWatch, which is left alone until @callback
 * @timeout_ms: most milliseconds to wait for the agent, more than 0
 * @callback: (scope async): called when it is done
 * @user_data: (closure): for @callback
 *
 * As pvt_watch_start(), without blocking.
 *
 * Since: 1.0
 */
void
pvt_watch_start_async (PvtWatch *watch, int timeout_ms, GAsyncReadyCallback callback,
                       gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (watch, NULL, callback, user_data);

  g_return_if_fail (timeout_ms > 0);
  g_task_set_task_data (task, GINT_TO_POINTER (timeout_ms), NULL);
  g_task_run_in_thread (task, start_thread);
}

/**
 * pvt_watch_start_finish:
 * @watch: a #PvtWatch
 * @async_result: what the callback got
 * @error: set on failure
 *
 * Ends what pvt_watch_start_async() began.
 *
 * Returns: %TRUE on success: signals come from now on
 *
 * Since: 1.0
 */
gboolean
pvt_watch_start_finish (PvtWatch *watch, GAsyncResult *async_result, GError **error)
{
  if (!g_task_propagate_boolean (G_TASK (async_result), error))
    return FALSE;
  listen (watch);
  return TRUE;
}

/**
 * pvt_watch_stop:
 * @watch: a #PvtWatch
 *
 * Hangs up; no signal comes any more. It may be started again.
 *
 * Since: 1.0
 */
void
pvt_watch_stop (PvtWatch *watch)
{
  disconnect (watch);
}

/**
 * pvt_watch_get_address:
 * @watch: a #PvtWatch
 *
 * The address of the guest, as it was given.
 *
 * Returns: (transfer none): what it was made with
 *
 * Since: 1.0
 */
const char *
pvt_watch_get_address (PvtWatch *watch)
{
  return watch->address;
}

/**
 * pvt_watch_get_agent_version:
 * @watch: a #PvtWatch
 *
 * Which version of its program the agent is.
 *
 * Returns: (transfer none) (nullable): the agent's version; %NULL while not started
 *
 * Since: 1.0
 */
const char *
pvt_watch_get_agent_version (PvtWatch *watch)
{
  return watch->extended ? pvt_extended_version (watch->extended) : NULL;
}

/**
 * pvt_watch_get_subscription:
 * @watch: a #PvtWatch
 *
 * What the agent agreed to send.
 *
 * Returns: (transfer none) (nullable): what the agent said will come; %NULL before
 *   the first start
 *
 * Since: 1.0
 */
const PvtSubscription *
pvt_watch_get_subscription (PvtWatch *watch)
{
  return watch->subscription;
}
