/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* disk grow: a filesystem takes what the host added to its disk. */
#include "output.h"

#include <stdio.h>
#include <string.h>

/* The agent gives up after 300 s; the default of other verbs is far too short. */
#define PATIENCE_MS 310000

static gboolean
parse_words (int argc, char **argv, PvtDiskGrowArgs *args, GError **error)
{
  for (int i = 0; i < argc; i++)
    {
      if (strcmp (argv[i], "--dry-run") == 0)
        args->has_dry_run = args->dry_run = TRUE;
      else if (argv[i][0] == '-' || args->mountpoint || args->device)
        return pvt_cli_no_words (argc - i, argv + i, error);
      else if (g_str_has_prefix (argv[i], "/dev/"))
        args->device = g_strdup (argv[i]);
      else
        args->mountpoint = g_strdup (argv[i]);
    }
  if (args->mountpoint || args->device)
    return TRUE;
  g_set_error_literal (error, PVT_CLI_ERROR, PVT_CLI_ERROR_USAGE,
                       "which filesystem? Its mountpoint or device is missing");
  return FALSE;
}

static const char *
kind_name (PvtDiskGrowKind kind)
{
  static const char *const names[]
      = { "disk", "partition", "physical volume", "logical volume", "filesystem" };

  return (guint)kind < G_N_ELEMENTS (names) ? names[kind] : "-";
}

static void
print_result (PvtCli *cli, const PvtDiskGrow *result, gboolean dry_run)
{
  static const char *const headers[] = { "LAYER", "TARGET", ">BEFORE", ">AFTER", "", NULL };
  PvtTable *table = pvt_table_new (cli, headers);

  for (guint i = 0; i < result->steps->len; i++)
    {
      const PvtDiskGrowStep *step = result->steps->pdata[i];
      g_autofree char *before = pvt_size_text (cli, step->before);
      g_autofree char *after = pvt_size_text (cli, step->after);

      pvt_table_row (table, kind_name (step->kind), step->target, before, after,
                     !step->changed ? "as it was"
                     : dry_run      ? "would grow"
                                    : "grown",
                     NULL);
    }
  pvt_table_print (table);
  if (result->note)
    {
      g_autofree char *safe = pvt_safe_text (result->note);

      puts (safe);
    }
}

static gboolean
print_json (PvtCli *cli, const PvtDiskGrowArgs *args, int patience, GError **error)
{
  g_autoptr (JsonObject) object = json_object_new ();
  g_autoptr (JsonNode) node = NULL, value = NULL;

  if (args->mountpoint)
    json_object_set_string_member (object, "mountpoint", args->mountpoint);
  if (args->device)
    json_object_set_string_member (object, "device", args->device);
  if (args->dry_run)
    json_object_set_boolean_member (object, "dry-run", TRUE);
  node = json_node_init_object (json_node_alloc (), object);
  value = pvt_client_execute (cli->client, "pvt-disk-grow", node, patience, NULL, error);
  if (value)
    pvt_print_json (value);
  return value != NULL;
}

static gboolean
run_disk_grow (PvtCli *cli, int argc, char **argv, GError **error)
{
  g_autoptr (PvtDiskGrowArgs) args = pvt_disk_grow_args_new ();
  g_autoptr (PvtDiskGrow) result = NULL;
  int patience = pvt_cli_patience (cli, PATIENCE_MS);

  if (!parse_words (argc, argv, args, error))
    return FALSE;
  if (cli->json)
    return print_json (cli, args, patience, error);
  result = pvt_client_disk_grow (cli->client, args, patience, NULL, error);
  if (result == NULL)
    return FALSE;
  print_result (cli, result, args->dry_run);
  return TRUE;
}

const PvtVerb pvt_verb_disk_grow
    = { "disk grow", "MOUNTPOINT|DEVICE [--dry-run]",
        "a filesystem takes what its disk was enlarged by", FALSE, run_disk_grow };
