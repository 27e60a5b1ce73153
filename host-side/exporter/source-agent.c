/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What pvtools-agent tells. */
#include "collect.h"
#include "figures.h"

#include <string.h>

static gboolean
collect_time (PvtCollect *collect, GError **error)
{
  g_autoptr (PvtUptime) up
      = pvt_client_get_uptime (collect->client, pvt_collect_left (collect), NULL, error);

  if (up == NULL)
    return FALSE;
  pvt_metrics_add (collect->metrics, PVT_F_TIME, (double) up->now_ms / 1000, NULL);
  g_strlcpy (collect->sign->boot_id, up->boot_id, sizeof collect->sign->boot_id);
  return TRUE;
}

static void
add_pressure (PvtMetrics *metrics, const PvtPressureLine *line, PvtFamilyId some, PvtFamilyId full)
{
  if (line && line->has_some_total_us && some != PVT_N_FAMILIES)
    pvt_metrics_add (metrics, some, (double) line->some_total_us / 1e6, NULL);
  if (line && line->has_full_total_us && full != PVT_N_FAMILIES)
    pvt_metrics_add (metrics, full, (double) line->full_total_us / 1e6, NULL);
}

static void
add_named (PvtMetrics *metrics, const PvtCounters *counters)
{
  PvtFamilyId family;
  gboolean pages;

  for (guint i = 0; i < counters->memory->len; i++)
    {
      const PvtCounter *counter = counters->memory->pdata[i];

      family = pvt_family_of_memory (counter->name, strlen (counter->name), &pages);
      if (family != PVT_N_FAMILIES)
        pvt_metrics_add (metrics, family, (double) counter->value, NULL);
    }
  for (guint i = 0; i < counters->vm->len; i++)
    {
      const PvtCounter *counter = counters->vm->pdata[i];

      family = pvt_family_of_vmstat (counter->name, strlen (counter->name));
      if (family != PVT_N_FAMILIES)
        pvt_metrics_add (metrics, family, (double) counter->value, NULL);
    }
}

static void
add_link (PvtMetrics *metrics, const PvtLinkState *link)
{
  pvt_metrics_add (metrics, PVT_F_NET_UP, link->up, "device", link->name, NULL);
  if (link->has_carrier)
    pvt_metrics_add (metrics, PVT_F_NET_CARRIER, link->carrier, "device", link->name, NULL);
  if (link->has_mtu)
    pvt_metrics_add (metrics, PVT_F_NET_MTU, (double) link->mtu, "device", link->name, NULL);
  if (link->has_speed_mbps)
    pvt_metrics_add (metrics, PVT_F_NET_SPEED, (double) link->speed_mbps * 125000, "device",
                     link->name, NULL);
}

static void
add_numbers (PvtMetrics *metrics, const PvtCounters *c)
{
  const struct
  {
    PvtFamilyId family;
    gboolean has;
    guint64 value;
  } rows[] = {
    { PVT_F_BOOT_TIME, c->has_boot_time, c->boot_time },
    { PVT_F_CONTEXT, c->has_context_switches, c->context_switches },
    { PVT_F_INTR, c->has_interrupts, c->interrupts },
    { PVT_F_FORKS, c->has_forks, c->forks },
    { PVT_F_PROCS_RUNNING, c->has_procs_running, c->procs_running },
    { PVT_F_PROCS_BLOCKED, c->has_procs_blocked, c->procs_blocked },
    { PVT_F_FD_ALLOCATED, c->has_files_allocated, c->files_allocated },
    { PVT_F_FD_MAXIMUM, c->has_files_maximum, c->files_maximum },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    if (rows[i].has)
      pvt_metrics_add (metrics, rows[i].family, (double) rows[i].value, NULL);
}

static gboolean
collect_counters (PvtCollect *collect, GError **error)
{
  g_autoptr (PvtCounters) counters
      = pvt_client_get_counters (collect->client, pvt_collect_left (collect), NULL, error);
  PvtMetrics *metrics = collect->metrics;

  if (counters == NULL)
    return FALSE;
  add_numbers (metrics, counters);
  add_named (metrics, counters);
  for (guint i = 0; i < counters->links->len; i++)
    add_link (metrics, counters->links->pdata[i]);
  if (counters->pressure)
    {
      add_pressure (metrics, counters->pressure->cpu, PVT_F_PSI_CPU, PVT_N_FAMILIES);
      add_pressure (metrics, counters->pressure->io, PVT_F_PSI_IO, PVT_F_PSI_IO_FULL);
      add_pressure (metrics, counters->pressure->memory, PVT_F_PSI_MEMORY,
                    PVT_F_PSI_MEMORY_FULL);
      add_pressure (metrics, counters->pressure->irq, PVT_N_FAMILIES, PVT_F_PSI_IRQ_FULL);
    }
  return TRUE;
}

static void
add_filesystem (PvtMetrics *metrics, const PvtFilesystem *fs)
{
  PvtFilesystemFigures figures = {
    .device = fs->source,
    .fstype = fs->type,
    .mountpoint = fs->mountpoint,
    .failed = fs->error != NULL,
    .has_size = fs->has_total_bytes,
    .size = fs->total_bytes,
    .has_free = fs->has_total_bytes && fs->has_used_bytes && fs->used_bytes <= fs->total_bytes,
    .free = fs->total_bytes - fs->used_bytes,
    .has_avail = fs->has_available_bytes,
    .avail = fs->available_bytes,
    .has_files = fs->has_inodes && fs->has_inodes_free,
    .files = fs->inodes,
    .files_free = fs->inodes_free,
    .has_readonly = TRUE,
    .readonly = fs->read_only,
  };

  pvt_figures_filesystem (metrics, &figures);
}

static gboolean
collect_filesystems (PvtCollect *collect, GError **error)
{
  g_autoptr (GPtrArray) list
      = pvt_client_get_filesystems (collect->client, pvt_collect_left (collect), NULL, error);

  for (guint i = 0; list && i < list->len; i++)
    add_filesystem (collect->metrics, list->pdata[i]);
  return list != NULL;
}

/* What may wait for disks comes last. */
const PvtCollector pvt_agent_collectors[] = {
  { "uname", pvt_collect_os },          { "time", collect_time },
  { "cpu", pvt_collect_cpustats },      { "loadavg", pvt_collect_load },
  { "counters", collect_counters },     { "diskstats", pvt_collect_diskstats },
  { "netdev", pvt_collect_network },    { "filesystem", collect_filesystems },
};
const guint pvt_n_agent_collectors = G_N_ELEMENTS (pvt_agent_collectors);
