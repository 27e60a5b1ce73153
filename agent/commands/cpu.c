/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "agent/core/call.h"
#include "agent/platform/cpus.h"
#include "agent/platform/stat.h"

/* USER_HZ is 100 on every architecture that KVM has. */
#define MS_PER_TICK 10

/* Collectors ask every few seconds, and opening is most of the work. Main loop only. */
static PvtCpusFiles list_files = PVT_CPUS_FILES;
static PvtProcFile stat_file = { .path = "proc/stat", .fd = -1 };

gboolean
pvt_handle_guest_get_vcpus (PvtCall *call, GPtrArray **result, GError **error)
{
  g_autoptr (GArray) cpus = pvt_cpus_read_kept (&list_files, pvt_call_root (call), error);

  if (cpus == NULL)
    return FALSE;
  *result = g_ptr_array_sized_new (cpus->len);
  for (guint i = 0; i < cpus->len; i++)
    {
      const PvtCpu *cpu = &g_array_index (cpus, PvtCpu, i);
      PvtGuestLogicalProcessor *entry = pvt_guest_logical_processor_new ();

      entry->logical_id = cpu->number;
      entry->online = cpu->online;
      entry->has_can_offline = TRUE;
      entry->can_offline = cpu->can_offline;
      g_ptr_array_add (*result, entry);
    }
  return TRUE;
}

static PvtGuestCpuStats *
cpu_stats (const PvtCpuTimes *times)
{
  PvtGuestCpuStats *entry = pvt_guest_cpu_stats_new ();
  PvtGuestLinuxCpuStats *stats = pvt_guest_linux_cpu_stats_new ();
  const guint64 *t = times->ticks;

  stats->cpu = times->cpu;
  stats->user = t[PVT_CPU_USER] * MS_PER_TICK;
  stats->nice = t[PVT_CPU_NICE] * MS_PER_TICK;
  stats->system = t[PVT_CPU_SYSTEM] * MS_PER_TICK;
  stats->idle = t[PVT_CPU_IDLE] * MS_PER_TICK;
  stats->has_iowait = times->n_fields > PVT_CPU_IOWAIT;
  stats->iowait = t[PVT_CPU_IOWAIT] * MS_PER_TICK;
  stats->has_irq = times->n_fields > PVT_CPU_IRQ;
  stats->irq = t[PVT_CPU_IRQ] * MS_PER_TICK;
  stats->has_softirq = times->n_fields > PVT_CPU_SOFTIRQ;
  stats->softirq = t[PVT_CPU_SOFTIRQ] * MS_PER_TICK;
  stats->has_steal = times->n_fields > PVT_CPU_STEAL;
  stats->steal = t[PVT_CPU_STEAL] * MS_PER_TICK;
  stats->has_guest = times->n_fields > PVT_CPU_GUEST;
  stats->guest = t[PVT_CPU_GUEST] * MS_PER_TICK;
  stats->has_guestnice = times->n_fields > PVT_CPU_GUEST_NICE;
  stats->guestnice = t[PVT_CPU_GUEST_NICE] * MS_PER_TICK;
  entry->type = PVT_GUEST_CPU_STATS_TYPE_LINUX;
  entry->linux_ = stats;
  return entry;
}

gboolean
pvt_handle_guest_get_cpustats (PvtCall *call, GPtrArray **result, GError **error)
{
  g_autoptr (GArray) cpus = pvt_stat_read_kept (&stat_file, pvt_call_root (call), error);

  if (cpus == NULL)
    return FALSE;
  *result = g_ptr_array_new ();
  for (guint i = 0; i < cpus->len; i++)
    {
      const PvtCpuTimes *times = &g_array_index (cpus, PvtCpuTimes, i);

      if (times->cpu >= 0)
        g_ptr_array_add (*result, cpu_stats (times));
    }
  return TRUE;
}
