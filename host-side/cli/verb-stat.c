/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* stat: how busy the guest is. */
#include "output.h"

#include <stdio.h>

static const PvtSection sections[] = {
  { "cpu", "pvt-get-cpu-usage" },
  { "memory", "pvt-get-memory" },
  { "load", "guest-get-load" },
  { "uptime", "pvt-get-uptime" },
  { "rates", "pvt-get-rates" },
  { "cpustats", "guest-get-cpustats" },
};

static void
cpu_row (PvtTable *table, const char *name, const PvtCpuShare *s)
{
  g_autofree char *busy = pvt_share_text (1 - s->idle - s->iowait);
  g_autofree char *user = pvt_share_text (s->user + s->nice);
  g_autofree char *system = pvt_share_text (s->system + s->irq + s->softirq);
  g_autofree char *iowait = pvt_share_text (s->iowait);
  g_autofree char *steal = pvt_share_text (s->steal);

  pvt_table_row (table, name, busy, user, system, iowait, steal, NULL);
}

static void
print_cpu (PvtCli *cli, const PvtCpuUsage *usage)
{
  static const char *const headers[]
      = { "CPU", ">BUSY", ">USER", ">SYSTEM", ">IOWAIT", ">STEAL", NULL };
  PvtTable *table = pvt_table_new (cli, headers);

  cpu_row (table, "all", usage->total);
  for (guint i = 0; i < usage->cpus->len; i++)
    {
      const PvtCpuShare *share = usage->cpus->pdata[i];
      g_autofree char *name = g_strdup_printf ("%" G_GINT64_FORMAT, share->cpu);

      cpu_row (table, name, share);
    }
  pvt_table_print (table);
}

static void
print_pressure (const PvtPressure *pressure)
{
  const struct
  {
    const char *name;
    const PvtPressureLine *line;
  } rows[] = { { "cpu", pressure->cpu }, { "memory", pressure->memory }, { "io", pressure->io } };
  GString *text = g_string_new (NULL);

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    if (rows[i].line && rows[i].line->has_some_avg10)
      g_string_append_printf (text, "%s%s %.1f%%", text->len ? ", " : "", rows[i].name,
                              rows[i].line->some_avg10 * 100);
  pvt_print_fact ("Pressure", text->len ? text->str : NULL);
  g_string_free (text, TRUE);
}

static void
print_memory (PvtCli *cli, const PvtMemory *m)
{
  g_autofree char *total = pvt_size_text (cli, m->total);
  g_autofree char *used = pvt_size_text (cli, m->total - MIN (m->available, m->total));
  g_autofree char *cache = pvt_size_text (cli, m->cached + m->buffers + m->reclaimable);
  g_autofree char *swap = pvt_size_text (cli, m->swap_total);
  g_autofree char *swap_used = pvt_size_text (cli, m->swap_total - MIN (m->swap_free, m->swap_total));
  g_autofree char *memory
      = g_strdup_printf ("%s used of %s, %s in caches", used, total, cache);
  g_autofree char *swapping = g_strdup_printf ("%s used of %s", swap_used, swap);

  pvt_print_fact ("Memory", memory);
  pvt_print_fact ("Swap", m->swap_total ? swapping : "none");
}

static void
print_load (PvtCli *cli)
{
  g_autoptr (PvtGuestLoadAverage) load = pvt_client_guest_get_load (cli->client, -1, NULL, NULL);
  g_autofree char *text
      = load ? g_strdup_printf ("%.2f %.2f %.2f", load->load1m, load->load5m, load->load15m) : NULL;

  pvt_print_fact ("Load", text);
}

static gboolean
run_stat (PvtCli *cli, int argc, char **argv, GError **error)
{
  PvtGetCpuUsageArgs args = { 0 };
  g_autoptr (PvtCpuUsage) usage = NULL;
  g_autoptr (PvtMemory) memory = NULL;

  if (!pvt_cli_no_words (argc, argv, error))
    return FALSE;
  if (cli->json)
    return pvt_print_sections (cli, sections, G_N_ELEMENTS (sections), error);
  usage = pvt_client_get_cpu_usage (cli->client, &args, -1, NULL, error);
  memory = usage ? pvt_client_get_memory (cli->client, -1, NULL, error) : NULL;
  if (memory == NULL)
    return FALSE;
  print_cpu (cli, usage);
  putchar ('\n');
  print_memory (cli, memory);
  print_load (cli);
  if (usage->pressure)
    print_pressure (usage->pressure);
  return TRUE;
}

const PvtVerb pvt_verb_stat = { "stat", "", "how busy it is: CPU, memory, load, pressure", FALSE,
                                run_stat };
