/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* stat of a guest by its shared page: nothing is asked of the guest. */
#include "output.h"
#include "page-look.h"
#include "stat-text.h"

#include <stdio.h>
#include <string.h>

/* ---- processors ---- */

static guint64
ticked (const PvtPageLook *look, const char *cpu, const char *field)
{
  guint64 before = pvt_page_u64 (look->before, "cpu", cpu, field);
  guint64 now = pvt_page_u64 (look->now, "cpu", cpu, field);

  /* Some of the kernel's counters go back a little: proc(5), iowait. */
  return now > before ? now - before : 0;
}

static PvtCpuShare *
share_of (const PvtPageLook *look, const char *cpu)
{
  static const char *const fields[]
      = { "user-ms", "nice-ms", "system-ms", "idle-ms", "iowait-ms", "irq-ms", "softirq-ms", "steal-ms" };
  PvtCpuShare *s = pvt_cpu_share_new ();
  double *const shares[] = { &s->user, &s->nice, &s->system, &s->idle, &s->iowait, &s->irq, &s->softirq,
                             &s->steal };
  double total = 0;

  for (guint i = 0; i < G_N_ELEMENTS (fields); i++)
    total += *shares[i] = (double) ticked (look, cpu, fields[i]);
  for (guint i = 0; total > 0 && i < G_N_ELEMENTS (fields); i++)
    *shares[i] /= total;
  if (total <= 0)
    s->idle = 1;
  s->cpu = g_ascii_strtoll (cpu, NULL, 10);
  s->has_cpu = strcmp (cpu, "all") != 0;
  return s;
}

/* "cpu.0.user-ms" -> "0"; NULL for all together, and for other figures. */
static char *
cpu_of (const char *name)
{
  static const char head[] = "cpu.", tail[] = ".user-ms";
  gsize len = strlen (name), around = strlen (head) + strlen (tail);

  if (len <= around || !g_str_has_prefix (name, head) || !g_str_has_suffix (name, tail)
      || strcmp (name, "cpu.all.user-ms") == 0)
    return NULL;
  return g_strndup (name + strlen (head), len - around);
}

static PvtCpuUsage *
usage_of (const PvtPageLook *look)
{
  PvtCpuUsage *usage = pvt_cpu_usage_new ();

  usage->total = share_of (look, "all");
  usage->cpus = g_ptr_array_new ();
  for (guint i = 0; i < look->now->metrics->len; i++)
    {
      const PvtPageMetric *metric = look->now->metrics->pdata[i];
      g_autofree char *cpu = cpu_of (metric->name);

      if (cpu)
        g_ptr_array_add (usage->cpus, share_of (look, cpu));
    }
  return usage;
}

/* ---- the rest ---- */

static PvtMemory *
memory_of (const PvtPageFigures *f)
{
  PvtMemory *m = pvt_memory_new ();
  const struct
  {
    const char *field;
    guint64 *value;
  } fields[] = { { "total", &m->total },           { "available", &m->available },
                 { "buffers", &m->buffers },       { "cached", &m->cached },
                 { "reclaimable", &m->reclaimable }, { "swap-total", &m->swap_total },
                 { "swap-free", &m->swap_free } };

  for (guint i = 0; i < G_N_ELEMENTS (fields); i++)
    *fields[i].value = pvt_page_u64 (f, "memory", "", fields[i].field);
  return m;
}

static double
fraction (const PvtPageFigures *f, const char *name, gboolean *there)
{
  const PvtPageMetric *metric = pvt_page_figures_lookup (f, name);

  *there = metric != NULL;
  return metric ? pvt_page_metric_get_value (metric) : 0;
}

static void
print_load (const PvtPageFigures *f)
{
  gboolean there;
  PvtGuestLoadAverage load = { .load1m = fraction (f, "load.load1m", &there),
                               .load5m = fraction (f, "load.load5m", &there),
                               .load15m = fraction (f, "load.load15m", &there) };

  if (there)
    pvt_stat_print_load (&load);
}

static void
print_pressure (const PvtPageFigures *f)
{
  PvtPressureLine cpu = { 0 }, memory = { 0 }, io = { 0 };
  PvtPressure pressure = { .cpu = &cpu, .memory = &memory, .io = &io };

  cpu.some_avg10 = fraction (f, "pressure.cpu.some-avg10", &cpu.has_some_avg10);
  memory.some_avg10 = fraction (f, "pressure.memory.some-avg10", &memory.has_some_avg10);
  io.some_avg10 = fraction (f, "pressure.io.some-avg10", &io.has_some_avg10);
  pvt_stat_print_pressure (&pressure);
}

gboolean
pvt_stat_of_page (PvtCli *cli, GError **error)
{
  g_autofree char *state = NULL;
  PvtPageLook look;
  PvtMemory *memory;

  if (cli->json)
    return pvt_page_show (cli, error);
  if (!pvt_page_look (cli, &look, error))
    return FALSE;
  if (look.before)
    {
      PvtCpuUsage *usage = usage_of (&look);

      pvt_stat_print_cpu (cli, usage);
      putchar ('\n');
      pvt_cpu_usage_free (usage);
    }
  memory = memory_of (look.now);
  pvt_stat_print_memory (cli, memory);
  pvt_memory_free (memory);
  print_load (look.now);
  print_pressure (look.now);
  state = pvt_page_state_text (&look);
  pvt_print_fact ("Figures", state);
  if (pvt_page_figures_is_stale (look.now))
    cli->exit_code = PVT_EXIT_TIMEOUT;
  pvt_page_look_clear (&look);
  return TRUE;
}
