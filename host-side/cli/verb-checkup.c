/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* checkup: whether a guest is set up as a virtual machine should be. */
#include "output.h"

#include <stdio.h>

/* The guest looks into its initial RAM disk, which takes seconds. */
#define PATIENCE_MS 130000

static const char *
state_name (PvtCheckState state)
{
  static const char *const names[] = { "pass", "skip", "WARN", "FAIL" };

  return (guint) state < G_N_ELEMENTS (names) ? names[state] : "-";
}

static void
print_checks (PvtCli *cli, const PvtCheckup *checkup)
{
  static const char *const headers[] = { "STATE", "CHECK", "FINDING", NULL };
  PvtTable *table = pvt_table_new (cli, headers);

  for (guint i = 0; i < checkup->checks->len; i++)
    {
      const PvtCheck *check = checkup->checks->pdata[i];

      pvt_table_row (table, state_name (check->state), check->name, check->finding, NULL);
      if (check->remedy)
        {
          g_autofree char *remedy = g_strconcat ("-> ", check->remedy, NULL);

          pvt_table_row (table, "", "", remedy, NULL);
        }
    }
  pvt_table_print (table);
}

/* What the whole came to, as an exit code. */
static gboolean
conclude (PvtCli *cli, gboolean failed, GError **error)
{
  if (!failed)
    return TRUE;
  cli->exit_code = PVT_EXIT_CHECK_FAILED;
  fflush (stdout);
  g_set_error_literal (error, PVT_CLIENT_ERROR, PVT_CLIENT_ERROR_FAILED, "a check failed");
  return FALSE;
}

static gboolean
print_json (PvtCli *cli, int patience, GError **error)
{
  g_autoptr (JsonNode) node
      = pvt_client_execute (cli->client, "pvt-get-checkup", NULL, patience, NULL, error);
  const char *worst;

  if (node == NULL)
    return FALSE;
  pvt_print_json (node);
  worst = JSON_NODE_HOLDS_OBJECT (node)
              ? json_object_get_string_member_with_default (json_node_get_object (node), "worst", "")
              : "";
  return conclude (cli, g_strcmp0 (worst, "fail") == 0, error);
}

static gboolean
run_checkup (PvtCli *cli, int argc, char **argv, GError **error)
{
  int patience = pvt_cli_patience (cli, PATIENCE_MS);
  g_autoptr (PvtCheckup) checkup = NULL;

  if (!pvt_cli_no_words (argc, argv, error))
    return FALSE;
  if (cli->json)
    return print_json (cli, patience, error);
  checkup = pvt_client_get_checkup (cli->client, patience, NULL, error);
  if (checkup == NULL)
    return FALSE;
  print_checks (cli, checkup);
  return conclude (cli, checkup->worst == PVT_CHECK_STATE_FAIL, error);
}

const PvtVerb pvt_verb_checkup = { "checkup", "", "how it is set up as a virtual machine, and what helps",
                                   FALSE, run_checkup };
