/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* wait: until the guest is there. */
#include "output.h"

#include <stdio.h>
#include <string.h>

#define PAUSE_US 250000
#define TRY_MS 2000

/* TRUE when what is waited for is there; @what gets a word about it. */
typedef gboolean (*Condition) (PvtClient *client, char **what, GError **error);

static gboolean
agent_answers (PvtClient *client, char **what, GError **error)
{
  const char *version = pvt_client_get_agent_version (client, TRY_MS, NULL, error);

  *what = version ? g_strdup_printf ("agent %s answers", version) : NULL;
  return version != NULL;
}

/* An address others can reach: not loopback, not link-local. */
static gboolean
is_reachable (const PvtGuestIpAddress *address)
{
  const char *text = address->ip_address;

  return !g_str_has_prefix (text, "127.") && !g_str_has_prefix (text, "169.254.")
         && strcmp (text, "::1") != 0 && !g_str_has_prefix (text, "fe80:");
}

static gboolean
has_address (PvtClient *client, char **what, GError **error)
{
  g_autoptr (GPtrArray) list
      = pvt_client_guest_network_get_interfaces (client, TRY_MS, NULL, error);

  for (guint i = 0; list && i < list->len; i++)
    {
      const PvtGuestNetworkInterface *interface = list->pdata[i];

      for (guint a = 0; interface->ip_addresses && a < interface->ip_addresses->len; a++)
        {
          const PvtGuestIpAddress *address = interface->ip_addresses->pdata[a];

          if (!is_reachable (address))
            continue;
          *what = g_strdup (address->ip_address);
          return TRUE;
        }
    }
  if (list)
    g_set_error_literal (error, PVT_CLI_ERROR, PVT_CLI_ERROR_NOT_YET, "it has no address yet");
  return FALSE;
}

typedef struct
{
  const char *name;
  Condition reached;
  const char *member; /* of the JSON, for what was found; NULL: there is nothing to tell */
} Goal;

static const Goal goals[] = {
  { "agent", agent_answers, NULL },
  { "ip", has_address, "address" },
};

static const Goal *
parse_words (PvtCli *cli, int argc, char **argv, GError **error)
{
  g_autofree char *name = NULL;
  const GOptionEntry entries[] = {
    { "for", 0, 0, G_OPTION_ARG_STRING, &name, NULL, NULL },
    { NULL, 0, 0, 0, NULL, NULL, NULL },
  };
  g_auto (GStrv) words = pvt_cli_words (entries, argc, argv, error);

  if (words == NULL || !pvt_cli_take_guest (cli, words, error)
      || !pvt_cli_no_words ((int) g_strv_length (words), words, error))
    return NULL;
  for (guint i = 0; i < G_N_ELEMENTS (goals); i++)
    if (strcmp (name ? name : "agent", goals[i].name) == 0)
      return &goals[i];
  g_set_error (error, PVT_CLI_ERROR, PVT_CLI_ERROR_USAGE,
               "cannot wait for '%s': agent or ip was expected", name);
  return NULL;
}

static gboolean
try_once (PvtCli *cli, const Goal *goal, char **what, GError **error)
{
  g_autoptr (PvtClient) client = pvt_client_connect (cli->address, TRY_MS, NULL, error);

  return client && goal->reached (client, what, error);
}

static void
print_json (const Goal *goal, const char *what)
{
  g_autoptr (JsonObject) object = json_object_new ();
  g_autoptr (JsonNode) node = NULL;

  json_object_set_boolean_member (object, "ready", TRUE);
  if (goal->member)
    json_object_set_string_member (object, goal->member, what);
  node = json_node_init_object (json_node_alloc (), object);
  pvt_print_json (node);
}

static gboolean
run_wait (PvtCli *cli, int argc, char **argv, GError **error)
{
  gint64 deadline = g_get_monotonic_time () + (gint64) cli->timeout_ms * 1000;
  const Goal *goal = parse_words (cli, argc, argv, error);
  g_autofree char *what = NULL;
  GError *failure = NULL;

  if (goal == NULL)
    return FALSE;
  while (!try_once (cli, goal, &what, &failure))
    {
      /* No waiting makes a wrong address right. */
      if (g_error_matches (failure, PVT_CLIENT_ERROR, PVT_CLIENT_ERROR_INVALID_ADDRESS))
        {
          g_propagate_error (error, failure);
          return FALSE;
        }
      if (g_get_monotonic_time () >= deadline)
        {
          g_set_error (error, PVT_CLI_ERROR, PVT_CLI_ERROR_NOT_YET, "waited %.1f s in vain: %s",
                       cli->timeout_ms / 1000.0, failure->message);
          g_error_free (failure);
          return FALSE;
        }
      g_clear_error (&failure);
      g_usleep (PAUSE_US);
    }
  if (cli->json)
    print_json (goal, what);
  else
    {
      g_autofree char *safe = pvt_safe_text (what);

      puts (safe);
    }
  return TRUE;
}

const PvtVerb pvt_verb_wait = { "wait", "[--for agent|ip]", "until it answers or has an address",
                                TRUE, run_wait };
