/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Commands that pvtools-agent and qemu-ga answer alike. */
#include "collect.h"
#include "figures.h"

gboolean
pvt_collect_os (PvtCollect *collect, GError **error)
{
  g_autoptr (PvtGuestOSInfo) os
      = pvt_client_guest_get_osinfo (collect->client, pvt_collect_left (collect), NULL, error);
  g_autoptr (PvtGuestHostName) host = NULL;

  if (os)
    host = pvt_client_guest_get_host_name (collect->client, pvt_collect_left (collect), NULL,
                                           error);
  if (host == NULL)
    return FALSE;
  pvt_metrics_add (collect->metrics, PVT_F_UNAME, 1, "domainname", "(none)", "machine",
                   os->machine, "nodename", host->host_name, "release", os->kernel_release,
                   "sysname", "Linux", "version", os->kernel_version, NULL);
  pvt_metrics_add (collect->metrics, PVT_F_OS, 1, "id", os->id, "name", os->name, "pretty_name",
                   os->pretty_name, "variant", os->variant, "variant_id", os->variant_id,
                   "version", os->version, "version_id", os->version_id, NULL);
  return TRUE;
}

/* guest-get-cpustats has milliseconds; the columns stand in the order of /proc/stat. */
static void
add_cpu (PvtMetrics *metrics, const PvtGuestLinuxCpuStats *s)
{
  const struct
  {
    gboolean has;
    guint64 ms;
  } columns[PVT_CPU_COLUMNS] = {
    { TRUE, s->user },           { TRUE, s->nice },          { TRUE, s->system },
    { TRUE, s->idle },           { s->has_iowait, s->iowait }, { s->has_irq, s->irq },
    { s->has_softirq, s->softirq }, { s->has_steal, s->steal }, { s->has_guest, s->guest },
    { s->has_guestnice, s->guestnice },
  };
  double seconds[PVT_CPU_COLUMNS];
  char name[24];
  guint n = 0;

  for (; n < PVT_CPU_COLUMNS && columns[n].has; n++)
    seconds[n] = (double) columns[n].ms / 1000;
  g_snprintf (name, sizeof name, "%" G_GINT64_FORMAT, s->cpu);
  pvt_figures_cpu (metrics, name, seconds, n);
}

gboolean
pvt_collect_cpustats (PvtCollect *collect, GError **error)
{
  g_autoptr (GPtrArray) cpus
      = pvt_client_guest_get_cpustats (collect->client, pvt_collect_left (collect), NULL, error);

  for (guint i = 0; cpus && i < cpus->len; i++)
    {
      const PvtGuestCpuStats *stats = cpus->pdata[i];

      if (stats->linux_)
        add_cpu (collect->metrics, stats->linux_);
    }
  return cpus != NULL;
}

gboolean
pvt_collect_load (PvtCollect *collect, GError **error)
{
  g_autoptr (PvtGuestLoadAverage) load
      = pvt_client_guest_get_load (collect->client, pvt_collect_left (collect), NULL, error);

  if (load == NULL)
    return FALSE;
  pvt_metrics_add (collect->metrics, PVT_F_LOAD1, load->load1m, NULL);
  pvt_metrics_add (collect->metrics, PVT_F_LOAD5, load->load5m, NULL);
  pvt_metrics_add (collect->metrics, PVT_F_LOAD15, load->load15m, NULL);
  return TRUE;
}

static void
add_disk (PvtMetrics *metrics, const char *name, const PvtGuestDiskStats *s)
{
#define COLUMN(field) { s->has_##field, s->field }
  const struct
  {
    gboolean has;
    guint64 value;
  } columns[PVT_DISK_COLUMNS] = {
    COLUMN (read_ios),      COLUMN (read_merges),  COLUMN (read_sectors),    COLUMN (read_ticks),
    COLUMN (write_ios),     COLUMN (write_merges), COLUMN (write_sectors),   COLUMN (write_ticks),
    COLUMN (ios_pgr),       COLUMN (total_ticks),  COLUMN (weight_ticks),    COLUMN (discard_ios),
    COLUMN (discard_merges), COLUMN (discard_sectors), COLUMN (discard_ticks), COLUMN (flush_ios),
    COLUMN (flush_ticks),
  };
#undef COLUMN
  guint64 values[PVT_DISK_COLUMNS];
  guint32 present = 0;

  for (guint i = 0; i < PVT_DISK_COLUMNS; i++)
    {
      values[i] = columns[i].value;
      present |= columns[i].has ? 1u << i : 0;
    }
  pvt_figures_disk (metrics, name, values, present);
}

gboolean
pvt_collect_diskstats (PvtCollect *collect, GError **error)
{
  g_autoptr (GPtrArray) disks
      = pvt_client_guest_get_diskstats (collect->client, pvt_collect_left (collect), NULL, error);

  for (guint i = 0; disks && i < disks->len; i++)
    {
      const PvtGuestDiskStatsInfo *disk = disks->pdata[i];

      add_disk (collect->metrics, disk->name, disk->stats);
    }
  return disks != NULL;
}

gboolean
pvt_collect_network (PvtCollect *collect, GError **error)
{
  g_autoptr (GPtrArray) links = pvt_client_guest_network_get_interfaces (
      collect->client, pvt_collect_left (collect), NULL, error);

  for (guint i = 0; links && i < links->len; i++)
    {
      const PvtGuestNetworkInterface *link = links->pdata[i];
      const PvtGuestNetworkInterfaceStat *s = link->statistics;

      if (s)
        pvt_figures_network (collect->metrics, link->name,
                             (guint64[]){ s->rx_bytes, s->rx_packets, s->rx_errs, s->rx_dropped,
                                          s->tx_bytes, s->tx_packets, s->tx_errs,
                                          s->tx_dropped });
    }
  return links != NULL;
}
