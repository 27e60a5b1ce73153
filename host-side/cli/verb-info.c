/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* info: one page about a guest. */
#include "output.h"

#include <stdio.h>

static const PvtSection sections[] = {
  { "hostname", "guest-get-host-name" }, { "os", "guest-get-osinfo" },
  { "uptime", "pvt-get-uptime" },        { "timezone", "guest-get-timezone" },
  { "network", "pvt-get-network" },      { "cpus", "guest-get-vcpus" },
  { "memory", "pvt-get-memory" },        { "agent", "pvt-get-status" },
};

static void
print_os (PvtCli *cli)
{
  g_autoptr (PvtGuestHostName) host = pvt_client_guest_get_host_name (cli->client, -1, NULL, NULL);
  g_autoptr (PvtGuestOSInfo) os = pvt_client_guest_get_osinfo (cli->client, -1, NULL, NULL);
  g_autoptr (PvtGuestTimezone) zone = pvt_client_guest_get_timezone (cli->client, -1, NULL, NULL);

  pvt_print_fact ("Host name", host ? host->host_name : NULL);
  if (os)
    {
      g_autofree char *kernel
          = g_strdup_printf ("%s (%s)", os->kernel_release ? os->kernel_release : "unknown",
                             os->machine ? os->machine : "unknown");

      pvt_print_fact ("System", os->pretty_name);
      pvt_print_fact ("Kernel", kernel);
    }
  if (zone)
    {
      int minutes = (int) (zone->offset / 60);
      g_autofree char *text = g_strdup_printf ("%s (UTC%+03d:%02d)", zone->zone ? zone->zone : "",
                                               minutes / 60, ABS (minutes % 60));

      pvt_print_fact ("Time zone", text);
    }
}

static void
print_uptime (PvtCli *cli)
{
  g_autoptr (PvtUptime) uptime = pvt_client_get_uptime (cli->client, -1, NULL, NULL);
  g_autofree char *text = uptime ? pvt_duration_text (uptime->uptime_ms / 1000) : NULL;

  pvt_print_fact ("Up for", text);
}

static void
print_network (PvtCli *cli)
{
  g_autoptr (PvtNetwork) network = pvt_client_get_network (cli->client, -1, NULL, NULL);
  g_autofree char *dns = NULL;

  if (network == NULL)
    return;
  dns = g_strjoinv (" ", network->dns_servers);
  pvt_print_fact ("Address", network->primary_address ? network->primary_address
                                                      : network->primary_address_ipv6);
  pvt_print_fact ("Gateway", network->gateway ? network->gateway : network->gateway_ipv6);
  pvt_print_fact ("Interface", network->primary_interface);
  pvt_print_fact ("MAC", network->mac_address);
  pvt_print_fact ("Name servers", *dns ? dns : NULL);
}

static void
print_hardware (PvtCli *cli)
{
  g_autoptr (GPtrArray) cpus = pvt_client_guest_get_vcpus (cli->client, -1, NULL, NULL);
  g_autoptr (PvtMemory) memory = pvt_client_get_memory (cli->client, -1, NULL, NULL);
  guint online = 0;

  if (cpus)
    {
      g_autofree char *text = NULL;

      for (guint i = 0; i < cpus->len; i++)
        online += ((PvtGuestLogicalProcessor *) cpus->pdata[i])->online != FALSE;
      text = g_strdup_printf ("%u online of %u", online, cpus->len);
      pvt_print_fact ("CPUs", text);
    }
  if (memory)
    {
      g_autofree char *total = pvt_size_text (cli, memory->total);
      g_autofree char *available = pvt_size_text (cli, memory->available);
      g_autofree char *text = g_strdup_printf ("%s, %s available", total, available);

      pvt_print_fact ("Memory", text);
    }
}

static gboolean
run_info (PvtCli *cli, int argc, char **argv, GError **error)
{
  const char *version;
  gboolean ours;
  g_autofree char *agent = NULL;

  if (!pvt_cli_no_words (argc, argv, error))
    return FALSE;
  if (cli->json)
    return pvt_print_sections (cli, sections, G_N_ELEMENTS (sections), error);
  version = pvt_client_get_agent_version (cli->client, -1, NULL, error);
  if (version == NULL)
    return FALSE;
  ours = pvt_client_is_pvtools (cli->client, -1, NULL, NULL);
  print_os (cli);
  print_uptime (cli);
  print_network (cli);
  print_hardware (cli);
  agent = g_strdup_printf ("%s %s", ours ? "pvtools-agent" : "qemu-ga or another,", version);
  pvt_print_fact ("Agent", agent);
  if (!ours)
    puts ("This agent cannot tell uptime, primary address, gateway, name servers and memory.");
  return TRUE;
}

const PvtVerb pvt_verb_info = { "info", "", "one page about the guest", FALSE, run_info };
