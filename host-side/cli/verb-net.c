/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* ip and net: addresses and traffic. */
#include "output.h"

#include <stdio.h>
#include <string.h>

typedef struct
{
  gboolean v4, v6;
} Families;

static gboolean
parse_families (int argc, char **argv, Families *families, GError **error)
{
  *families = (Families){ FALSE, FALSE };
  for (int i = 0; i < argc; i++)
    {
      if (strcmp (argv[i], "-4") == 0)
        families->v4 = TRUE;
      else if (strcmp (argv[i], "-6") == 0)
        families->v6 = TRUE;
      else
        return pvt_cli_no_words (argc - i, argv + i, error);
    }
  if (!families->v4 && !families->v6)
    families->v4 = families->v6 = TRUE;
  return TRUE;
}

static gboolean
run_ip (PvtCli *cli, int argc, char **argv, GError **error)
{
  static const PvtSection section = { "interfaces", "guest-network-get-interfaces" };
  static const char *const headers[] = { "INTERFACE", "ADDRESS", "MAC", NULL };
  g_autoptr (GPtrArray) list = NULL;
  Families families;
  PvtTable *table;

  if (!parse_families (argc, argv, &families, error))
    return FALSE;
  if (cli->json)
    return pvt_print_sections (cli, &section, 1, error);
  list = pvt_client_guest_network_get_interfaces (cli->client, -1, NULL, error);
  if (list == NULL)
    return FALSE;
  table = pvt_table_new (cli, headers);
  for (guint i = 0; i < list->len; i++)
    {
      const PvtGuestNetworkInterface *interface = list->pdata[i];

      for (guint a = 0; interface->ip_addresses && a < interface->ip_addresses->len; a++)
        {
          const PvtGuestIpAddress *address = interface->ip_addresses->pdata[a];
          gboolean v4 = address->ip_address_type == PVT_GUEST_IP_ADDRESS_TYPE_IPV4;
          g_autofree char *text
              = g_strdup_printf ("%s/%" G_GINT64_FORMAT, address->ip_address, address->prefix);

          if (v4 ? families.v4 : families.v6)
            pvt_table_row (table, interface->name, text,
                           interface->hardware_address ? interface->hardware_address : "-", NULL);
        }
    }
  pvt_table_print (table);
  return TRUE;
}

const PvtVerb pvt_verb_ip = { "ip", "[-4|-6]", "addresses of its interfaces", FALSE, run_ip };

static void
net_row (PvtCli *cli, PvtTable *table, const PvtGuestNetworkInterface *interface,
         const PvtInterfaceRate *rate)
{
  const PvtGuestNetworkInterfaceStat *s = interface->statistics;
  g_autofree char *rx = s ? pvt_size_text (cli, s->rx_bytes) : g_strdup ("-");
  g_autofree char *tx = s ? pvt_size_text (cli, s->tx_bytes) : g_strdup ("-");
  g_autofree char *rx_rate = rate ? pvt_size_text (cli, (guint64) rate->rx_bytes) : g_strdup ("-");
  g_autofree char *tx_rate = rate ? pvt_size_text (cli, (guint64) rate->tx_bytes) : g_strdup ("-");
  g_autofree char *bad
      = s ? g_strdup_printf ("%" G_GUINT64_FORMAT,
                             s->rx_errs + s->tx_errs + s->rx_dropped + s->tx_dropped)
          : g_strdup ("-");

  pvt_table_row (table, interface->name, rx, tx, rx_rate, tx_rate, bad, NULL);
}

static const PvtInterfaceRate *
find_rate (const PvtRates *rates, const char *name)
{
  for (guint i = 0; rates && i < rates->interfaces->len; i++)
    {
      const PvtInterfaceRate *rate = rates->interfaces->pdata[i];

      if (strcmp (rate->name, name) == 0)
        return rate;
    }
  return NULL;
}

static gboolean
run_net (PvtCli *cli, int argc, char **argv, GError **error)
{
  static const PvtSection sections[] = { { "interfaces", "guest-network-get-interfaces" },
                                         { "routes", "guest-network-get-route" },
                                         { "network", "pvt-get-network" },
                                         { "rates", "pvt-get-rates" } };
  static const char *const headers[]
      = { "INTERFACE", ">RECEIVED", ">SENT", ">IN/s", ">OUT/s", ">BAD", NULL };
  PvtGetRatesArgs args = { 0 };
  g_autoptr (GPtrArray) list = NULL;
  g_autoptr (PvtRates) rates = NULL;
  PvtTable *table;

  if (!pvt_cli_no_words (argc, argv, error))
    return FALSE;
  if (cli->json)
    return pvt_print_sections (cli, sections, G_N_ELEMENTS (sections), error);
  list = pvt_client_guest_network_get_interfaces (cli->client, -1, NULL, error);
  if (list == NULL)
    return FALSE;
  rates = pvt_client_get_rates (cli->client, &args, -1, NULL, NULL);
  table = pvt_table_new (cli, headers);
  for (guint i = 0; i < list->len; i++)
    {
      const PvtGuestNetworkInterface *interface = list->pdata[i];

      net_row (cli, table, interface, find_rate (rates, interface->name));
    }
  pvt_table_print (table);
  if (rates == NULL)
    puts ("This agent cannot tell rates.");
  return TRUE;
}

const PvtVerb pvt_verb_net = { "net", "", "traffic of its interfaces", FALSE, run_net };
