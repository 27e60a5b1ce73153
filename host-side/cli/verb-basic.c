/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* ping and users. */
#include "output.h"

#include <stdio.h>

static gboolean
run_ping (PvtCli *cli, int argc, char **argv, GError **error)
{
  gint64 began = g_get_monotonic_time ();
  double ms;

  if (!pvt_cli_no_words (argc, argv, error)
      || !pvt_client_guest_ping (cli->client, -1, NULL, error))
    return FALSE;
  ms = (double) (g_get_monotonic_time () - began) / 1000;
  if (cli->json)
    printf ("{\"answers\": true, \"milliseconds\": %.1f}\n", ms);
  else
    printf ("%s answers in %.1f ms\n", cli->address, ms);
  return TRUE;
}

const PvtVerb pvt_verb_ping = { "ping", "", "is the agent there?", FALSE, run_ping };

static gboolean
run_users (PvtCli *cli, int argc, char **argv, GError **error)
{
  static const PvtSection section = { "users", "guest-get-users" };
  static const char *const headers[] = { "USER", "SINCE", NULL };
  g_autoptr (GPtrArray) users = NULL;
  PvtTable *table;

  if (!pvt_cli_no_words (argc, argv, error))
    return FALSE;
  if (cli->json)
    return pvt_print_sections (cli, &section, 1, error);
  users = pvt_client_guest_get_users (cli->client, -1, NULL, error);
  if (users == NULL)
    return FALSE;
  table = pvt_table_new (cli, headers);
  for (guint i = 0; i < users->len; i++)
    {
      const PvtGuestUser *user = users->pdata[i];
      g_autoptr (GDateTime) since = g_date_time_new_from_unix_local ((gint64) user->login_time);
      g_autofree char *text = since ? g_date_time_format (since, "%F %T") : g_strdup ("-");

      pvt_table_row (table, user->user, text, NULL);
    }
  pvt_table_print (table);
  return TRUE;
}

const PvtVerb pvt_verb_users = { "users", "", "who is logged in", FALSE, run_users };
