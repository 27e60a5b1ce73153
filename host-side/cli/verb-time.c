/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* time, time get and time sync. */
#include "measure-clock.h"
#include "output.h"

#include <stdio.h>
#include <string.h>

#define NS_PER_S G_GINT64_CONSTANT (1000000000)
#define SYNC_MS 70000

/* The agent steps at most every five seconds, and not by what is out of date. */
#define RETRY_US (5500 * 1000)

/* With a stock qemu-ga the policy is ours: as pvt-sync-clock's. */
#define TOLERANCE_NS (5 * 1000000)
#define JUMP_MAX_NS (366 * 86400 * NS_PER_S)

/* What a guest says is not trusted: it may be any number. */
static gint64
magnitude (gint64 ns)
{
  return ns == G_MININT64 ? G_MAXINT64 : ABS (ns);
}

static char *
offset_text (gint64 offset, gint64 uncertainty)
{
  double s = (double) magnitude (offset) / 1e9, exact = (double) uncertainty / 1e6;

  if (magnitude (offset) <= uncertainty)
    return g_strdup_printf ("none that shows (±%.2f ms)", exact);
  if (s < 0.1)
    return g_strdup_printf ("%.2f ms %s (±%.2f ms)", s * 1e3, offset > 0 ? "behind" : "ahead", exact);
  return g_strdup_printf ("%.3f s %s (±%.2f ms)", s, offset > 0 ? "behind" : "ahead", exact);
}

static const char *
service_text (PvtTimeService service)
{
  static const char *const nicks[] = { "none", "chrony", "timesyncd", "ntpd" };

  return pvt_enum_text (nicks, G_N_ELEMENTS (nicks), service);
}

static const char *
method_text (PvtClockMethod method)
{
  static const char *const nicks[] = { "ignored", "slewed", "stepped", "delegated", "refused" };

  return pvt_enum_text (nicks, G_N_ELEMENTS (nicks), method);
}

static const char *
disruption_text (PvtDisruptionKind kind)
{
  static const char *const nicks[] = { "paused", "resumed", "new generation", "restored", "migrated" };

  return pvt_enum_text (nicks, G_N_ELEMENTS (nicks), kind);
}

static void
print_clock (const PvtClock *clock)
{
  const PvtDisruption *last = clock->last_disruption;
  g_autofree char *service = g_strdup_printf ("%s, %s", service_text (clock->service),
                                              clock->synchronized ? "synchronised" : "not synchronised");
  g_autofree char *source = pvt_safe_text (clock->clocksource);
  g_autofree char *ago = NULL, *text = NULL;
  gint64 since;

  pvt_print_fact ("Time service", service);
  pvt_print_fact ("Clock source", source);
  pvt_print_fact ("RTC in", clock->rtc_is_local ? "local time" : "UTC");
  if (last == NULL)
    return;
  if (__builtin_sub_overflow (clock->boottime, last->boottime, &since))
    since = 0;
  ago = pvt_duration_text ((guint64) MAX (since, 0) / (guint64) NS_PER_S);
  text = g_strdup_printf ("%s, %.3f s, %s; %s ago", disruption_text (last->kind),
                          (double) last->gap_ns / 1e9, method_text (last->method), ago);
  pvt_print_fact ("Last gap", text);
}

static void
print_table (const PvtClockMeasure *m)
{
  gint64 ns = (m->guest_time % NS_PER_S + NS_PER_S) % NS_PER_S;
  g_autoptr (GDateTime) when
      = g_date_time_new_from_unix_utc (m->guest_time / NS_PER_S - (m->guest_time % NS_PER_S < 0));
  g_autofree char *date = when ? g_date_time_format (when, "%F %T") : NULL;
  g_autofree char *text = date ? g_strdup_printf ("%s.%03d UTC", date,
                                                  (int) (ns / 1000000))
                               : g_strdup ("out of range");
  g_autofree char *offset = offset_text (m->offset, m->uncertainty);

  pvt_print_fact ("Guest time", text);
  pvt_print_fact ("Offset", offset);
  if (m->clock)
    print_clock (m->clock);
}

static void
print_measure_json (const PvtClockMeasure *m)
{
  printf ("{\"guest-time-ns\": %" G_GINT64_FORMAT ", \"offset-ns\": %" G_GINT64_FORMAT
          ", \"uncertainty-ns\": %" G_GINT64_FORMAT ", \"samples\": %d",
          m->guest_time, m->offset, m->uncertainty, PVT_CLOCK_SAMPLES);
  if (m->clock)
    printf (", \"service\": \"%s\", \"synchronized\": %s, \"rtc-is-local\": %s",
            service_text (m->clock->service), m->clock->synchronized ? "true" : "false",
            m->clock->rtc_is_local ? "true" : "false");
  puts ("}");
}

static gboolean
run_get (PvtCli *cli, int argc, char **argv, GError **error)
{
  PvtClockMeasure measure = { 0 };
  gboolean ok = pvt_cli_no_words (argc, argv, error)
                && pvt_clock_measure (cli->client, &measure, error);

  if (ok && cli->json)
    print_measure_json (&measure);
  else if (ok)
    print_table (&measure);
  pvt_clock_measure_clear (&measure);
  return ok;
}

const PvtVerb pvt_verb_time = { "time", "", "how far its clock is off", FALSE, run_get };
const PvtVerb pvt_verb_time_get = { "time get", "", "the same", FALSE, run_get };

static void
add_number (JsonBuilder *builder, const char *name, gint64 value)
{
  json_builder_set_member_name (builder, name);
  json_builder_add_int_value (builder, value);
}

static void
add_flag (JsonBuilder *builder, const char *name, gboolean value)
{
  json_builder_set_member_name (builder, name);
  json_builder_add_boolean_value (builder, value);
}

static void
print_sync_json (const PvtClockSync *sync, gint64 uncertainty)
{
  g_autoptr (JsonBuilder) builder = json_builder_new ();
  g_autoptr (JsonNode) node = NULL;

  json_builder_begin_object (builder);
  pvt_json_add_text (builder, "method", method_text (sync->method));
  pvt_json_add_text (builder, "why", sync->why);
  pvt_json_add_text (builder, "service", service_text (sync->service));
  add_flag (builder, "tracking", sync->tracking);
  add_number (builder, "offset-before-ns", sync->offset_before_ns);
  add_number (builder, "offset-after-ns", sync->offset_after_ns);
  add_number (builder, "uncertainty-ns", uncertainty);
  add_flag (builder, "rtc-written", sync->rtc_written);
  json_builder_end_object (builder);
  node = json_builder_get_root (builder);
  pvt_print_json (node);
}

static void
print_sync (const PvtCli *cli, const PvtClockSync *sync, gint64 uncertainty)
{
  g_autofree char *why = pvt_safe_text (sync->why);
  g_autofree char *before = offset_text (sync->offset_before_ns, uncertainty);
  g_autofree char *after = offset_text (sync->offset_after_ns, uncertainty);

  if (cli->json)
    {
      print_sync_json (sync, uncertainty);
      return;
    }
  pvt_print_fact ("Offset", before);
  printf ("%-12s %s: %s\n", "Done", method_text (sync->method), why);
  if (sync->method == PVT_CLOCK_METHOD_STEPPED || sync->method == PVT_CLOCK_METHOD_DELEGATED)
    pvt_print_fact ("Left", after);
}

/* What it is refused for is the caller's to decide. */
static gboolean
check_sync (const PvtClockSync *sync, GError **error)
{
  if (sync->method != PVT_CLOCK_METHOD_REFUSED)
    return TRUE;
  g_set_error (error, PVT_CLIENT_ERROR, PVT_CLIENT_ERROR_FAILED, "the clock was left as it is: %s%s",
               sync->why,
               sync->offset_before_ns < 0 ? " (--allow-backward, --force)" : " (--force)");
  return FALSE;
}

static PvtClockSync *
sync_once (PvtCli *cli, gboolean backward, gboolean force, PvtClockMeasure *measure, GError **error)
{
  PvtSyncClockArgs args = { .has_base_ns = TRUE, .has_allow_backward = backward,
                            .allow_backward = backward, .has_force = force, .force = force };

  pvt_clock_measure_clear (measure);
  if (!pvt_clock_measure (cli->client, measure, error))
    return NULL;
  args.offset_ns = measure->offset;
  args.uncertainty_ns = measure->uncertainty;
  args.has_base_ns = measure->clock != NULL
                     && !__builtin_sub_overflow (measure->clock->realtime, measure->clock->boottime,
                                                 &args.base_ns);
  return pvt_client_sync_clock (cli->client, &args, SYNC_MS, NULL, error);
}

/* It was ignored though it was off: once more, later. */
static gboolean
wants_retry (const PvtClockSync *sync, gint64 uncertainty)
{
  return sync->method == PVT_CLOCK_METHOD_IGNORED && !sync->tracking
         && magnitude (sync->offset_before_ns) >= TOLERANCE_NS
         && magnitude (sync->offset_before_ns) > uncertainty;
}

static gboolean
sync_ours (PvtCli *cli, gboolean backward, gboolean force, PvtClockMeasure *measure, GError **error)
{
  PvtClockSync *sync = sync_once (cli, backward, force, measure, error);
  gboolean ok;

  if (sync && wants_retry (sync, measure->uncertainty))
    {
      pvt_clock_sync_free (sync);
      g_usleep (RETRY_US);
      sync = sync_once (cli, backward, force, measure, error);
    }
  if (sync == NULL)
    return FALSE;
  ok = check_sync (sync, error);
  if (ok)
    print_sync (cli, sync, measure->uncertainty);
  pvt_clock_sync_free (sync);
  return ok;
}

/* A stock qemu-ga can only set the clock: so forward only, unless told. */
static gboolean
sync_stock (PvtCli *cli, gboolean backward, gboolean force, const PvtClockMeasure *m, GError **error)
{
  PvtGuestSetTimeArgs args = { .has_time = TRUE };
  PvtClockSync sync = { .why = (char *) "by guest-set-time", .method = PVT_CLOCK_METHOD_STEPPED,
                        .offset_before_ns = m->offset, .rtc_written = TRUE };

  if (ABS (m->offset) < TOLERANCE_NS || ABS (m->offset) <= m->uncertainty)
    {
      sync.method = PVT_CLOCK_METHOD_IGNORED;
      sync.why = (char *) "less than 5 ms, or than the measurement is exact to";
      sync.offset_after_ns = m->offset;
      sync.rtc_written = FALSE;
    }
  else if (m->offset < 0 && !backward)
    sync.method = PVT_CLOCK_METHOD_REFUSED, sync.why = (char *) "the guest is ahead, and time does not go back unasked";
  else if (ABS (m->offset) > JUMP_MAX_NS && !force)
    sync.method = PVT_CLOCK_METHOD_REFUSED, sync.why = (char *) "the jump is longer than a year";
  if (!check_sync (&sync, error))
    return FALSE;
  args.time = g_get_real_time () * 1000 + m->uncertainty;
  if (sync.method == PVT_CLOCK_METHOD_STEPPED
      && !pvt_client_guest_set_time (cli->client, &args, SYNC_MS, NULL, error))
    return FALSE;
  print_sync (cli, &sync, m->uncertainty);
  return TRUE;
}

static gboolean
run_sync (PvtCli *cli, int argc, char **argv, GError **error)
{
  gboolean backward = FALSE, force = FALSE, ours, ok;
  const GOptionEntry entries[] = {
    { "allow-backward", 0, 0, G_OPTION_ARG_NONE, &backward, NULL, NULL },
    { "force", 0, 0, G_OPTION_ARG_NONE, &force, NULL, NULL },
    { NULL, 0, 0, 0, NULL, NULL, NULL },
  };
  g_auto (GStrv) words = pvt_cli_words (entries, argc, argv, error);
  PvtClockMeasure measure = { 0 };
  GError *failure = NULL;

  if (words == NULL || !pvt_cli_no_words ((int) g_strv_length (words), words, error))
    return FALSE;
  ours = pvt_client_has_command (cli->client, "pvt-sync-clock", -1, NULL, &failure);
  if (failure)
    {
      g_propagate_error (error, failure);
      return FALSE;
    }
  if (ours)
    ok = sync_ours (cli, backward, force, &measure, error);
  else
    ok = pvt_clock_measure (cli->client, &measure, error)
         && sync_stock (cli, backward, force, &measure, error);
  pvt_clock_measure_clear (&measure);
  return ok;
}

const PvtVerb pvt_verb_time_sync = { "time sync", "[--allow-backward] [--force]",
                                     "put its clock right, gently", FALSE, run_sync };
