/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* freeze, thaw and status. */
#include "output.h"

#include <stdio.h>

/* Hooks of the guest run within these. */
#define FREEZE_MS 600000
#define THAW_MS 90000

static gboolean
freeze_stock (PvtCli *cli, char **mountpoints, GError **error)
{
  PvtGuestFsfreezeFreezeListArgs args = { .mountpoints = mountpoints };
  gint64 n;

  if (!pvt_client_guest_fsfreeze_freeze_list (cli->client, &args, &n, FREEZE_MS, NULL, error))
    return FALSE;
  if (cli->json)
    printf ("{\"filesystems\": %" G_GINT64_FORMAT "}\n", n);
  else
    printf ("%s: %" G_GINT64_FORMAT " filesystems frozen; nothing but a thaw ends that\n", cli->address, n);
  return TRUE;
}

static void
print_freeze (const PvtFreezeReport *report)
{
  for (guint i = 0; i < report->filesystems->len; i++)
    {
      const PvtFrozenFilesystem *fs = report->filesystems->pdata[i];
      g_autofree char *place = pvt_safe_text (fs->mountpoint), *type = pvt_safe_text (fs->type);
      g_autofree char *why = fs->skipped ? pvt_safe_text (fs->skipped) : g_strdup ("frozen");

      printf ("  %s (%s): %s\n", place, type, why);
    }
}

static gboolean
run_freeze (PvtCli *cli, int argc, char **argv, GError **error)
{
  double deadline = 0;
  const GOptionEntry entries[] = {
    { "deadline", 0, 0, G_OPTION_ARG_DOUBLE, &deadline, NULL, NULL },
    { NULL, 0, 0, 0, NULL, NULL, NULL },
  };
  g_auto (GStrv) words = pvt_cli_words (entries, argc, argv, error);
  PvtFreezeArgs args = { 0 };
  g_autoptr (PvtFreezeReport) report = NULL;
  GError *failure = NULL;
  gboolean ours;

  if (words == NULL || !pvt_cli_check_seconds ("--deadline", deadline, TRUE, error))
    return FALSE;
  ours = pvt_client_has_command (cli->client, "pvt-freeze", -1, NULL, &failure);
  if (failure)
    {
      g_propagate_error (error, failure);
      return FALSE;
    }
  if (!ours && deadline > 0)
    {
      g_set_error_literal (error, PVT_CLIENT_ERROR, PVT_CLIENT_ERROR_UNSUPPORTED,
                           "this agent has no deadline: it was not frozen (without --deadline it stays "
                           "frozen until a thaw)");
      return FALSE;
    }
  if (!ours)
    return freeze_stock (cli, words[0] ? words : NULL, error);
  args.mountpoints = words[0] ? words : NULL;
  args.has_deadline_ms = deadline > 0;
  args.deadline_ms = (guint32) (deadline * 1000);
  report = pvt_client_freeze (cli->client, &args, FREEZE_MS, NULL, error);
  if (report == NULL)
    return FALSE;
  if (cli->json)
    {
      printf ("{\"freeze\": %" G_GUINT64_FORMAT ", \"filesystems\": %u}\n", report->generation,
              report->filesystems->len);
      return TRUE;
    }
  printf ("%s: freeze %" G_GUINT64_FORMAT " is in force\n", cli->address, report->generation);
  print_freeze (report);
  return TRUE;
}

const PvtVerb pvt_verb_freeze = { "freeze", "[MOUNTPOINT...] [--deadline SECONDS]",
                                  "hold filesystems still until a thaw", FALSE, run_freeze };

static gboolean
run_thaw (PvtCli *cli, int argc, char **argv, GError **error)
{
  gint64 n;

  if (!pvt_cli_no_words (argc, argv, error)
      || !pvt_client_guest_fsfreeze_thaw (cli->client, &n, THAW_MS, NULL, error))
    return FALSE;
  if (cli->json)
    printf ("{\"filesystems\": %" G_GINT64_FORMAT "}\n", n);
  else
    printf ("%s: %" G_GINT64_FORMAT " filesystems thawed\n", cli->address, n);
  return TRUE;
}

const PvtVerb pvt_verb_thaw = { "thaw", "", "let them go again", FALSE, run_thaw };

static void
print_freeze_state (const PvtFreezeState *state)
{
  static const char *const phases[] = { "thawed", "freezing", "frozen", "thawing" };
  static const char *const ends[] = { "has not ended", "was ended by the host", "ran into its deadline",
                                      "ended with its agent's death", "ended with its agent",
                                      "ended with its guardian's death", "was ended by a signal" };
  g_autofree char *number = g_strdup_printf ("%" G_GUINT64_FORMAT, state->generation);
  g_autofree char *left = g_strdup_printf ("%.1f s", (double) state->deadline_left_ms / 1000);
  g_autofree char *last
      = g_strdup_printf ("%s %s", number, pvt_enum_text (ends, G_N_ELEMENTS (ends), state->ended_by));

  pvt_print_fact ("Filesystems", pvt_enum_text (phases, G_N_ELEMENTS (phases), state->phase));
  pvt_print_fact ("Thaws itself in", state->has_deadline_left_ms ? left : NULL);
  pvt_print_fact (state->phase == PVT_FREEZE_PHASE_THAWED ? "Last freeze" : "Freeze",
                  state->generation == 0                        ? NULL
                  : state->phase == PVT_FREEZE_PHASE_THAWED ? last
                                                                : number);
}

static gboolean
print_stock_status (PvtCli *cli, GError **error)
{
  PvtGuestFsfreezeStatus status;
  const char *version = pvt_client_get_agent_version (cli->client, -1, NULL, error);

  if (version == NULL || !pvt_client_guest_fsfreeze_status (cli->client, &status, -1, NULL, error))
    return FALSE;
  pvt_print_fact ("Agent", version);
  pvt_print_fact ("Filesystems", status == PVT_GUEST_FSFREEZE_STATUS_FROZEN ? "frozen" : "thawed");
  return TRUE;
}

static gboolean
run_status (PvtCli *cli, int argc, char **argv, GError **error)
{
  static const PvtSection sections[]
      = { { "agent", "pvt-get-status" }, { "freeze", "pvt-get-freeze" }, { "fsfreeze", "guest-fsfreeze-status" } };
  g_autoptr (PvtAgentStatus) agent = NULL;
  g_autoptr (PvtFreezeState) freeze = NULL;
  g_autoptr (GError) missing = NULL;
  g_autofree char *counts = NULL, *up = NULL;

  if (!pvt_cli_no_words (argc, argv, error))
    return FALSE;
  if (cli->json)
    return pvt_print_sections (cli, sections, G_N_ELEMENTS (sections), error);
  agent = pvt_client_get_status (cli->client, -1, NULL, &missing);
  if (agent == NULL)
    return print_stock_status (cli, error);
  freeze = pvt_client_get_freeze (cli->client, -1, NULL, error);
  if (freeze == NULL)
    return FALSE;
  counts = g_strdup_printf ("%" G_GUINT64_FORMAT ", %" G_GUINT64_FORMAT " of them errors",
                            agent->requests, agent->errors);
  up = pvt_duration_text (agent->uptime_ms / 1000);
  pvt_print_fact ("Agent", agent->version);
  pvt_print_fact ("Profile", agent->profile);
  pvt_print_fact ("Up for", up);
  pvt_print_fact ("Requests", counts);
  for (gsize i = 0; agent->hung_mounts && agent->hung_mounts[i]; i++)
    pvt_print_fact ("Hung mount", agent->hung_mounts[i]);
  print_freeze_state (freeze);
  return TRUE;
}

const PvtVerb pvt_verb_status = { "status", "", "the agent, and whether the guest is frozen", FALSE,
                                  run_status };
