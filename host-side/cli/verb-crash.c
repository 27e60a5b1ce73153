/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* crash list and crash show: what health --crash-dir has kept. */
#include "host-side/health/crash-store.h"
#include "host-side/health/pstore.h"
#include "output.h"

#include <stdio.h>
#include <string.h>

typedef struct
{
  char *directory;
  char **rest;
} Words;

static gboolean
parse (PvtCli *cli, int argc, char **argv, Words *words, GError **error)
{
  const GOptionEntry entries[] = {
    { "crash-dir", 0, 0, G_OPTION_ARG_FILENAME, &words->directory, NULL, NULL },
    { NULL, 0, 0, 0, NULL, NULL, NULL },
  };

  words->rest = pvt_cli_words (entries, argc, argv, error);
  if (words->directory == NULL)
    words->directory = g_strdup (PVT_CRASH_DIRECTORY);
  /* The first word is no guest here. */
  if (words->rest && cli->address && g_strcmp0 (cli->address, g_getenv ("PVT_CONNECT")) != 0)
    {
      char **with = g_new0 (char *, g_strv_length (words->rest) + 2);

      with[0] = g_strdup (cli->address);
      memcpy (with + 1, words->rest, sizeof *with * g_strv_length (words->rest));
      g_free (words->rest);
      words->rest = with;
    }
  cli->address = NULL;
  return words->rest != NULL;
}

static void
clear_words (Words *words)
{
  g_free (words->directory);
  g_strfreev (words->rest);
}

static void
add (JsonBuilder *builder, const char *name, const char *value)
{
  g_autofree char *safe = pvt_safe_text (value);

  pvt_json_add_text (builder, name, safe);
}

static void
add_crash (JsonBuilder *builder, const PvtCrash *crash)
{
  add (builder, "id", crash->id);
  add (builder, "time", crash->time);
  add (builder, "guest", crash->guest);
  add (builder, "state", crash->state);
  add (builder, "cause", crash->cause);
  json_builder_set_member_name (builder, "console-bytes");
  json_builder_add_int_value (builder, (gint64) crash->console_bytes);
  json_builder_set_member_name (builder, "pstore-files");
  json_builder_add_int_value (builder, crash->pstore_files);
}

static void
print_built (JsonBuilder *builder)
{
  g_autoptr (JsonNode) root = json_builder_get_root (builder);

  pvt_print_json (root);
}

/* ---- list ---- */

static void
print_list (const PvtCli *cli, GPtrArray *list)
{
  static const char *const headers[]
      = { "ID", "TIME", "GUEST", "STATE", "CAUSE", ">CONSOLE", ">PSTORE", NULL };
  PvtTable *table = pvt_table_new (cli, headers);

  for (guint i = 0; i < list->len; i++)
    {
      const PvtCrash *crash = list->pdata[i];
      g_autofree char *size = pvt_size_text (cli, crash->console_bytes);
      g_autofree char *files = g_strdup_printf ("%u", crash->pstore_files);

      pvt_table_row (table, crash->id, crash->time, crash->guest, crash->state, crash->cause, size, files,
                     NULL);
    }
  pvt_table_print (table);
}

static void
print_list_json (GPtrArray *list)
{
  g_autoptr (JsonBuilder) builder = json_builder_new ();

  json_builder_begin_array (builder);
  for (guint i = 0; i < list->len; i++)
    {
      json_builder_begin_object (builder);
      add_crash (builder, list->pdata[i]);
      json_builder_end_object (builder);
    }
  json_builder_end_array (builder);
  print_built (builder);
}

static gboolean
run_list (PvtCli *cli, int argc, char **argv, GError **error)
{
  Words words = { NULL, NULL };
  g_autoptr (GPtrArray) list = NULL;
  gboolean ok = parse (cli, argc, argv, &words, error)
                && pvt_cli_no_words ((int) g_strv_length (words.rest), words.rest, error);

  if (ok)
    list = pvt_crash_list (words.directory, error);
  if (list && cli->json)
    print_list_json (list);
  else if (list)
    print_list (cli, list);
  else if (ok)
    cli->exit_code = PVT_EXIT_AGENT;
  clear_words (&words);
  return list != NULL;
}

/* ---- show ---- */

/* A guest's text, line by line, with nothing in it that a terminal obeys. */
static void
print_text (const PvtPstoreFile *text)
{
  gsize len;
  const char *data = g_bytes_get_data (text->data, &len);
  const char *end = data + len;

  printf ("\n--- %s ---\n", text->name);
  while (data < end)
    {
      const char *newline = memchr (data, '\n', (gsize) (end - data));
      gsize line_len = (gsize) ((newline ? newline : end) - data);
      g_autofree char *line = g_strndup (data, line_len && data[line_len - 1] == '\r' ? line_len - 1 : line_len);
      g_autofree char *safe = pvt_safe_text (line);

      puts (safe);
      data += line_len + (newline != NULL);
    }
}

static void
print_crash (const PvtCrash *crash, GPtrArray *texts)
{
  pvt_print_fact ("Crash:", crash->id);
  pvt_print_fact ("Guest:", crash->guest);
  pvt_print_fact ("Time:", crash->time);
  pvt_print_fact ("State:", crash->state);
  pvt_print_fact ("Cause:", crash->cause);
  for (guint i = 0; i < texts->len; i++)
    print_text (texts->pdata[i]);
}

static void
print_crash_json (const PvtCrash *crash, GPtrArray *texts)
{
  g_autoptr (JsonBuilder) builder = json_builder_new ();

  json_builder_begin_object (builder);
  add_crash (builder, crash);
  json_builder_set_member_name (builder, "texts");
  json_builder_begin_object (builder);
  for (guint i = 0; i < texts->len; i++)
    {
      const PvtPstoreFile *text = texts->pdata[i];
      gsize len;
      const char *data = g_bytes_get_data (text->data, &len);
      g_autofree char *valid = g_utf8_make_valid (data, (gssize) len);

      json_builder_set_member_name (builder, text->name);
      json_builder_add_string_value (builder, valid);
    }
  json_builder_end_object (builder);
  json_builder_end_object (builder);
  print_built (builder);
}

static gboolean
show (PvtCli *cli, const Words *words, GError **error)
{
  PvtCrash *crash = pvt_crash_load (words->directory, words->rest[0], error);
  g_autoptr (GPtrArray) texts
      = crash ? pvt_crash_texts (words->directory, words->rest[0], error) : NULL;

  if (texts && cli->json)
    print_crash_json (crash, texts);
  else if (texts)
    print_crash (crash, texts);
  else
    cli->exit_code = PVT_EXIT_AGENT;
  pvt_crash_free (crash);
  return texts != NULL;
}

static gboolean
run_show (PvtCli *cli, int argc, char **argv, GError **error)
{
  Words words = { NULL, NULL };
  gboolean ok = parse (cli, argc, argv, &words, error);

  if (ok && g_strv_length (words.rest) != 1)
    {
      g_set_error_literal (error, PVT_CLI_ERROR, PVT_CLI_ERROR_USAGE,
                           "which crash? pvtools crash list names them");
      ok = FALSE;
    }
  ok = ok && show (cli, &words, error);
  clear_words (&words);
  return ok;
}

const PvtVerb pvt_verb_crash_list
    = { "crash list", "[--crash-dir DIR]", "the crashes that health has kept", TRUE, run_list };

const PvtVerb pvt_verb_crash_show
    = { "crash show", "[--crash-dir DIR] ID", "one of them, with the guest's last words", TRUE, run_show };
