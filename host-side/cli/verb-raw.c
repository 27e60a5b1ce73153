/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* raw: any command, by name or as it goes over the wire. */
#include "output.h"

#include <stdio.h>
#include <string.h>

/* key=value: true, false, null and numbers as such, key:=JSON is not offered;
 * everything else is text. */
static JsonNode *
value_node (const char *text)
{
  JsonNode *node = json_node_alloc ();
  char *end;
  gint64 integer;

  if (strcmp (text, "true") == 0 || strcmp (text, "false") == 0)
    return json_node_init_boolean (node, *text == 't');
  integer = g_ascii_strtoll (text, &end, 10);
  if (*text && *end == '\0' && !g_ascii_isspace (*text))
    return json_node_init_int (node, integer);
  return json_node_init_string (node, text);
}

static JsonNode *
arguments_node (int argc, char **argv, GError **error)
{
  g_autoptr (JsonObject) object = json_object_new ();

  for (int i = 0; i < argc; i++)
    {
      const char *equals = strchr (argv[i], '=');
      g_autofree char *key = equals ? g_strndup (argv[i], (gsize) (equals - argv[i])) : NULL;

      if (key == NULL || *key == '\0')
        {
          g_set_error (error, PVT_CLI_ERROR, PVT_CLI_ERROR_USAGE,
                       "'%s' is not key=value; use --json for arguments that are lists", argv[i]);
          return NULL;
        }
      json_object_set_member (object, key, value_node (equals + 1));
    }
  return json_node_init_object (json_node_alloc (), object);
}

static gboolean
run_text (PvtCli *cli, const char *request, GError **error)
{
  g_autofree char *reply = pvt_client_execute_text (cli->client, request, -1, NULL, error);

  if (reply)
    puts (reply);
  return reply != NULL;
}

/* A request from standard input, up to what a message may have. */
static char *
read_stdin (GError **error)
{
  GString *text = g_string_new (NULL);
  char buf[4096];
  gsize n;

  while ((n = fread (buf, 1, sizeof buf, stdin)) > 0 && text->len < 70u * 1024 * 1024)
    g_string_append_len (text, buf, (gssize) n);
  if (!ferror (stdin) && memchr (text->str, '\0', text->len) == NULL)
    return g_string_free (text, FALSE);
  g_string_free (text, TRUE);
  g_set_error_literal (error, PVT_CLI_ERROR, PVT_CLI_ERROR_USAGE, "standard input is no text");
  return NULL;
}

static gboolean
run_raw (PvtCli *cli, int argc, char **argv, GError **error)
{
  g_autoptr (JsonNode) arguments = NULL;
  g_autoptr (JsonNode) reply = NULL;

  if (argc == 0)
    {
      g_set_error_literal (error, PVT_CLI_ERROR, PVT_CLI_ERROR_USAGE,
                           "raw needs a command, or --json and a request");
      return FALSE;
    }
  if (strcmp (argv[0], "--json") == 0 && argc == 2)
    {
      g_autofree char *input = strcmp (argv[1], "-") == 0 ? read_stdin (error) : g_strdup (argv[1]);

      return input && run_text (cli, input, error);
    }
  arguments = arguments_node (argc - 1, argv + 1, error);
  if (arguments == NULL)
    return FALSE;
  reply = pvt_client_execute (cli->client, argv[0], argc > 1 ? arguments : NULL, -1, NULL, error);
  if (reply == NULL)
    return FALSE;
  pvt_print_json (reply);
  return TRUE;
}

const PvtVerb pvt_verb_raw = { "raw", "COMMAND [KEY=VALUE]... | --json TEXT|-",
                               "any command; prints what it returns", FALSE, run_raw };
