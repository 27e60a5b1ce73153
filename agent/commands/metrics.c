/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How busy and how full the guest is. */
#include "agent/core/call.h"
#include "agent/core/dispatch.h"
#include "agent/core/gate.h"
#include "agent/core/server.h"
#include "agent/platform/diskstats.h"
#include "agent/platform/meminfo.h"
#include "agent/platform/mountinfo.h"
#include "agent/platform/netlink.h"
#include "agent/platform/pressure.h"
#include "agent/platform/resolv.h"
#include "agent/platform/stat.h"
#include "agent/platform/statfs-probe.h"
#include "reports.h"

#include <arpa/inet.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#define DEFAULT_INTERVAL_MS 200

/* Counters may be set back, as when a device was replaced: that is no traffic. */
static double
delta (guint64 before, guint64 after)
{
  return after > before ? (double) (after - before) : 0;
}

static PvtCpuShare *
cpu_share (const PvtCpuTimes *before, const PvtCpuTimes *after)
{
  PvtCpuShare *share = pvt_cpu_share_new ();
  double *const fields[PVT_CPU_FIELDS]
      = { &share->user, &share->nice,    &share->system, &share->idle,  &share->iowait,
          &share->irq,  &share->softirq, &share->steal,  &share->guest, &share->guest_nice };
  double total = 0;

  for (guint i = 0; i < PVT_CPU_FIELDS; i++)
    {
      *fields[i] = delta (before->ticks[i], after->ticks[i]);
      /* Guests are in user and nice already. */
      if (i != PVT_CPU_GUEST && i != PVT_CPU_GUEST_NICE)
        total += *fields[i];
    }
  for (guint i = 0; total > 0 && i < PVT_CPU_FIELDS; i++)
    *fields[i] /= total;
  share->has_cpu = after->cpu >= 0;
  share->cpu = after->cpu;
  return share;
}

static const PvtCpuTimes *
find_cpu (GArray *cpus, gint number)
{
  for (guint i = 0; i < cpus->len; i++)
    if (g_array_index (cpus, PvtCpuTimes, i).cpu == number)
      return &g_array_index (cpus, PvtCpuTimes, i);
  return NULL;
}

static void
put_figures (const PvtPressureFigures *from, gboolean *has, double *avg, gboolean *has_total,
             guint64 *total)
{
  const double percent[] = { from->avg10, from->avg60, from->avg300 };

  for (guint i = 0; from->present && i < 3; i++)
    {
      has[i] = TRUE;
      avg[i] = percent[i] / 100;
    }
  *has_total = from->present;
  *total = from->total_us;
}

PvtPressureLine *
pvt_pressure_report_line (const PvtPressureFile *file)
{
  PvtPressureLine *line = pvt_pressure_line_new ();
  gboolean has[3] = { FALSE };
  double avg[3] = { 0 };

  put_figures (&file->some, has, avg, &line->has_some_total_us, &line->some_total_us);
  line->has_some_avg10 = line->has_some_avg60 = line->has_some_avg300 = has[0];
  line->some_avg10 = avg[0];
  line->some_avg60 = avg[1];
  line->some_avg300 = avg[2];
  memset (has, 0, sizeof has);
  put_figures (&file->full, has, avg, &line->has_full_total_us, &line->full_total_us);
  line->has_full_avg10 = line->has_full_avg60 = line->has_full_avg300 = has[0];
  line->full_avg10 = avg[0];
  line->full_avg60 = avg[1];
  line->full_avg300 = avg[2];
  return line;
}

static PvtPressureLine *
pressure_line (const PvtRoot *root, const char *name)
{
  PvtPressureFile file;

  return pvt_pressure_read (root, name, &file) ? pvt_pressure_report_line (&file) : NULL;
}

PvtPressure *
pvt_pressure_report (const PvtRoot *root)
{
  PvtPressure *all = pvt_pressure_new ();

  all->cpu = pressure_line (root, "cpu");
  all->memory = pressure_line (root, "memory");
  all->io = pressure_line (root, "io");
  all->irq = pressure_line (root, "irq");
  if (all->cpu || all->memory || all->io || all->irq)
    return all;
  pvt_pressure_free (all);
  return NULL;
}

gboolean
pvt_handle_get_cpu_usage (PvtCall *call, const PvtGetCpuUsageArgs *args, PvtCpuUsage **result,
                          GError **error)
{
  const PvtRoot *root = pvt_call_root (call);
  guint interval = args->has_interval_ms ? args->interval_ms : DEFAULT_INTERVAL_MS;
  gint64 began = g_get_monotonic_time ();
  g_autoptr (GArray) before = pvt_stat_read (root, error);
  g_autoptr (GArray) after = NULL;
  PvtCpuUsage *usage;

  if (before == NULL || !pvt_call_sleep (call, interval, error))
    return FALSE;
  after = pvt_stat_read (root, error);
  if (after == NULL)
    return FALSE;
  if (!find_cpu (before, -1) || !find_cpu (after, -1))
    return pvt_call_fail (error, "/proc/stat has no line for all CPUs");
  usage = pvt_cpu_usage_new ();
  usage->interval_ms = (guint32) ((g_get_monotonic_time () - began) / 1000);
  usage->total = cpu_share (find_cpu (before, -1), find_cpu (after, -1));
  usage->cpus = g_ptr_array_new ();
  for (guint i = 0; i < after->len; i++)
    {
      const PvtCpuTimes *now = &g_array_index (after, PvtCpuTimes, i);
      const PvtCpuTimes *then = now->cpu >= 0 ? find_cpu (before, now->cpu) : NULL;

      if (then)
        g_ptr_array_add (usage->cpus, cpu_share (then, now));
    }
  usage->pressure = pvt_pressure_report (root);
  *result = usage;
  return TRUE;
}

PvtMemory *
pvt_memory_report (const PvtMeminfo *info)
{
  PvtMemory *memory = pvt_memory_new ();

  memory->total = info->total;
  memory->free = info->free;
  memory->available = info->available;
  memory->available_estimated = info->available_estimated;
  memory->buffers = info->buffers;
  memory->cached = info->cached;
  memory->reclaimable = info->reclaimable;
  memory->shared = info->shared;
  memory->dirty = info->dirty;
  memory->writeback = info->writeback;
  memory->swap_total = info->swap_total;
  memory->swap_free = info->swap_free;
  memory->swap_cached = info->swap_cached;
  memory->has_hugepages_total = memory->has_hugepages_free = memory->has_hugepage_size
      = info->huge_size > 0;
  memory->hugepages_total = info->huge_total;
  memory->hugepages_free = info->huge_free;
  memory->hugepage_size = info->huge_size;
  return memory;
}

gboolean
pvt_handle_get_memory (PvtCall *call, PvtMemory **result, GError **error)
{
  PvtMeminfo info;

  if (!pvt_meminfo_read (pvt_call_root (call), &info, error))
    return FALSE;
  *result = pvt_memory_report (&info);
  return TRUE;
}

static PvtFilesystem *
filesystem (const PvtMount *mount, const PvtStatfsResult *result)
{
  const struct statvfs *s = &result->figures;
  PvtFilesystem *fs = pvt_filesystem_new ();

  fs->mountpoint = g_strdup (mount->mountpoint);
  fs->source = g_strdup (mount->source);
  fs->type = g_strdup (mount->type);
  fs->read_only = mount->read_only;
  fs->remote = pvt_mount_is_remote (mount);
  fs->error = pvt_statfs_explain (result);
  if (fs->error)
    return fs;
  fs->has_total_bytes = fs->has_used_bytes = fs->has_available_bytes = TRUE;
  fs->total_bytes = (guint64) s->f_blocks * s->f_frsize;
  fs->used_bytes = (guint64) (s->f_blocks - MIN (s->f_bfree, s->f_blocks)) * s->f_frsize;
  fs->available_bytes = (guint64) s->f_bavail * s->f_frsize;
  /* btrfs and vfat have no such limit and say 0. */
  fs->has_inodes = fs->has_inodes_free = s->f_files > 0;
  fs->inodes = s->f_files;
  fs->inodes_free = s->f_ffree;
  return fs;
}

GPtrArray *
pvt_filesystems_report (const PvtRoot *root, GError **error)
{
  g_autoptr (GPtrArray) mounts = pvt_mountinfo_read (root, error);
  g_autoptr (GPtrArray) real = g_ptr_array_new ();
  g_autofree PvtStatfsQuery *queries = NULL;
  g_autofree PvtStatfsResult *answers = NULL;
  GPtrArray *list;

  if (mounts == NULL)
    return NULL;
  for (guint i = 0; i < mounts->len; i++)
    if (!pvt_mount_is_pseudo (mounts->pdata[i]))
      g_ptr_array_add (real, mounts->pdata[i]);
  queries = g_new0 (PvtStatfsQuery, real->len + 1);
  answers = g_new0 (PvtStatfsResult, real->len + 1);
  for (guint i = 0; i < real->len; i++)
    {
      const PvtMount *mount = real->pdata[i];

      queries[i].mountpoint = mount->mountpoint;
      queries[i].direct = pvt_mount_answers (mount, mounts);
    }
  pvt_statfs_probe (queries, real->len, answers);
  list = g_ptr_array_sized_new (real->len);
  for (guint i = 0; i < real->len; i++)
    g_ptr_array_add (list, filesystem (real->pdata[i], &answers[i]));
  return list;
}

gboolean
pvt_handle_get_filesystems (PvtCall *call, GPtrArray **result, GError **error)
{
  *result = pvt_filesystems_report (pvt_call_root (call), error);
  return *result != NULL;
}

static gboolean
is_partition (const PvtRoot *root, const char *name)
{
  char path[128];

  g_snprintf (path, sizeof path, "sys/class/block/%s/partition", name);
  return pvt_root_exists (root, path);
}

static PvtDiskRate *
disk_rate (const PvtDiskCounters *a, const PvtDiskCounters *b, double seconds)
{
  PvtDiskRate *rate = pvt_disk_rate_new ();

#define RATE(field) (delta (a->fields[field], b->fields[field]) / seconds)
  rate->name = g_strdup (b->name);
  rate->reads = RATE (PVT_DISK_READ_IOS);
  rate->writes = RATE (PVT_DISK_WRITE_IOS);
  rate->read_bytes = RATE (PVT_DISK_READ_SECTORS) * 512;
  rate->write_bytes = RATE (PVT_DISK_WRITE_SECTORS) * 512;
  rate->busy = MIN (RATE (PVT_DISK_TOTAL_TICKS) / 1000, 1);
  rate->in_flight = b->fields[PVT_DISK_IN_FLIGHT];
#undef RATE
  return rate;
}

static GPtrArray *
disk_rates (const PvtRoot *root, GArray *before, GArray *after, double seconds)
{
  GPtrArray *rates = g_ptr_array_new ();

  for (guint i = 0; i < after->len; i++)
    {
      const PvtDiskCounters *b = &g_array_index (after, PvtDiskCounters, i);

      if (is_partition (root, b->name))
        continue;
      for (guint j = 0; j < before->len; j++)
        {
          const PvtDiskCounters *a = &g_array_index (before, PvtDiskCounters, j);

          if (a->major == b->major && a->minor == b->minor && strcmp (a->name, b->name) == 0)
            g_ptr_array_add (rates, disk_rate (a, b, seconds));
        }
    }
  return rates;
}

static PvtInterfaceRate *
interface_rate (const PvtLink *a, const PvtLink *b, double seconds)
{
  PvtInterfaceRate *rate = pvt_interface_rate_new ();

  rate->name = g_strdup (b->name);
  rate->rx_bytes = delta (a->rx_bytes, b->rx_bytes) / seconds;
  rate->rx_packets = delta (a->rx_packets, b->rx_packets) / seconds;
  rate->rx_errors = delta (a->rx_errors, b->rx_errors) / seconds;
  rate->rx_dropped = delta (a->rx_dropped, b->rx_dropped) / seconds;
  rate->tx_bytes = delta (a->tx_bytes, b->tx_bytes) / seconds;
  rate->tx_packets = delta (a->tx_packets, b->tx_packets) / seconds;
  rate->tx_errors = delta (a->tx_errors, b->tx_errors) / seconds;
  rate->tx_dropped = delta (a->tx_dropped, b->tx_dropped) / seconds;
  return rate;
}

static GPtrArray *
interface_rates (GArray *before, GArray *after, double seconds)
{
  GPtrArray *rates = g_ptr_array_new ();

  for (guint i = 0; i < after->len; i++)
    for (guint j = 0; j < before->len; j++)
      {
        const PvtLink *a = &g_array_index (before, PvtLink, j);
        const PvtLink *b = &g_array_index (after, PvtLink, i);

        if (a->index == b->index)
          g_ptr_array_add (rates, interface_rate (a, b, seconds));
      }
  return rates;
}

gboolean
pvt_handle_get_rates (PvtCall *call, const PvtGetRatesArgs *args, PvtRates **result,
                      GError **error)
{
  const PvtRoot *root = pvt_call_root (call);
  guint interval = args->has_interval_ms ? args->interval_ms : DEFAULT_INTERVAL_MS;
  gint64 began = g_get_monotonic_time (), took;
  g_autoptr (GArray) disks_before = pvt_diskstats_read (root, error);
  g_autoptr (GArray) links_before = disks_before ? pvt_links_read (error) : NULL;
  g_autoptr (GArray) disks_after = NULL;
  g_autoptr (GArray) links_after = NULL;

  if (links_before == NULL || !pvt_call_sleep (call, interval, error))
    return FALSE;
  disks_after = pvt_diskstats_read (root, error);
  links_after = disks_after ? pvt_links_read (error) : NULL;
  if (links_after == NULL)
    return FALSE;
  took = g_get_monotonic_time () - began;
  *result = pvt_rates_new ();
  (*result)->interval_ms = (guint32) (took / 1000);
  (*result)->disks = disk_rates (root, disks_before, disks_after, (double) took / 1e6);
  (*result)->interfaces = interface_rates (links_before, links_after, (double) took / 1e6);
  return TRUE;
}

/* The default route with the lowest metric of a family. */
static const PvtRoute *
default_route (GArray *routes, int family)
{
  const PvtRoute *best = NULL;

  for (guint i = 0; i < routes->len; i++)
    {
      const PvtRoute *route = &g_array_index (routes, PvtRoute, i);

      if (route->family == family && route->dst_len == 0 && route->type == RTN_UNICAST
          && route->link > 0 && (best == NULL || route->metric < best->metric))
        best = route;
    }
  return best;
}

/* The route's own source address, else the link's first of global scope. */
static char *
source_address (const PvtRoute *route, GArray *addresses)
{
  char text[INET6_ADDRSTRLEN];

  if (route->has_prefsrc)
    return g_strdup (inet_ntop (route->family, &route->prefsrc, text, sizeof text));
  for (guint i = 0; i < addresses->len; i++)
    {
      const PvtAddress *address = &g_array_index (addresses, PvtAddress, i);

      if (address->link == route->link && address->family == route->family
          && address->scope == RT_SCOPE_UNIVERSE)
        return g_strdup (inet_ntop (address->family, &address->address, text, sizeof text));
    }
  return NULL;
}

static char *
gateway_text (const PvtRoute *route)
{
  char text[INET6_ADDRSTRLEN];

  if (route == NULL || !route->has_gateway)
    return NULL;
  return g_strdup (inet_ntop (route->family, &route->gateway, text, sizeof text));
}

static void
fill_primary (PvtNetwork *network, const PvtRoute *route, GArray *links)
{
  for (guint i = 0; i < links->len; i++)
    {
      const PvtLink *link = &g_array_index (links, PvtLink, i);
      const guint8 *m = link->mac;

      if (link->index != route->link)
        continue;
      network->primary_interface = g_strdup (link->name);
      if (link->mac_len == 6)
        network->mac_address = g_strdup_printf ("%02x:%02x:%02x:%02x:%02x:%02x", m[0], m[1], m[2],
                                                m[3], m[4], m[5]);
    }
}

static char **
to_strv (GPtrArray *strings)
{
  char **out = g_new0 (char *, strings->len + 1);

  for (guint i = 0; i < strings->len; i++)
    out[i] = g_strdup (strings->pdata[i]);
  return out;
}

gboolean
pvt_handle_get_network (PvtCall *call, PvtNetwork **result, GError **error)
{
  g_autoptr (GArray) links = pvt_links_read (error);
  g_autoptr (GArray) addresses = links ? pvt_addresses_read (error) : NULL;
  g_autoptr (GArray) routes = addresses ? pvt_routes_read (error) : NULL;
  const PvtRoute *v4, *v6;
  PvtNetwork *network;
  PvtResolv resolv;
  struct utsname name;

  if (routes == NULL)
    return FALSE;
  v4 = default_route (routes, AF_INET);
  v6 = default_route (routes, AF_INET6);
  uname (&name);
  network = pvt_network_new ();
  network->hostname = g_strdup (name.nodename);
  if (v4 || v6)
    fill_primary (network, v4 ? v4 : v6, links);
  network->primary_address = v4 ? source_address (v4, addresses) : NULL;
  network->primary_address_ipv6 = v6 ? source_address (v6, addresses) : NULL;
  network->gateway = gateway_text (v4);
  network->gateway_ipv6 = gateway_text (v6);
  pvt_resolv_read (pvt_call_root (call), &resolv);
  network->dns_servers = to_strv (resolv.servers);
  network->dns_search = to_strv (resolv.search);
  pvt_resolv_clear (&resolv);
  *result = network;
  return TRUE;
}

gboolean
pvt_handle_get_uptime (PvtCall *call, PvtUptime **result, GError **error)
{
  struct timespec up, now;
  char id[64];

  if (pvt_root_read (pvt_call_root (call), "proc/sys/kernel/random/boot_id", id, sizeof id, error)
      < 0)
    return FALSE;
  clock_gettime (CLOCK_BOOTTIME, &up);
  clock_gettime (CLOCK_REALTIME, &now);
  *result = pvt_uptime_new ();
  (*result)->boot_id = g_strdup (g_strchomp (id));
  (*result)->uptime_ms = (guint64) up.tv_sec * 1000 + (guint64) up.tv_nsec / 1000000;
  (*result)->now_ms = (guint64) now.tv_sec * 1000 + (guint64) now.tv_nsec / 1000000;
  (*result)->boot_time_ms = (*result)->now_ms - MIN ((*result)->now_ms, (*result)->uptime_ms);
  return TRUE;
}

static PvtChannelStatus *
channel_status (const PvtEndpoint *endpoint)
{
  const PvtChannelConfig *config = pvt_endpoint_config (endpoint);
  PvtChannelStatus *status = pvt_channel_status_new ();

  status->name = g_strdup (config->name);
  status->method = g_strdup (pvt_method_name (config->method));
  status->path = g_strdup (config->path);
  status->connected = pvt_endpoint_connected (endpoint);
  return status;
}

gboolean
pvt_handle_get_status (PvtCall *call G_GNUC_UNUSED, PvtAgentStatus **result,
                       GError **error G_GNUC_UNUSED)
{
  GPtrArray *endpoints = pvt_server_endpoints ();
  PvtAgentStatus *status = pvt_agent_status_new ();

  status->version = g_strdup (PVT_VERSION);
  status->profile = g_strdup (pvt_server_config ()->profile);
  status->uptime_ms = (guint64) (g_get_monotonic_time () - pvt_server_started ()) / 1000;
  status->requests = pvt_dispatch_requests ();
  status->errors = pvt_dispatch_errors ();
  status->channels = g_ptr_array_new ();
  for (guint i = 0; i < endpoints->len; i++)
    g_ptr_array_add (status->channels, channel_status (endpoints->pdata[i]));
  status->hung_mounts = pvt_statfs_hung ();
  status->frozen = pvt_gate_is_closed ();
  *result = status;
  return TRUE;
}
