/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* net-policy render: what a NIC of pvtools-vmm may do, for a tap under QEMU. */
#include "cli.h"

#include <stdio.h>
#include <string.h>

#include "host-side/vmm/net-policy/render.h"

static gboolean
parse_mac (const char *text, guint8 mac[6])
{
  int len = 0;

  return sscanf (text, "%2hhx:%2hhx:%2hhx:%2hhx:%2hhx:%2hhx%n", &mac[0], &mac[1], &mac[2], &mac[3],
                 &mac[4], &mac[5], &len)
             == 6
         && text[len] == '\0' && len == 17;
}

static gboolean
refuse (GError **error, const char *format, const char *what)
{
  g_autofree char *text = g_strdup_printf ("%s%s", format, what);

  g_set_error_literal (error, PVT_CLI_ERROR, PVT_CLI_ERROR_USAGE, text);
  return FALSE;
}

static gboolean
run_render (PvtCli *cli, int argc, char **argv, GError **error)
{
  g_autofree char *mac_text = NULL;
  const GOptionEntry entries[] = {
    { "mac", 0, 0, G_OPTION_ARG_STRING, &mac_text, NULL, NULL },
    { NULL },
  };
  g_auto (GStrv) words = pvt_cli_words (entries, argc, argv, error);
  struct net_policy policy;
  guint8 mac[6] = { 0 };
  const char *why = NULL;

  if (words == NULL)
    return FALSE;
  if (g_strv_length (words) != 2)
    return refuse (error, "a tap and a policy are needed", "");
  if (!net_policy_tap_name_ok (words[0]))
    return refuse (error, "this is no name of a tap: ", words[0]);
  if (mac_text && !parse_mac (mac_text, mac))
    return refuse (error, "a MAC is aa:bb:cc:dd:ee:ff, not ", mac_text);
  if (net_policy_parse (&policy, words[1], mac, &why) < 0)
    return refuse (error, why, "");
  if (mac_text == NULL && (policy.bind_mac || policy.bind_ip6))
    return refuse (error, "this policy needs --mac", "");
  net_policy_render (&policy, words[0], stdout);
  return TRUE;
}

const PvtVerb pvt_verb_net_policy_render = {
  "net-policy render", "[--mac MAC] TAP POLICY", "a NIC's policy for nftables and tc", TRUE, run_render
};
