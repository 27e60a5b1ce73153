/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* stat: how busy the guest is. */
#include "output.h"
#include "page-look.h"
#include "stat-text.h"

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

void
pvt_stat_print_cpu (PvtCli *cli, const PvtCpuUsage *usage)
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

void
pvt_stat_print_pressure (const PvtPressure *pressure)
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

void
pvt_stat_print_memory (PvtCli *cli, const PvtMemory *m)
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

void
pvt_stat_print_load (const PvtGuestLoadAverage *load)
{
  g_autofree char *text = g_strdup_printf ("%.2f %.2f %.2f", load->load1m, load->load5m, load->load15m);

  pvt_print_fact ("Load", text);
}

/* What its channel tells. */
static gboolean
ask (PvtCli *cli, GError **error)
{
  PvtGetCpuUsageArgs args = { 0 };
  g_autoptr (PvtCpuUsage) usage = pvt_client_get_cpu_usage (cli->client, &args, -1, NULL, error);
  g_autoptr (PvtMemory) memory = usage ? pvt_client_get_memory (cli->client, -1, NULL, error) : NULL;
  g_autoptr (PvtGuestLoadAverage) load = NULL;

  if (memory == NULL)
    return FALSE;
  pvt_stat_print_cpu (cli, usage);
  putchar ('\n');
  pvt_stat_print_memory (cli, memory);
  load = pvt_client_guest_get_load (cli->client, -1, NULL, NULL);
  if (load)
    pvt_stat_print_load (load);
  if (usage->pressure)
    pvt_stat_print_pressure (usage->pressure);
  return TRUE;
}

static gboolean
run_stat (PvtCli *cli, int argc, char **argv, GError **error)
{
  if (!pvt_cli_no_words (argc, argv, error))
    return FALSE;
  if (pvt_page_address_file (cli->address))
    return pvt_stat_of_page (cli, error);
  if (cli->json)
    return pvt_print_sections (cli, sections, G_N_ELEMENTS (sections), error);
  return ask (cli, error);
}

const PvtVerb pvt_verb_stat = { "stat", "", "how busy it is: CPU, memory, load, pressure", FALSE,
                                run_stat, TRUE };
