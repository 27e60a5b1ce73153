/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "time-service.h"

#include "child.h"
#include "clock-state.h"
#include "text.h"

#include <dirent.h>
#include <math.h>
#include <string.h>

#define ASK_MS 3000
#define RECENT_NS (30 * G_GINT64_CONSTANT (1000000000))

/* Of "chronyc -c tracking", from 0: what chronyd is about to correct, in s. */
#define CORRECTION_FIELD 4
#define STEP_SECONDS 0.1

/* Processes looked at: a bound, not an expectation. */
#define MAX_PROCESSES 32768

static const char *const names[] = {
  [PVT_SERVICE_NONE] = "none",
  [PVT_SERVICE_CHRONY] = "chrony",
  [PVT_SERVICE_TIMESYNCD] = "timesyncd",
  [PVT_SERVICE_NTPD] = "ntpd",
};

/* As /proc/PID/comm has them, cut to 15 bytes: proc(5). */
static const char *const processes[] = {
  [PVT_SERVICE_CHRONY] = "chronyd",
  [PVT_SERVICE_TIMESYNCD] = "systemd-timesyn",
  [PVT_SERVICE_NTPD] = "ntpd",
};

static PvtTimeServiceKind
kind_of_process (int proc_fd, const char *pid)
{
  char path[64], comm[32];

  g_snprintf (path, sizeof path, "%s/comm", pid);
  if (strlen (pid) > 20 || pvt_read_at (proc_fd, path, comm, sizeof comm) <= 0)
    return PVT_SERVICE_NONE;
  for (guint i = PVT_SERVICE_CHRONY; i < G_N_ELEMENTS (processes); i++)
    if (strcmp (comm, processes[i]) == 0)
      return i;
  return PVT_SERVICE_NONE;
}

PvtTimeServiceKind
pvt_time_service_find (const PvtRoot *root)
{
  int fd = pvt_open_dir_at (root->fd, "proc");
  DIR *dir = fd >= 0 ? fdopendir (fd) : NULL;
  PvtTimeServiceKind kind = PVT_SERVICE_NONE;
  guint n = 0;

  for (struct dirent *entry;
       dir && kind == PVT_SERVICE_NONE && n < MAX_PROCESSES && (entry = readdir (dir)) != NULL;)
    if (g_ascii_isdigit (entry->d_name[0]))
      {
        kind = kind_of_process (fd, entry->d_name);
        n++;
      }
  if (dir)
    closedir (dir);
  return kind;
}

PvtTimeServiceKind
pvt_time_service_find_recent (const PvtRoot *root)
{
  static PvtTimeServiceKind found; /* main loop only */
  static gint64 looked;
  gint64 now = pvt_clock_boottime ();

  if (looked == 0 || now - looked > RECENT_NS)
    {
      found = pvt_time_service_find (root);
      looked = now;
    }
  return found;
}

/* chronyc(1): reference id first, leap status last; "Not synchronised" is the
 * one that means no. 7F7F0101 is chronyd's own clock, not a source. */
gboolean
pvt_chrony_is_tracking (const char *text, gsize len)
{
  static const char *const good[] = { "Normal", "Insert second", "Delete second" };
  PvtText all = pvt_text (text, len), line;
  const char *comma;

  if (!pvt_text_line (&all, &line) || pvt_text_starts (line, "7F7F0101,")
      || pvt_text_starts (line, "00000000,"))
    return FALSE;
  comma = memrchr (line.p, ',', (gsize) (line.end - line.p));
  if (comma == NULL)
    return FALSE;
  for (guint i = 0; i < G_N_ELEMENTS (good); i++)
    if (pvt_text_is ((PvtText){ comma + 1, line.end }, good[i]))
      return TRUE;
  return FALSE;
}

gboolean
pvt_chrony_correction (const char *text, gsize len, double *seconds)
{
  PvtText all = pvt_text (text, len), line;
  const char *p, *comma;
  char field[32], *end;

  if (!pvt_text_line (&all, &line))
    return FALSE;
  p = line.p;
  for (guint i = 0; i < CORRECTION_FIELD; i++, p = comma + 1)
    if ((comma = memchr (p, ',', (gsize) (line.end - p))) == NULL)
      return FALSE;
  comma = memchr (p, ',', (gsize) (line.end - p));
  if (comma == NULL || comma == p || (gsize) (comma - p) >= sizeof field)
    return FALSE;
  memcpy (field, p, (gsize) (comma - p));
  field[comma - p] = '\0';
  *seconds = g_ascii_strtod (field, &end);
  return *end == '\0' && isfinite (*seconds);
}

static gboolean
run (const char *const *argv, PvtChildOutcome *outcome, GError **error)
{
  PvtChildSpec spec = { .argv = (char *const *) argv, .env = pvt_child_plain_env (), .directory = "/" };
  g_autofree char *why = NULL;

  if (!pvt_child_run (&spec, NULL, 0, ASK_MS, NULL, outcome, error))
    return FALSE;
  if (pvt_child_succeeded (outcome))
    return TRUE;
  why = pvt_child_describe (outcome, ASK_MS);
  g_set_error (error, G_FILE_ERROR, G_FILE_ERROR_FAILED, "%s %s", argv[0], why);
  return FALSE;
}

static gboolean
ask_chrony (PvtChildOutcome *outcome)
{
  const char *const argv[] = { "chronyc", "-c", "-n", "tracking", NULL };

  return run (argv, outcome, NULL);
}

static gboolean
chrony_tracks (void)
{
  PvtChildOutcome outcome;

  return ask_chrony (&outcome)
         && pvt_chrony_is_tracking (outcome.output, strlen (outcome.output));
}

gboolean
pvt_time_service_tracking (PvtTimeServiceKind kind)
{
  switch (kind)
    {
    case PVT_SERVICE_CHRONY:
      return chrony_tracks ();
    case PVT_SERVICE_TIMESYNCD:
    case PVT_SERVICE_NTPD:
      /* Both clear STA_UNSYNC of adjtimex(2), which the kernel sets again when
       * nobody has confirmed the time for some hours. */
      return pvt_clock_is_synchronized ();
    case PVT_SERVICE_NONE:
    default:
      return FALSE;
    }
}

gboolean
pvt_time_service_trigger (PvtTimeServiceKind kind, GError **error)
{
  /* What it measured before the jump does not fit what it will: chronyc(1). Not
   * known before chrony 4.0, which then takes longer. */
  const char *const reset[] = { "chronyc", "reset", "sources", NULL };
  const char *const burst[] = { "chronyc", "burst", "4/8", NULL };
  /* It asks its servers at its start, and steps what is more than 0.4 s. */
  const char *const restart[] = { "systemctl", "try-restart", "systemd-timesyncd.service", NULL };
  PvtChildOutcome outcome;

  switch (kind)
    {
    case PVT_SERVICE_CHRONY:
      run (reset, &outcome, NULL);
      return run (burst, &outcome, error);
    case PVT_SERVICE_TIMESYNCD:
      return run (restart, &outcome, error);
    case PVT_SERVICE_NTPD:
    case PVT_SERVICE_NONE:
    default:
      return TRUE; /* ntpd has no such order: it steps by itself once it is sure */
    }
}

void
pvt_time_service_push (PvtTimeServiceKind kind)
{
  const char *const makestep[] = { "chronyc", "makestep", NULL };
  PvtChildOutcome outcome;
  double correction;

  /* Only once it has measured: a step of nothing disturbs the measurement. */
  if (kind == PVT_SERVICE_CHRONY && ask_chrony (&outcome)
      && pvt_chrony_correction (outcome.output, strlen (outcome.output), &correction)
      && fabs (correction) >= STEP_SECONDS)
    run (makestep, &outcome, NULL);
}

const char *
pvt_time_service_name (PvtTimeServiceKind kind)
{
  return names[kind];
}
