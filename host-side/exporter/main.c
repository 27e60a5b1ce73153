/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* pvtools-exporter: guests' figures for Prometheus. */
#include "collect.h"
#include "http.h"
#include "monitors.h"
#include "refresh.h"
#include "textfile.h"

#include <glib-unix.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <sys/resource.h>

#define DEFAULT_LISTEN "127.0.0.1:9177"

typedef struct
{
  char *listen, *once, *textfile;
  PvtTargetsConfig targets;
  double timeout, max_age, refresh, page_rest;
  gboolean all_guests, libvirt_names, monitors, version;
} Options;

static gboolean
to_ms (double seconds, double least, const char *option, int *ms, GError **error)
{
  if (isfinite (seconds) && seconds >= least && seconds <= 3600)
    {
      *ms = (int) (seconds * 1000);
      return TRUE;
    }
  g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE, "%s takes %g to 3600 seconds",
               option, least);
  return FALSE;
}

static gboolean
check (const Options *o, int argc, char **argv, PvtGuestsConfig *config, GError **error)
{
  const char *why = NULL;

  if (argc > 1)
    {
      g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_FAILED, "unexpected word '%s'", argv[1]);
      return FALSE;
    }
  gboolean serving = o->all_guests || o->monitors || o->refresh > 0;

  if (o->once && (o->textfile || o->listen))
    why = "--once prints one guest; it does not go with --listen and --textfile";
  else if (o->textfile && o->listen)
    why = "--textfile writes a file and ends; it does not go with --listen";
  else if ((o->once || o->textfile) && serving)
    why = "--all-guests, --monitors and --refresh are for serving; they do not go with --once and --textfile";
  else if (o->monitors && o->targets.qmp == NULL)
    why = "--monitors holds the monitors that --qmp finds, and there is no --qmp";
  if (why)
    g_set_error_literal (error, G_OPTION_ERROR, G_OPTION_ERROR_FAILED, why);
  return !why && to_ms (o->timeout, 0.1, "--timeout", &config->timeout_ms, error)
         && to_ms (o->max_age, 0, "--max-age", &config->max_age_ms, error)
         && to_ms (o->refresh, 0, "--refresh", &config->refresh_ms, error)
         && to_ms (o->page_rest, 0, "--page-rest", &config->rest_ms, error);
}

/* One guest to standard output; the exit code says whether it answered. */
static int
once (PvtGuests *guests, const char *address, int timeout_ms)
{
  g_autoptr (PvtGather) gather
      = pvt_gather_new (guests, (const char *const[]){ address, NULL }, 1,
                        g_get_monotonic_time () + ((gint64) timeout_ms + 1000) * 1000);
  GString *text;
  double up = 0;

  pvt_gather_wait (gather);
  text = pvt_page_guest (gather, address);
  fwrite (text->str, 1, text->len, stdout);
  g_string_free (text, TRUE);
  return fflush (stdout) == 0 && pvt_metrics_get (pvt_gather_result (gather, 0), PVT_F_UP, &up)
                 && up == 1
             ? 0
             : 1;
}

static gboolean
quit (gpointer loop)
{
  g_main_loop_quit (loop);
  return G_SOURCE_CONTINUE;
}

/* A descriptor for each guest being asked and each connection of Prometheus. */
static void
raise_descriptor_limit (void)
{
  struct rlimit limit;

  if (getrlimit (RLIMIT_NOFILE, &limit) < 0)
    return;
  limit.rlim_cur = MIN (limit.rlim_max, 16384);
  setrlimit (RLIMIT_NOFILE, &limit);
}

static int
serve (const char *listen, PvtExporter *exporter, const PvtGuestsConfig *config, GError **error)
{
  g_autoptr (GMainLoop) loop = NULL;
  PvtRefresh *refresh = NULL;
  PvtMonitors *monitors = NULL;
  PvtHttp *http;

  raise_descriptor_limit ();
  /* Before anybody can ask: a guest whose monitor we hold is not asked through a second
   * connection to it, which QEMU would let wait. */
  if (exporter->monitored)
    monitors = pvt_monitors_new (exporter->guests, exporter->targets);
  http = pvt_http_start (listen ? listen : DEFAULT_LISTEN, exporter, config->timeout_ms, error);
  if (http == NULL)
    {
      pvt_monitors_free (monitors);
      return 1;
    }
  loop = g_main_loop_new (NULL, FALSE);
  g_unix_signal_add (SIGTERM, quit, loop);
  g_unix_signal_add (SIGINT, quit, loop);
  g_printerr ("pvtools-exporter: listening on %s\n", pvt_http_address (http));
  if (config->refresh_ms)
    refresh = pvt_refresh_start (exporter->guests, exporter->targets);
  g_main_loop_run (loop);
  pvt_refresh_stop (refresh);
  pvt_monitors_free (monitors);
  pvt_http_stop (http);
  return 0;
}

/* A word that is mistyped looks like a host without guests. */
static void
warn_of_missing (const char *option, char **where)
{
  for (guint i = 0; where && where[i]; i++)
    {
      g_autoptr (GPtrArray) files = pvt_discover_files (where[i], NULL);

      if (files == NULL)
        g_printerr ("pvtools-exporter: %s %s: no directory that can be read; it is looked for again\n",
                    option, where[i]);
    }
}

static int
run (Options *o, int argc, char **argv, GError **error)
{
  PvtGuestsConfig config = { .libvirt_names = o->libvirt_names };
  PvtExporter exporter = { .all_guests = o->all_guests, .monitored = o->monitors };
  int code;

  if (!check (o, argc, argv, &config, error))
    return 2;
  exporter.refreshed = config.refresh_ms > 0;
  warn_of_missing ("--sockets", o->targets.sockets);
  warn_of_missing ("--qmp", o->targets.qmp);
  warn_of_missing ("--pages", o->targets.pages);
  exporter.targets = pvt_targets_new (&o->targets);
  config.page_of = pvt_targets_page;
  config.user_data = exporter.targets;
  exporter.guests = pvt_guests_new (&config);
  if (o->once)
    code = once (exporter.guests, o->once, config.timeout_ms);
  else if (o->textfile)
    code = pvt_textfile_write (&exporter, o->textfile, config.timeout_ms, error) ? 0 : 1;
  else
    code = serve (o->listen, &exporter, &config, error);
  pvt_guests_free (exporter.guests);
  pvt_targets_free (exporter.targets);
  return code;
}

static const char summary[]
    = "Serves figures of KVM guests to Prometheus, as node_exporter would from inside\n"
      "them: /guest?target=ADDRESS one guest, /sd service discovery, /metrics its own.\n\n"
      "DIR is a directory of sockets, or one with a pattern: '/run/qemu-server/*.qga'.";

int
main (int argc, char **argv)
{
  Options o = { .timeout = 5, .max_age = 5, .page_rest = 60 };
  const GOptionEntry entries[] = {
    { "listen", 'l', 0, G_OPTION_ARG_STRING, &o.listen, "where to serve (" DEFAULT_LISTEN ")", "ADDRESS:PORT" },
    { "sockets", 's', 0, G_OPTION_ARG_FILENAME_ARRAY, &o.targets.sockets, "agents' unix sockets; may be given again", "DIR" },
    { "qmp", 'q', 0, G_OPTION_ARG_FILENAME_ARRAY, &o.targets.qmp, "QEMUs' monitors; may be given again", "DIR" },
    { "monitors", 0, 0, G_OPTION_ARG_NONE, &o.monitors, "keep a connection to each of --qmp, for pvtools_guest_health", NULL },
    { "libvirt", 0, 0, G_OPTION_ARG_NONE, &o.targets.libvirt, "running domains of libvirt", NULL },
    { "pages", 'p', 0, G_OPTION_ARG_FILENAME_ARRAY, &o.targets.pages, "memory that guests share, in files named as they are; may be given again", "DIR" },
    { "page-rest", 0, 0, G_OPTION_ARG_DOUBLE, &o.page_rest, "how often a guest whose page serves is asked for what that does not hold; 0 never (60)", "SECONDS" },
    { "allow", 'a', 0, G_OPTION_ARG_STRING_ARRAY, &o.targets.allow, "addresses that may be asked for without being discovered, e.g. 'vsock:*:9999'", "PATTERN" },
    { "all-guests", 0, 0, G_OPTION_ARG_NONE, &o.all_guests, "/metrics has all guests, too, with a label guest", NULL },
    { "libvirt-names", 0, 0, G_OPTION_ARG_NONE, &o.libvirt_names, "the same figures as libvirt_domain_..., too", NULL },
    { "timeout", 't', 0, G_OPTION_ARG_DOUBLE, &o.timeout, "what a guest has for all its answers (5)", "SECONDS" },
    { "max-age", 0, 0, G_OPTION_ARG_DOUBLE, &o.max_age, "how long its figures serve (5)", "SECONDS" },
    { "refresh", 0, 0, G_OPTION_ARG_DOUBLE, &o.refresh, "ask all guests by itself so often, and answer scrapes from memory", "SECONDS" },
    { "once", 0, 0, G_OPTION_ARG_STRING, &o.once, "print one guest's figures and end", "ADDRESS" },
    { "textfile", 0, 0, G_OPTION_ARG_FILENAME, &o.textfile, "write all guests' figures for node_exporter's textfile collector and end", "PATH" },
    { "version", 'V', 0, G_OPTION_ARG_NONE, &o.version, "print the version and exit", NULL },
    { NULL, 0, 0, 0, NULL, NULL, NULL },
  };
  g_autoptr (GOptionContext) context = g_option_context_new (NULL);
  g_autoptr (GError) error = NULL;
  int code;

  /* For messages of others; numbers stay what they are. */
  setlocale (LC_CTYPE, "");
  g_option_context_add_main_entries (context, entries, NULL);
  g_option_context_set_summary (context, summary);
  if (!g_option_context_parse (context, &argc, &argv, &error))
    code = 2;
  else if (o.version)
    code = puts ("pvtools-exporter " PVT_VERSION) < 0;
  else
    code = run (&o, argc, argv, &error);
  if (error)
    g_printerr ("pvtools-exporter: %s\n", error->message);
  g_free (o.listen);
  g_free (o.once);
  g_free (o.textfile);
  return code;
}
