/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* quiesce and snapshot: work that is done while guests are held still. */
#include "host-side/snapshot/report.h"
#include "output.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define DEFAULT_DEADLINE_S 60

/* QEMU creates files in a transaction: disks may be slow. */
#define QMP_MS 60000

static volatile gint interrupted;
static pid_t command_pid;

/* The command is told, too; the thaw follows its end. */
static void
on_signal (int number)
{
  interrupted = number;
  if (command_pid > 0)
    kill (command_pid, number);
}

static const int caught[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT };

static void
catch_signals (void)
{
  struct sigaction action = { .sa_handler = on_signal };

  for (guint i = 0; i < G_N_ELEMENTS (caught); i++)
    sigaction (caught[i], &action, NULL);
  signal (SIGPIPE, SIG_IGN);
}

/* So that the command, which is born with our handlers, loses none. */
static void
hold_signals (int how)
{
  sigset_t set;

  sigemptyset (&set);
  for (guint i = 0; i < G_N_ELEMENTS (caught); i++)
    sigaddset (&set, caught[i]);
  pthread_sigmask (how, &set, NULL);
}

/* What both verbs are told. */
typedef struct
{
  double deadline;
  gboolean require, prefer;
  char **mountpoints;
  char *to;
  char **guests;
} Words;

static gboolean
parse (PvtCli *cli, gboolean snapshot, int argc, char **argv, Words *words, GError **error)
{
  const GOptionEntry entries[] = {
    { "deadline", 0, 0, G_OPTION_ARG_DOUBLE, &words->deadline, NULL, NULL },
    { "require", 0, 0, G_OPTION_ARG_NONE, &words->require, NULL, NULL },
    { "prefer", 0, 0, G_OPTION_ARG_NONE, &words->prefer, NULL, NULL },
    { "mountpoint", 0, 0, G_OPTION_ARG_STRING_ARRAY, &words->mountpoints, NULL, NULL },
    { snapshot ? "to" : NULL, 0, 0, G_OPTION_ARG_STRING, &words->to, NULL, NULL },
    { NULL, 0, 0, 0, NULL, NULL, NULL },
  };

  words->deadline = DEFAULT_DEADLINE_S;
  words->guests = pvt_cli_words (entries, argc, argv, error);
  if (words->guests == NULL || !pvt_cli_take_guest (cli, words->guests, error) || !pvt_cli_check_seconds ("--deadline", words->deadline, FALSE, error))
    return FALSE;
  if (words->require && words->prefer)
    {
      g_set_error_literal (error, PVT_CLI_ERROR, PVT_CLI_ERROR_USAGE,
                           "--require and --prefer exclude each other");
      return FALSE;
    }
  return TRUE;
}

static void
clear_words (Words *words)
{
  g_strfreev (words->mountpoints);
  g_strfreev (words->guests);
  g_free (words->to);
}

/* Errors name the guest they are about from here on. */
static PvtGroup *
make_group (PvtCli *cli, const Words *words)
{
  PvtGroup *group = pvt_group_new ((guint) (words->deadline * 1000), !words->prefer, cli->timeout_ms);

  group->mountpoints = words->mountpoints;
  pvt_group_add (group, cli->address);
  for (gsize i = 0; words->guests[i]; i++)
    pvt_group_add (group, words->guests[i]);
  cli->address = NULL;
  return group;
}

static gboolean
is_stuck (const PvtGroup *group)
{
  for (guint i = 0; i < group->guests->len; i++)
    if (((const PvtHeldGuest *) group->guests->pdata[i])->stuck)
      return TRUE;
  return FALSE;
}

/* The worst that happened counts. */
static PvtExit
outcome (const PvtGroup *group, gboolean done)
{
  if (is_stuck (group))
    return PVT_EXIT_STUCK;
  if (interrupted)
    return PVT_EXIT_INTERRUPTED;
  if (!done)
    return PVT_EXIT_WORK_FAILED;
  switch (pvt_group_held (group))
    {
    case PVT_HELD_PROVEN:
      return PVT_EXIT_OK;
    case PVT_HELD_UNPROVEN:
      return PVT_EXIT_UNPROVEN;
    case PVT_HELD_NOT:
      return PVT_EXIT_NOT_FROZEN;
    case PVT_HELD_LOST:
    default:
      return PVT_EXIT_NOT_CONSISTENT;
    }
}

static void
print_guests (FILE *to, const PvtGroup *group)
{
  for (guint i = 0; i < group->guests->len; i++)
    {
      g_autofree char *line = pvt_report_line (group->guests->pdata[i]);
      g_auto (GStrv) lines = g_strsplit (line, "\n", -1);

      for (gsize n = 0; lines[n]; n++)
        {
          g_autofree char *safe = pvt_safe_text (lines[n]);

          fprintf (to, "%s\n", safe);
        }
    }
}

/* All of them, or the verb's exit code with an error. */
static gboolean
freeze_group (PvtCli *cli, PvtGroup *group, GError **error)
{
  if (pvt_group_freeze (group, &interrupted, error))
    return TRUE;
  cli->exit_code = is_stuck (group) ? PVT_EXIT_STUCK
                   : interrupted    ? PVT_EXIT_INTERRUPTED
                                    : PVT_EXIT_FREEZE_FAILED;
  return FALSE;
}

/* ---- quiesce ---- */

static void
become_command (char **argv)
{
  for (guint i = 0; i < G_N_ELEMENTS (caught); i++)
    signal (caught[i], SIG_DFL);
  signal (SIGPIPE, SIG_DFL);
  hold_signals (SIG_UNBLOCK);
  execvp (argv[0], argv);
  fprintf (stderr, "pvtools: %s: %s\n", argv[0], strerror (errno));
  _exit (127);
}

/* TRUE when it was begun, whatever became of it. */
static gboolean
run_command (char **argv, int *status, GError **error)
{
  pid_t pid;

  hold_signals (SIG_BLOCK);
  pid = interrupted ? 0 : fork ();
  if (pid == 0 && !interrupted)
    become_command (argv);
  command_pid = MAX (pid, 0);
  if (pid < 0)
    g_set_error (error, G_IO_ERROR, G_IO_ERROR_FAILED, "cannot fork: %s", g_strerror (errno));
  else if (pid == 0)
    g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_CANCELLED, "interrupted before the command ran");
  hold_signals (SIG_UNBLOCK);
  /* Another thread may have been interrupted before it could know of the command. */
  if (pid > 0 && interrupted)
    kill (pid, interrupted);
  while (pid > 0 && waitpid (pid, status, 0) < 0 && errno == EINTR)
    ;
  command_pid = 0;
  return pid > 0;
}

static gboolean
quiesce (PvtCli *cli, PvtGroup *group, GError **error)
{
  g_autoptr (JsonNode) report = NULL;
  int status = 0;
  gboolean ran;

  if (!freeze_group (cli, group, error))
    return FALSE;
  pvt_group_look_before (group);
  ran = run_command (cli->command, &status, error);
  pvt_group_look_after (group);
  pvt_group_thaw (group);
  if (!ran)
    {
      cli->exit_code = outcome (group, FALSE);
      return FALSE;
    }
  cli->exit_code = outcome (group, WIFEXITED (status) && WEXITSTATUS (status) == 0);
  if (cli->json)
    {
      report = pvt_report_json (group, NULL, status);
      pvt_print_json (report);
    }
  else
    /* Standard output is the command's. */
    print_guests (stderr, group);
  return TRUE;
}

static gboolean
run_quiesce (PvtCli *cli, int argc, char **argv, GError **error)
{
  Words words = { 0 };
  gboolean ok = FALSE;
  PvtGroup *group;

  if (parse (cli, FALSE, argc, argv, &words, error))
    {
      if (cli->command == NULL || cli->command[0] == NULL)
        g_set_error_literal (error, PVT_CLI_ERROR, PVT_CLI_ERROR_USAGE,
                             "what shall be done while the guests are frozen? -- COMMAND is missing");
      else
        {
          catch_signals ();
          group = make_group (cli, &words);
          ok = quiesce (cli, group, error);
          pvt_group_free (group);
        }
    }
  clear_words (&words);
  return ok;
}

const PvtVerb pvt_verb_quiesce
    = { "quiesce", "[GUEST...] [--deadline S] [--require|--prefer] [--mountpoint DIR]... -- COMMAND...",
        "run a command while they are frozen", TRUE, run_quiesce };

/* ---- snapshot ---- */

typedef struct
{
  PvtSnapshotOfGuest report;
  PvtQmp *qmp;
} Shot;

static void
free_shot (gpointer data)
{
  Shot *shot = data;

  pvt_qmp_close (shot->qmp);
  g_clear_pointer (&shot->report.disks, g_ptr_array_unref);
  g_free (shot);
}

/* Opened before anything is frozen: a monitor that is taken, an overlay that
 * exists or a guest without a disk costs no guest a freeze. */
static GPtrArray *
prepare (PvtGroup *group, const char *directory, GError **error)
{
  g_autoptr (GPtrArray) shots = g_ptr_array_new_with_free_func (free_shot);
  g_autoptr (GDateTime) now = g_date_time_new_now_utc ();
  g_autofree char *stamp = g_date_time_format (now, "%Y%m%dT%H%M%SZ");

  for (guint i = 0; i < group->guests->len; i++)
    {
      PvtHeldGuest *guest = group->guests->pdata[i];
      g_autofree char *label = g_strdup_printf ("%s-%u", stamp, i + 1);
      Shot *shot = g_new0 (Shot, 1);

      g_ptr_array_add (shots, shot);
      shot->report.guest = guest;
      if (!g_str_has_prefix (guest->address, "qemu:"))
        {
          g_set_error (error, PVT_CLI_ERROR, PVT_CLI_ERROR_USAGE,
                       "%s: a snapshot needs QEMU's monitor, qemu:/qmp-socket; under libvirt use "
                       "pvtools quiesce libvirt:DOMAIN -- virsh snapshot-create-as DOMAIN NAME --disk-only",
                       guest->address);
          return NULL;
        }
      shot->qmp = pvt_qmp_open (guest->address + strlen ("qemu:"), QMP_MS, NULL, error);
      if (shot->qmp)
        shot->report.disks = pvt_snapshot_disks (shot->qmp, directory, label, error);
      if (shot->report.disks == NULL)
        {
          g_prefix_error (error, "%s: ", guest->address);
          return NULL;
        }
    }
  return g_steal_pointer (&shots);
}

static gboolean
take_all (GPtrArray *shots, GError **error)
{
  for (guint i = 0; i < shots->len; i++)
    {
      Shot *shot = shots->pdata[i];

      if (interrupted)
        {
          g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_CANCELLED, "interrupted");
          return FALSE;
        }
      if (!pvt_snapshot_take (shot->qmp, shot->report.disks, error))
        {
          g_prefix_error (error, "%s: ", shot->report.guest->address);
          return FALSE;
        }
      shot->report.taken = TRUE;
    }
  return TRUE;
}

static void
print_disks (const PvtCli *cli, GPtrArray *shots)
{
  static const char *const headers[] = { "GUEST", "DISK", "SNAPSHOT", "GUEST WRITES TO", "VERDICT", NULL };
  PvtTable *table = pvt_table_new (cli, headers);

  for (guint i = 0; i < shots->len; i++)
    {
      const PvtSnapshotOfGuest *report = &((Shot *) shots->pdata[i])->report;

      for (guint d = 0; d < report->disks->len; d++)
        {
          const PvtSnapshotDisk *disk = report->disks->pdata[d];
          const char *shot = report->taken ? pvt_snapshot_disk_snapshot (disk) : NULL;
          const char *active = report->taken ? pvt_snapshot_disk_active (disk) : disk->file;

          pvt_table_row (table, report->guest->address, disk->device, shot ? shot : "-",
                         active ? active : "-",
                         report->taken ? pvt_held_text (report->guest->held) : "not taken", NULL);
        }
    }
  pvt_table_print (table);
}

static void
print_snapshot (const PvtCli *cli, const PvtGroup *group, GPtrArray *shots)
{
  if (cli->json)
    {
      g_autoptr (JsonNode) report = pvt_report_json (group, shots, 0);

      pvt_print_json (report);
      return;
    }
  print_disks (cli, shots);
  print_guests (stdout, group);
}

static gboolean
snapshot (PvtCli *cli, PvtGroup *group, const char *directory, GError **error)
{
  g_autoptr (GPtrArray) shots = NULL;
  gboolean taken;

  if (!pvt_group_find_channels (group, error))
    return FALSE;
  shots = prepare (group, directory, error);
  if (shots == NULL || !freeze_group (cli, group, error))
    return FALSE;
  pvt_group_look_before (group);
  taken = take_all (shots, error);
  pvt_group_look_after (group);
  pvt_group_thaw (group);
  cli->exit_code = outcome (group, taken);
  print_snapshot (cli, group, shots);
  return taken;
}

static gboolean
check_directory (const char *directory, GError **error)
{
  struct stat st;

  if (directory == NULL)
    g_set_error_literal (error, PVT_CLI_ERROR, PVT_CLI_ERROR_USAGE,
                         "where shall the guests write from now on? --to DIRECTORY is missing");
  else if (stat (directory, &st) < 0 || !S_ISDIR (st.st_mode) || access (directory, W_OK) < 0)
    g_set_error (error, PVT_CLI_ERROR, PVT_CLI_ERROR_USAGE, "--to %s: no directory that can be written",
                 directory);
  else
    return TRUE;
  return FALSE;
}

static gboolean
run_snapshot (PvtCli *cli, int argc, char **argv, GError **error)
{
  Words words = { 0 };
  gboolean ok = FALSE;
  PvtGroup *group;

  if (parse (cli, TRUE, argc, argv, &words, error) && check_directory (words.to, error))
    {
      g_autofree char *directory = g_canonicalize_filename (words.to, NULL);

      catch_signals ();
      group = make_group (cli, &words);
      ok = snapshot (cli, group, directory, error);
      pvt_group_free (group);
    }
  clear_words (&words);
  return ok;
}

const PvtVerb pvt_verb_snapshot
    = { "snapshot", "[GUEST...] --to DIR [--deadline S] [--require|--prefer] [--mountpoint DIR]...",
        "all disks at one instant, frozen", TRUE, run_snapshot };
