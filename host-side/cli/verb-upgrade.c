/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* upgrade: another agent in a guest, or the old one as it was. */
#include "output.h"

#include <stdio.h>

/* The guest checks the package, which takes dpkg or rpm some seconds. */
#define CHECK_MS 130000

/* How long the new agent has to report unless told otherwise, and what dpkg and a
 * way back may take besides. */
#define CONFIRM_S 60
#define DPKG_S 300

#define TRY_MS 5000
#define PAUSE_US 1000000
#define MAX_PACKAGE (32u * 1024 * 1024)
#define MAX_SIGNATURE (64u * 1024)

typedef struct
{
  char *signature;
  int wait;
  gboolean check;
} Options;

static GBytes *
read_file (const char *path, gsize max, GError **error)
{
  g_autoptr (GError) failure = NULL;
  char *data;
  gsize len;

  if (!g_file_get_contents (path, &data, &len, &failure))
    {
      g_set_error_literal (error, PVT_CLI_ERROR, PVT_CLI_ERROR_USAGE, failure->message);
      return NULL;
    }
  if (len > 0 && len <= max)
    return g_bytes_new_take (data, len);
  g_set_error (error, PVT_CLI_ERROR, PVT_CLI_ERROR_USAGE, "%s has %" G_GSIZE_FORMAT " bytes: 1 to %" G_GSIZE_FORMAT " were expected",
               path, len, max);
  g_free (data);
  return NULL;
}

static PvtUpgrade *
begin (PvtCli *cli, const Options *options, const char *package, GError **error)
{
  g_autofree char *beside = g_strconcat (package, ".sig", NULL);
  g_autoptr (PvtUpgradeArgs) args = pvt_upgrade_args_new ();

  args->package = read_file (package, MAX_PACKAGE, error);
  if (args->package)
    args->signature = read_file (options->signature ? options->signature : beside, MAX_SIGNATURE, error);
  if (args->signature == NULL)
    return NULL;
  args->has_confirm_s = args->has_check_only = TRUE;
  args->confirm_s = (guint32) options->wait;
  args->check_only = options->check;
  return pvt_client_upgrade (cli->client, args, CHECK_MS, NULL, error);
}

static gboolean
is_over (PvtUpgradeState state)
{
  return state == PVT_UPGRADE_STATE_DONE || state == PVT_UPGRADE_STATE_REBOOT_NEEDED
         || state == PVT_UPGRADE_STATE_ROLLED_BACK || state == PVT_UPGRADE_STATE_FAILED
         || state == PVT_UPGRADE_STATE_CHECKED;
}

/* Agents come and go meanwhile: each look is a conversation of its own. */
static PvtUpgrade *
look (PvtCli *cli)
{
  g_autoptr (PvtClient) client = NULL;

  g_clear_object (&cli->client);
  client = pvt_client_connect (cli->address, TRY_MS, NULL, NULL);
  if (client == NULL)
    return NULL;
  pvt_client_set_timeout (client, TRY_MS);
  return pvt_client_get_upgrade (client, TRY_MS, NULL, NULL);
}

static PvtUpgrade *
wait_for_end (PvtCli *cli, int seconds, GError **error)
{
  gint64 deadline = g_get_monotonic_time () + (gint64) (seconds * 2 + DPKG_S) * G_USEC_PER_SEC;

  while (g_get_monotonic_time () < deadline)
    {
      PvtUpgrade *upgrade = look (cli);

      if (upgrade && is_over (upgrade->state))
        return upgrade;
      pvt_upgrade_free (upgrade);
      g_usleep (PAUSE_US);
    }
  g_set_error_literal (error, PVT_CLI_ERROR, PVT_CLI_ERROR_NOT_YET,
                       "the upgrade was begun, but nobody says how it ended; in the guest: "
                       "journalctl -u pvtools-upgrade");
  return NULL;
}

static const char *
state_name (PvtUpgradeState state)
{
  static const char *const names[]
      = { "none",         "checked", "keeping",       "installing",  "waiting",
          "rolling-back", "done",    "reboot-needed", "rolled-back", "failed" };

  return (guint) state < G_N_ELEMENTS (names) ? names[state] : "unknown";
}

static void
print_result (const PvtCli *cli, const PvtUpgrade *upgrade)
{
  g_autoptr (JsonObject) object = json_object_new ();
  g_autoptr (JsonNode) node = NULL;

  if (!cli->json)
    {
      pvt_print_fact ("State", state_name (upgrade->state));
      pvt_print_fact ("From", upgrade->from);
      pvt_print_fact ("To", upgrade->to);
      pvt_print_fact ("Why", upgrade->why);
      return;
    }
  json_object_set_string_member (object, "state", state_name (upgrade->state));
  json_object_set_string_member (object, "from", upgrade->from);
  json_object_set_string_member (object, "to", upgrade->to);
  json_object_set_string_member (object, "why", upgrade->why);
  node = json_node_init_object (json_node_alloc (), object);
  pvt_print_json (node);
}

static gboolean
conclude (PvtCli *cli, const PvtUpgrade *upgrade, GError **error)
{
  print_result (cli, upgrade);
  fflush (stdout);
  switch (upgrade->state)
    {
    case PVT_UPGRADE_STATE_REBOOT_NEEDED:
      cli->exit_code = PVT_EXIT_REBOOT_NEEDED;
      g_set_error_literal (error, PVT_CLIENT_ERROR, PVT_CLIENT_ERROR_FAILED, "done; the guest needs a reboot");
      return FALSE;
    case PVT_UPGRADE_STATE_ROLLED_BACK:
      cli->exit_code = PVT_EXIT_ROLLED_BACK;
      g_set_error (error, PVT_CLIENT_ERROR, PVT_CLIENT_ERROR_FAILED, "%s is back: %s", upgrade->from, upgrade->why);
      return FALSE;
    case PVT_UPGRADE_STATE_FAILED:
      g_set_error (error, PVT_CLIENT_ERROR, PVT_CLIENT_ERROR_FAILED, "%s", upgrade->why);
      return FALSE;
    case PVT_UPGRADE_STATE_NONE:
    case PVT_UPGRADE_STATE_CHECKED:
    case PVT_UPGRADE_STATE_KEEPING:
    case PVT_UPGRADE_STATE_INSTALLING:
    case PVT_UPGRADE_STATE_WAITING:
    case PVT_UPGRADE_STATE_ROLLING_BACK:
    case PVT_UPGRADE_STATE_DONE:
    default:
      return TRUE;
    }
}

static gboolean
upgrade_guest (PvtCli *cli, const Options *options, char **words, GError **error)
{
  g_autoptr (PvtUpgrade) upgrade = NULL;

  if (words[0] == NULL)
    {
      g_set_error_literal (error, PVT_CLI_ERROR, PVT_CLI_ERROR_USAGE, "which package? A .deb, .rpm or .tar.gz file is missing");
      return FALSE;
    }
  if (!pvt_cli_no_words ((int) g_strv_length (words + 1), words + 1, error))
    return FALSE;
  if (options->wait < 5 || options->wait > 3600)
    {
      g_set_error_literal (error, PVT_CLI_ERROR, PVT_CLI_ERROR_USAGE, "--wait takes 5 to 3600 seconds");
      return FALSE;
    }
  upgrade = begin (cli, options, words[0], error);
  if (upgrade && !is_over (upgrade->state))
    {
      pvt_upgrade_free (upgrade);
      upgrade = wait_for_end (cli, options->wait, error);
    }
  return upgrade != NULL && conclude (cli, upgrade, error);
}

/* The client is dropped on the way: as a verb that connects itself it may be. */
static gboolean
run_upgrade (PvtCli *cli, int argc, char **argv, GError **error)
{
  Options options = { NULL, CONFIRM_S, FALSE };
  const GOptionEntry entries[] = {
    { "signature", 0, 0, G_OPTION_ARG_FILENAME, &options.signature, NULL, NULL },
    { "wait", 0, 0, G_OPTION_ARG_INT, &options.wait, NULL, NULL },
    { "check", 0, 0, G_OPTION_ARG_NONE, &options.check, NULL, NULL },
    { NULL, 0, 0, 0, NULL, NULL, NULL },
  };
  g_auto (GStrv) words = pvt_cli_words (entries, argc, argv, error);
  gboolean ok = words != NULL && pvt_cli_take_guest (cli, words, error);

  if (ok)
    {
      cli->client = pvt_client_connect (cli->address, cli->timeout_ms, NULL, error);
      ok = cli->client != NULL && upgrade_guest (cli, &options, words, error);
      g_clear_object (&cli->client);
    }
  g_free (options.signature);
  return ok;
}

const PvtVerb pvt_verb_upgrade
    = { "upgrade", "PACKAGE [--signature FILE] [--wait SECONDS] [--check]",
        "another agent in it, or the old one as it was", TRUE, run_upgrade };
