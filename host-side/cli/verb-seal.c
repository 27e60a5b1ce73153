/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* seal: a guest becomes a template. */
#include "output.h"

#include <stdio.h>

#define PATIENCE_MS 310000

typedef struct
{
  gboolean apply, verbose;
  char **skip;
} Options;

static void
print_paths (const PvtSealPart *part)
{
  for (guint i = 0; part->paths[i]; i++)
    {
      g_autofree char *safe = pvt_safe_text (part->paths[i]);

      printf ("    %s\n", safe);
    }
  if (part->files > g_strv_length (part->paths))
    printf ("    and %u more\n", part->files - g_strv_length (part->paths));
}

static void
print_result (PvtCli *cli, const PvtSeal *seal)
{
  static const char *const headers[] = { "STEP", "", ">FILES", ">SIZE", "WHAT", NULL };
  PvtTable *table = pvt_table_new (cli, headers);

  for (guint i = 0; i < seal->steps->len; i++)
    {
      const PvtSealPart *part = seal->steps->pdata[i];
      g_autofree char *files = g_strdup_printf ("%u", part->files);
      g_autofree char *size = pvt_size_text (cli, part->bytes);

      pvt_table_row (table, part->name,
                     part->error     ? "FAILED"
                     : part->skipped ? "skipped"
                     : seal->applied ? "done"
                                     : "would go",
                     files, size, part->error ? part->error : part->about, NULL);
    }
  pvt_table_print (table);
}

static gboolean
check_failed (guint failed, guint steps, GError **error)
{
  if (failed == 0)
    return TRUE;
  fflush (stdout);
  g_set_error (error, PVT_CLIENT_ERROR, PVT_CLIENT_ERROR_FAILED,
               "%u of %u steps failed: the guest is no template yet", failed, steps);
  return FALSE;
}

static gboolean
conclude (const PvtSeal *seal, GError **error)
{
  guint failed = 0;

  for (guint i = 0; i < seal->steps->len; i++)
    failed += ((const PvtSealPart *) seal->steps->pdata[i])->error != NULL;
  if (!check_failed (failed, seal->steps->len, error))
    return FALSE;
  puts (seal->applied ? "Sealed. Shut it down now, before it writes new logs: pvtools shutdown"
                      : "Nothing was changed; --apply does it, --skip STEP leaves a step out, --list names the files.");
  return TRUE;
}

/* The same of what is printed as it came: its form is not known yet. */
static gboolean
conclude_json (JsonNode *value, GError **error)
{
  JsonNode *member = JSON_NODE_HOLDS_OBJECT (value)
                         ? json_object_get_member (json_node_get_object (value), "steps")
                         : NULL;
  JsonArray *steps = member && JSON_NODE_HOLDS_ARRAY (member) ? json_node_get_array (member) : NULL;
  guint failed = 0, n = steps ? json_array_get_length (steps) : 0;

  for (guint i = 0; i < n; i++)
    {
      JsonNode *step = json_array_get_element (steps, i);

      failed += JSON_NODE_HOLDS_OBJECT (step) && json_object_has_member (json_node_get_object (step), "error");
    }
  return check_failed (failed, n, error);
}

static gboolean
print_json (PvtCli *cli, const Options *options, int patience, GError **error)
{
  g_autoptr (JsonObject) object = json_object_new ();
  g_autoptr (JsonNode) node = NULL, value = NULL;

  json_object_set_boolean_member (object, "apply", options->apply);
  if (options->skip)
    {
      JsonArray *skip = json_array_new ();

      for (guint i = 0; options->skip[i]; i++)
        json_array_add_string_element (skip, options->skip[i]);
      json_object_set_array_member (object, "skip", skip);
    }
  node = json_node_init_object (json_node_alloc (), object);
  value = pvt_client_execute (cli->client, "pvt-seal", node, patience, NULL, error);
  if (value == NULL)
    return FALSE;
  pvt_print_json (value);
  return conclude_json (value, error);
}

static gboolean
seal_guest (PvtCli *cli, Options *options, GError **error)
{
  int patience = pvt_cli_patience (cli, PATIENCE_MS);
  g_autoptr (PvtSealArgs) args = pvt_seal_args_new ();
  g_autoptr (PvtSeal) seal = NULL;

  if (cli->json)
    return print_json (cli, options, patience, error);
  args->has_apply = TRUE;
  args->apply = options->apply;
  args->skip = g_strdupv (options->skip);
  seal = pvt_client_seal (cli->client, args, patience, NULL, error);
  if (seal == NULL)
    return FALSE;
  print_result (cli, seal);
  for (guint i = 0; options->verbose && i < seal->steps->len; i++)
    {
      const PvtSealPart *part = seal->steps->pdata[i];
      g_autofree char *safe = pvt_safe_text (part->name);

      printf ("%s:\n", safe);
      print_paths (part);
    }
  return conclude (seal, error);
}

static gboolean
run_seal (PvtCli *cli, int argc, char **argv, GError **error)
{
  Options options = { FALSE, FALSE, NULL };
  gboolean dry_run = FALSE;
  const GOptionEntry entries[] = {
    { "apply", 0, 0, G_OPTION_ARG_NONE, &options.apply, NULL, NULL },
    { "dry-run", 0, 0, G_OPTION_ARG_NONE, &dry_run, NULL, NULL },
    { "list", 0, 0, G_OPTION_ARG_NONE, &options.verbose, NULL, NULL },
    { "skip", 0, 0, G_OPTION_ARG_STRING_ARRAY, &options.skip, NULL, NULL },
    { NULL, 0, 0, 0, NULL, NULL, NULL },
  };
  g_auto (GStrv) words = pvt_cli_words (entries, argc, argv, error);
  gboolean ok = words != NULL && pvt_cli_no_words ((int) g_strv_length (words), words, error);

  /* Who says both wants to look first. */
  options.apply = options.apply && !dry_run;
  ok = ok && seal_guest (cli, &options, error);
  g_strfreev (options.skip);
  return ok;
}

const PvtVerb pvt_verb_seal = { "seal", "[--apply] [--skip STEP]... [--list]",
                                "makes a template of it; tells only, without --apply", FALSE, run_seal };
