/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* health: how guests are, now or for as long as one looks, and what is done when
 * one crashed or hangs. */
#include "host-side/health/crash-store.h"
#include "host-side/health/watch.h"
#include "json-text.h"
#include "output.h"

#include <glib-unix.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define SECOND G_GINT64_CONSTANT (1000000)

/* A single look: a part of the time there is for it. */
#define GLANCES 10

typedef struct
{
  gboolean follow, push;
  char *on_panic, *on_hang, *limit, *console, *crash_directory;
  double interval, lost, hang, boot, frozen, dump, grace;
} Words;

typedef struct
{
  PvtCli *cli;
  gboolean follow;
  GMainLoop *loop;
  GPtrArray *watches;
  guint undecided; /* without --follow: how many are looked at still */
} Health;

/* ---- words ---- */

static gboolean
parse_action (const char *option, const char *text, PvtAction *action, GError **error)
{
  if (text == NULL || pvt_action_parse (text, action))
    return TRUE;
  g_set_error (error, PVT_CLI_ERROR, PVT_CLI_ERROR_USAGE,
               "%s %s: none, reset, poweroff or run:COMMAND was expected", option, text);
  return FALSE;
}

static gboolean
take_seconds (const char *option, double seconds, gint64 *limit, GError **error)
{
  if (!pvt_cli_check_seconds (option, seconds, TRUE, error))
    return FALSE;
  if (seconds > 0)
    *limit = (gint64) (seconds * 1000000.0);
  return TRUE;
}

static gboolean
take_limits (const Words *words, PvtHealthWatchConfig *config, GError **error)
{
  return take_seconds ("--interval", words->interval, &config->interval, error)
         && take_seconds ("--lost-after", words->lost, &config->limits.lost, error)
         && take_seconds ("--hung-after", words->hang, &config->limits.hang, error)
         && take_seconds ("--boot", words->boot, &config->limits.boot, error)
         && take_seconds ("--frozen", words->frozen, &config->limits.frozen, error)
         && take_seconds ("--grace", words->grace, &config->grace, error)
         && take_seconds ("--dump", words->dump, &config->limits.dump, error);
}

/* One look has --timeout for all: what did not answer then does not. */
static void
set_glance (const PvtCli *cli, PvtHealthWatchConfig *config)
{
  gint64 time = (gint64) cli->timeout_ms * 1000;

  config->limits.lost = config->limits.hang = config->limits.boot = config->limits.frozen = time;
  config->interval = MAX (time / GLANCES, 1000);
}

static gboolean
needs_monitor (const PvtAction *action)
{
  return action->kind == PVT_ACTION_RESET || action->kind == PVT_ACTION_POWER_OFF;
}

static gboolean
check_guests (char **guests, const PvtHealthWatchConfig *config, GError **error)
{
  for (guint i = 0; guests[i]; i++)
    if ((needs_monitor (&config->on_panic) || needs_monitor (&config->on_hang))
        && !g_str_has_prefix (guests[i], "qemu:"))
      {
        g_set_error (error, PVT_CLI_ERROR, PVT_CLI_ERROR_USAGE,
                     "%s: reset and poweroff need QEMU's monitor, qemu:/qmp-socket; run:COMMAND works "
                     "everywhere",
                     guests[i]);
        return FALSE;
      }
  return TRUE;
}

static gboolean
take_words (PvtCli *cli, const Words *words, char **guests, PvtHealthWatchConfig *config, GError **error)
{
  gboolean acts = words->on_panic || words->on_hang || words->limit || words->console
                  || words->crash_directory;

  if (acts && !words->follow)
    {
      g_set_error_literal (error, PVT_CLI_ERROR, PVT_CLI_ERROR_USAGE,
                           "--on-panic, --on-hang, --limit, --console and --crash-dir need --follow");
      return FALSE;
    }
  if (words->console && guests[1])
    {
      g_set_error_literal (error, PVT_CLI_ERROR, PVT_CLI_ERROR_USAGE,
                           "--console is that of a single guest");
      return FALSE;
    }
  config->source = words->push ? &pvt_heartbeat_push : &pvt_heartbeat_poll;
  config->console = words->console;
  config->crash_directory = words->crash_directory ? words->crash_directory
                            : words->console       ? PVT_CRASH_DIRECTORY
                                                   : NULL;
  if (!parse_action ("--on-panic", words->on_panic, &config->on_panic, error)
      || !parse_action ("--on-hang", words->on_hang, &config->on_hang, error))
    return FALSE;
  if (words->limit && !pvt_action_limit_parse (words->limit, &config->limit))
    {
      g_set_error (error, PVT_CLI_ERROR, PVT_CLI_ERROR_USAGE,
                   "--limit %s: N/PERIOD was expected, as in 3/10m", words->limit);
      return FALSE;
    }
  if (!words->follow)
    set_glance (cli, config);
  return take_limits (words, config, error) && check_guests (guests, config, error);
}

/* ---- what is printed ---- */

static void
print_object (JsonBuilder *builder)
{
  g_autoptr (JsonNode) root = json_builder_get_root (builder);
  g_autofree char *text = pvt_json_text (root, FALSE);

  puts (text);
  fflush (stdout);
}

static char *
now_text (void)
{
  g_autoptr (GDateTime) now = g_date_time_new_now_utc ();

  return g_date_time_format (now, "%Y-%m-%dT%H:%M:%SZ");
}

static void
print_change (const Health *health, PvtHealthWatch *watch, const PvtHealthChange *change)
{
  const char *to = pvt_health_state_name (change->to), *from = pvt_health_state_name (change->from);
  g_autofree char *when = now_text (), *guest = pvt_safe_text (pvt_health_watch_address (watch));
  g_autoptr (JsonBuilder) builder = json_builder_new ();

  if (!health->cli->json)
    {
      printf ("%s  %s  %s -> %s (%s)\n", when, guest, from, to, change->cause);
      fflush (stdout);
      return;
    }
  json_builder_begin_object (builder);
  pvt_json_add_text (builder, "time", when);
  pvt_json_add_text (builder, "guest", guest);
  pvt_json_add_text (builder, "state", to);
  pvt_json_add_text (builder, "before", from);
  pvt_json_add_text (builder, "cause", change->cause);
  json_builder_end_object (builder);
  print_object (builder);
}

static void
print_action (const Health *health, PvtHealthWatch *watch, const PvtAction *action, gboolean refused)
{
  g_autofree char *when = now_text (), *guest = pvt_safe_text (pvt_health_watch_address (watch));
  g_autoptr (JsonBuilder) builder = json_builder_new ();

  if (!health->cli->json)
    {
      printf ("%s  %s  %s%s\n", when, guest, pvt_action_name (action->kind),
              refused ? ": not done, the limit is reached" : "");
      fflush (stdout);
      return;
    }
  json_builder_begin_object (builder);
  pvt_json_add_text (builder, "time", when);
  pvt_json_add_text (builder, "guest", guest);
  pvt_json_add_text (builder, "action", pvt_action_name (action->kind));
  json_builder_set_member_name (builder, "done");
  json_builder_add_boolean_value (builder, !refused);
  json_builder_end_object (builder);
  print_object (builder);
}

static void
print_states (const Health *health)
{
  static const char *const headers[] = { "GUEST", "STATE", "CAUSE", NULL };
  PvtTable *table = pvt_table_new (health->cli, headers);

  for (guint i = 0; i < health->watches->len; i++)
    {
      const PvtHealthWatch *watch = health->watches->pdata[i];

      pvt_table_row (table, pvt_health_watch_address (watch),
                     pvt_health_state_name (pvt_health_watch_state (watch)),
                     *pvt_health_watch_cause (watch) ? pvt_health_watch_cause (watch) : "-", NULL);
    }
  pvt_table_print (table);
}

static void
print_states_json (const Health *health)
{
  g_autoptr (JsonBuilder) builder = json_builder_new ();
  g_autoptr (JsonNode) root = NULL;

  json_builder_begin_array (builder);
  for (guint i = 0; i < health->watches->len; i++)
    {
      const PvtHealthWatch *watch = health->watches->pdata[i];

      json_builder_begin_object (builder);
      pvt_json_add_text (builder, "guest", pvt_health_watch_address (watch));
      pvt_json_add_text (builder, "state", pvt_health_state_name (pvt_health_watch_state (watch)));
      pvt_json_add_text (builder, "cause", pvt_health_watch_cause (watch));
      json_builder_end_object (builder);
    }
  json_builder_end_array (builder);
  root = json_builder_get_root (builder);
  pvt_print_json (root);
}

/* ---- watching ---- */

static void
changed (PvtHealthWatch *watch, const PvtHealthChange *change, gpointer user_data)
{
  Health *health = user_data;

  if (health->follow)
    print_change (health, watch, change);
  else if (change->from == PVT_HEALTH_STARTING && --health->undecided == 0)
    g_main_loop_quit (health->loop);
}

static void
acted (PvtHealthWatch *watch, const PvtAction *action, gboolean refused, gpointer user_data)
{
  print_action (user_data, watch, action, refused);
}

static void
note (PvtHealthWatch *watch, const char *text, gpointer user_data G_GNUC_UNUSED)
{
  g_autofree char *guest = pvt_safe_text (pvt_health_watch_address (watch)), *safe = pvt_safe_text (text);

  fprintf (stderr, "pvtools: health %s: %s\n", guest, safe);
}

static const PvtHealthWatchOps watch_ops = { changed, acted, note };

static gboolean
interrupt (gpointer user_data)
{
  g_main_loop_quit (((Health *) user_data)->loop);
  return G_SOURCE_CONTINUE;
}

/* The worst of them all, in the order of the exit codes' help. */
static PvtExit
exit_code (const Health *health)
{
  static const PvtExit codes[PVT_HEALTH_N_STATES] = {
    [PVT_HEALTH_STARTING] = PVT_EXIT_STARTING,   [PVT_HEALTH_OK] = PVT_EXIT_OK,
    [PVT_HEALTH_AGENT_LOST] = PVT_EXIT_AGENT_LOST, [PVT_HEALTH_GUEST_HUNG] = PVT_EXIT_GUEST_HUNG,
    [PVT_HEALTH_PANICKED] = PVT_EXIT_PANICKED,   [PVT_HEALTH_DUMPING] = PVT_EXIT_DUMPING,
    [PVT_HEALTH_REBOOTED] = PVT_EXIT_STARTING,   [PVT_HEALTH_SHUT_DOWN] = PVT_EXIT_SHUT_DOWN,
    [PVT_HEALTH_PAUSED] = PVT_EXIT_PAUSED,       [PVT_HEALTH_FROZEN] = PVT_EXIT_FROZEN,
  };
  PvtExit worst = PVT_EXIT_OK;

  for (guint i = 0; i < health->watches->len; i++)
    worst = MAX (worst, codes[pvt_health_watch_state (health->watches->pdata[i])]);
  return worst;
}

static gboolean
watch_all (Health *health, char **guests, PvtHealthWatchConfig *config, GError **error)
{
  guint signals[] = { g_unix_signal_add (SIGINT, interrupt, health),
                      g_unix_signal_add (SIGTERM, interrupt, health) };
  gboolean ok = TRUE;
  PvtHealthWatch *watch;

  for (guint i = 0; guests[i]; i++)
    {
      config->address = guests[i];
      watch = pvt_health_watch_new (config, &watch_ops, health, error);
      if (watch)
        g_ptr_array_add (health->watches, watch);
      ok = ok && watch;
    }
  health->undecided = health->watches->len;
  if (ok)
    g_main_loop_run (health->loop);
  for (guint i = 0; i < G_N_ELEMENTS (signals); i++)
    g_source_remove (signals[i]);
  return ok;
}

static gboolean
report (PvtCli *cli, const Words *words, char **guests, PvtHealthWatchConfig *config, GError **error)
{
  Health health = { cli, words->follow, g_main_loop_new (NULL, FALSE),
                    g_ptr_array_new_with_free_func ((GDestroyNotify) pvt_health_watch_free), 0 };
  gboolean ok = watch_all (&health, guests, config, error);

  if (ok && !words->follow && cli->json)
    print_states_json (&health);
  else if (ok && !words->follow)
    print_states (&health);
  if (ok)
    cli->exit_code = exit_code (&health);
  g_ptr_array_unref (health.watches);
  g_main_loop_unref (health.loop);
  return ok;
}

static char **
parse (PvtCli *cli, int argc, char **argv, Words *words, GError **error)
{
  const GOptionEntry entries[] = {
    { "follow", 'f', 0, G_OPTION_ARG_NONE, &words->follow, NULL, NULL },
    { "push", 0, 0, G_OPTION_ARG_NONE, &words->push, NULL, NULL },
    { "on-panic", 0, 0, G_OPTION_ARG_STRING, &words->on_panic, NULL, NULL },
    { "on-hang", 0, 0, G_OPTION_ARG_STRING, &words->on_hang, NULL, NULL },
    { "limit", 0, 0, G_OPTION_ARG_STRING, &words->limit, NULL, NULL },
    { "console", 0, 0, G_OPTION_ARG_FILENAME, &words->console, NULL, NULL },
    { "crash-dir", 0, 0, G_OPTION_ARG_FILENAME, &words->crash_directory, NULL, NULL },
    { "interval", 0, 0, G_OPTION_ARG_DOUBLE, &words->interval, NULL, NULL },
    { "lost-after", 0, 0, G_OPTION_ARG_DOUBLE, &words->lost, NULL, NULL },
    { "hung-after", 0, 0, G_OPTION_ARG_DOUBLE, &words->hang, NULL, NULL },
    { "boot", 0, 0, G_OPTION_ARG_DOUBLE, &words->boot, NULL, NULL },
    { "frozen", 0, 0, G_OPTION_ARG_DOUBLE, &words->frozen, NULL, NULL },
    { "grace", 0, 0, G_OPTION_ARG_DOUBLE, &words->grace, NULL, NULL },
    { "dump", 0, 0, G_OPTION_ARG_DOUBLE, &words->dump, NULL, NULL },
    { NULL, 0, 0, 0, NULL, NULL, NULL },
  };
  g_auto (GStrv) rest = pvt_cli_words (entries, argc, argv, error);
  g_autoptr (GPtrArray) guests = g_ptr_array_new ();

  if (rest == NULL || !pvt_cli_take_guest (cli, rest, error))
    return NULL;
  g_ptr_array_add (guests, g_strdup (cli->address));
  for (guint i = 0; rest[i]; i++)
    g_ptr_array_add (guests, g_strdup (rest[i]));
  g_ptr_array_add (guests, NULL);
  return (char **) g_ptr_array_free (g_steal_pointer (&guests), FALSE);
}

static gboolean
run_health (PvtCli *cli, int argc, char **argv, GError **error)
{
  PvtHealthWatchConfig config = { .limits = pvt_health_default_limits, .interval = 5 * SECOND, .grace = 5 * SECOND,
                            .limit = pvt_action_default_limit };
  Words words = { 0 };
  g_auto (GStrv) guests = parse (cli, argc, argv, &words, error);
  gboolean ok = guests && take_words (cli, &words, guests, &config, error)
                && report (cli, &words, guests, &config, error);

  pvt_action_clear (&config.on_panic);
  pvt_action_clear (&config.on_hang);
  g_free (words.on_panic);
  g_free (words.on_hang);
  g_free (words.limit);
  g_free (words.console);
  g_free (words.crash_directory);
  return ok;
}

const PvtVerb pvt_verb_health
    = { "health", "[GUEST...] [--follow] [--on-panic DO] [--on-hang DO] [--limit N/PERIOD] [--crash-dir DIR] "
                  "[--console PATH]",
        "well, lost, hung, crashed, paused? --follow: each change", TRUE, run_health };
