/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* watch: what guests tell by themselves, a line each, for as long as one likes. */
#include "event-text.h"

#include <glib-unix.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#define DEFAULT_HEARTBEAT_S 5

/* A guest that went away is looked for again. */
#define RETRY_MS 2000

typedef struct
{
  double heartbeat, period;
  gint64 count;
  int full_percent;
  char **kinds, **groups;
  gboolean full, no_retry;
} Options;

typedef struct
{
  PvtCli *cli;
  Options options;
  GMainLoop *loop;
  GPtrArray *guests; /* Guest */
  gint64 left;       /* events until the end; -1: no end */
  guint alive;       /* guests that are not given up */
  GError *failure;   /* the last one */
} Watcher;

typedef struct
{
  Watcher *watcher;
  PvtWatch *watch;
  guint retry;
  gboolean was_there;
  char *last_trouble; /* it is not said twice */
} Guest;

static void
free_guest (gpointer data)
{
  Guest *guest = data;

  g_clear_handle_id (&guest->retry, g_source_remove);
  g_signal_handlers_disconnect_by_data (guest->watch, guest);
  g_object_unref (guest->watch);
  g_free (guest->last_trouble);
  g_free (guest);
}

/* ---- lines ---- */

static void
print_line (Guest *guest, gint64 realtime_us, const char *text)
{
  g_autoptr (GDateTime) utc = g_date_time_new_from_unix_utc (realtime_us / G_USEC_PER_SEC);
  g_autoptr (GDateTime) here = utc ? g_date_time_to_local (utc) : NULL;
  g_autofree char *when = here ? g_date_time_format (here, "%H:%M:%S") : g_strdup ("--:--:--");

  if (guest->watcher->guests->len > 1)
    printf ("%s %s %s\n", when, pvt_watch_get_address (guest->watch), text);
  else
    printf ("%s %s\n", when, text);
}

static void
print_trouble (Guest *guest, const char *what)
{
  PvtEvent event = { .event = (char *) "closed" };
  g_autofree char *safe = pvt_safe_text (what);

  if (g_strcmp0 (guest->last_trouble, what) == 0)
    return;
  g_free (guest->last_trouble);
  guest->last_trouble = g_strdup (what);
  event.realtime_ns = g_get_real_time () * 1000;
  if (guest->watcher->cli->json)
    pvt_print_event_json (pvt_watch_get_address (guest->watch), &event);
  else
    {
      g_autofree char *line = g_strconcat ("closed: ", safe, NULL);

      print_line (guest, event.realtime_ns / 1000, line);
    }
  fflush (stdout);
}

static void
on_event (PvtWatch *watch, const PvtEvent *event, gpointer data)
{
  Guest *guest = data;
  Watcher *watcher = guest->watcher;

  if (watcher->left == 0)
    return;
  if (watcher->cli->json)
    pvt_print_event_json (pvt_watch_get_address (watch), event);
  else
    {
      g_autofree char *text = pvt_event_text (watcher->cli, event);

      print_line (guest, event->realtime_ns / 1000, text);
    }
  if (watcher->left > 0)
    watcher->left--;
  if (fflush (stdout) != 0 || watcher->left == 0)
    g_main_loop_quit (watcher->loop);
}

/* ---- coming and going ---- */

static void start (Guest *guest);

static gboolean
try_again (gpointer data)
{
  Guest *guest = data;

  guest->retry = 0;
  start (guest);
  return G_SOURCE_REMOVE;
}

/* Takes the error. */
static void
lost (Guest *guest, GError *failure)
{
  Watcher *watcher = guest->watcher;
  gboolean hopeless = g_error_matches (failure, PVT_CLIENT_ERROR, PVT_CLIENT_ERROR_INVALID_ADDRESS)
                      || g_error_matches (failure, PVT_CLIENT_ERROR, PVT_CLIENT_ERROR_UNSUPPORTED)
                      || failure->domain == PVT_AGENT_ERROR;

  if (watcher->options.no_retry || hopeless || (!guest->was_there && watcher->guests->len == 1))
    {
      if (watcher->guests->len > 1 || guest->was_there)
        print_trouble (guest, failure->message);
      g_clear_error (&watcher->failure);
      watcher->failure = failure;
      if (--watcher->alive == 0)
        g_main_loop_quit (watcher->loop);
      return;
    }
  print_trouble (guest, failure->message);
  g_error_free (failure);
  guest->retry = g_timeout_add (RETRY_MS, try_again, guest);
}

static void
on_closed (PvtWatch *watch G_GNUC_UNUSED, const GError *error, gpointer data)
{
  lost (data, g_error_copy (error));
}

static void
print_unavailable (Guest *guest)
{
  const PvtSubscription *subscription = pvt_watch_get_subscription (guest->watch);

  for (guint i = 0; i < subscription->unavailable->len; i++)
    {
      const PvtUnavailable *what = subscription->unavailable->pdata[i];
      g_autofree char *name = pvt_safe_text (what->name), *why = pvt_safe_text (what->reason);

      fprintf (stderr, "%s: no %s events: %s\n", pvt_watch_get_address (guest->watch), name, why);
    }
}

static void
on_started (GObject *source, GAsyncResult *result, gpointer data)
{
  Guest *guest = data;
  GError *failure = NULL;

  if (!pvt_watch_start_finish (PVT_WATCH (source), result, &failure))
    {
      lost (guest, failure);
      return;
    }
  if (!guest->was_there)
    print_unavailable (guest);
  guest->was_there = TRUE;
  g_clear_pointer (&guest->last_trouble, g_free);
}

static void
start (Guest *guest)
{
  pvt_watch_start_async (guest->watch, guest->watcher->cli->timeout_ms, on_started, guest);
}

/* ---- words ---- */

static gboolean
usage (GError **error, const char *word, const char *what)
{
  g_set_error (error, PVT_CLI_ERROR, PVT_CLI_ERROR_USAGE, "%s %s", word, what);
  return FALSE;
}

static gboolean
add_group (PvtWatch *watch, const Options *o, const char *name, GError **error)
{
  static const char *const names[]
      = { "cpu", "memory", "load", "pressure", "kernel", "disks", "links", "filesystems" };
  gboolean all = strcmp (name, "all") == 0, known = all;

  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    if (all || strcmp (name, names[i]) == 0)
      {
        known = TRUE;
        pvt_watch_add_metrics (watch, (PvtMetricGroup) i, (guint) (o->period * 1000), o->full);
      }
  return known || usage (error, name, "is no group of metrics");
}

static gboolean
add_guest (Watcher *watcher, const char *address, GError **error)
{
  const Options *o = &watcher->options;
  Guest *guest = g_new0 (Guest, 1);

  guest->watcher = watcher;
  guest->watch = pvt_watch_new (address);
  g_ptr_array_add (watcher->guests, guest);
  watcher->alive++;
  pvt_watch_set_heartbeat (guest->watch, (guint) (o->heartbeat * 1000));
  if (o->full_percent > 0)
    pvt_watch_set_full_percent (guest->watch, (guint) o->full_percent);
  for (guint i = 0; o->kinds && o->kinds[i]; i++)
    if (strcmp (o->kinds[i], "none") != 0)
      pvt_watch_add_events (guest->watch, o->kinds[i]);
  if (o->kinds == NULL)
    pvt_watch_add_events (guest->watch, "all");
  for (guint i = 0; o->groups && o->groups[i]; i++)
    if (!add_group (guest->watch, o, o->groups[i], error))
      return FALSE;
  g_signal_connect (guest->watch, "event", G_CALLBACK (on_event), guest);
  g_signal_connect (guest->watch, "closed", G_CALLBACK (on_closed), guest);
  return TRUE;
}

static gboolean
check (const Options *o, GError **error)
{
  if (!isfinite (o->heartbeat) || (o->heartbeat != 0 && (o->heartbeat < 0.1 || o->heartbeat > 3600)))
    return usage (error, "--heartbeat", "takes 0.1 to 3600 seconds, or 0 for none");
  if (!isfinite (o->period) || o->period < 0.1 || o->period > 3600)
    return usage (error, "--period", "takes 0.1 to 3600 seconds");
  if (o->count < 0)
    return usage (error, "--count", "takes a number of events");
  if (o->full_percent < 0 || o->full_percent > 100)
    return usage (error, "--full-percent", "takes 1 to 100");
  return TRUE;
}

static gboolean
quit (gpointer data)
{
  g_main_loop_quit (((Watcher *) data)->loop);
  return G_SOURCE_CONTINUE;
}

static gboolean
watch_all (Watcher *watcher, char *const *addresses, GError **error)
{
  for (guint i = 0; addresses[i]; i++)
    if (!add_guest (watcher, addresses[i], error))
      return FALSE;
  g_unix_signal_add (SIGINT, quit, watcher);
  g_unix_signal_add (SIGTERM, quit, watcher);
  for (guint i = 0; i < watcher->guests->len; i++)
    start (watcher->guests->pdata[i]);
  g_main_loop_run (watcher->loop);
  if (watcher->failure == NULL)
    return TRUE;
  g_propagate_error (error, g_steal_pointer (&watcher->failure));
  return watcher->alive > 0;
}

static gboolean
run_watch (PvtCli *cli, int argc, char **argv, GError **error)
{
  Watcher watcher = { .cli = cli, .options = { .heartbeat = DEFAULT_HEARTBEAT_S, .period = 1 } };
  Options *o = &watcher.options;
  const GOptionEntry entries[] = {
    { "event", 'e', 0, G_OPTION_ARG_STRING_ARRAY, &o->kinds, NULL, NULL },
    { "metrics", 'm', 0, G_OPTION_ARG_STRING_ARRAY, &o->groups, NULL, NULL },
    { "period", 0, 0, G_OPTION_ARG_DOUBLE, &o->period, NULL, NULL },
    { "heartbeat", 0, 0, G_OPTION_ARG_DOUBLE, &o->heartbeat, NULL, NULL },
    { "full-percent", 0, 0, G_OPTION_ARG_INT, &o->full_percent, NULL, NULL },
    { "full", 0, 0, G_OPTION_ARG_NONE, &o->full, NULL, NULL },
    { "count", 0, 0, G_OPTION_ARG_INT64, &o->count, NULL, NULL },
    { "no-retry", 0, 0, G_OPTION_ARG_NONE, &o->no_retry, NULL, NULL },
    { NULL, 0, 0, 0, NULL, NULL, NULL },
  };
  g_auto (GStrv) words = pvt_cli_words (entries, argc, argv, error);
  g_autoptr (GPtrArray) addresses = g_ptr_array_new ();
  gboolean ok = words && check (o, error) && pvt_cli_take_guest (cli, words, error);

  if (ok)
    {
      watcher.loop = g_main_loop_new (NULL, FALSE);
      watcher.guests = g_ptr_array_new_with_free_func (free_guest);
      watcher.left = o->count > 0 ? o->count : -1;
      g_ptr_array_add (addresses, (gpointer) cli->address);
      for (guint i = 0; words[i]; i++)
        g_ptr_array_add (addresses, words[i]);
      g_ptr_array_add (addresses, NULL);
      ok = watch_all (&watcher, (char *const *) addresses->pdata, error);
      g_ptr_array_unref (watcher.guests);
      g_main_loop_unref (watcher.loop);
      g_clear_error (&watcher.failure);
    }
  g_strfreev (o->kinds);
  g_strfreev (o->groups);
  return ok;
}

const PvtVerb pvt_verb_watch
    = { "watch", "[-e EVENT]... [-m GROUP]... [--period S] [--heartbeat S] [--full] [--full-percent N] [--count N] [--no-retry]",
        "heartbeats and events as they come", TRUE, run_watch };
