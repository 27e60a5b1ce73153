/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "libvirt-names.h"

#include <string.h>

/* Figures that are the same ones; a device's label is target_device there. */
static const struct
{
  PvtFamilyId ours, theirs;
} same[] = {
  { PVT_F_MEMORY_MemTotal, PVT_F_LV_MEM_AVAILABLE },
  { PVT_F_MEMORY_MemFree, PVT_F_LV_MEM_UNUSED },
  { PVT_F_MEMORY_MemAvailable, PVT_F_LV_MEM_USABLE },
  { PVT_F_MEMORY_Cached, PVT_F_LV_MEM_CACHE },
  { PVT_F_DISK_READ_BYTES, PVT_F_LV_READ_BYTES },
  { PVT_F_DISK_READS, PVT_F_LV_READS },
  { PVT_F_DISK_WRITTEN_BYTES, PVT_F_LV_WRITE_BYTES },
  { PVT_F_DISK_WRITES, PVT_F_LV_WRITES },
  { PVT_F_NET_RX_BYTES, PVT_F_LV_RX_BYTES },
  { PVT_F_NET_RX_PACKETS, PVT_F_LV_RX_PACKETS },
  { PVT_F_NET_RX_ERRS, PVT_F_LV_RX_ERRORS },
  { PVT_F_NET_RX_DROP, PVT_F_LV_RX_DROPS },
  { PVT_F_NET_TX_BYTES, PVT_F_LV_TX_BYTES },
  { PVT_F_NET_TX_PACKETS, PVT_F_LV_TX_PACKETS },
  { PVT_F_NET_TX_ERRS, PVT_F_LV_TX_ERRORS },
  { PVT_F_NET_TX_DROP, PVT_F_LV_TX_DROPS },
};

static void
add_same (PvtMetrics *metrics, const PvtSample *sample)
{
  for (guint i = 0; i < G_N_ELEMENTS (same); i++)
    if (same[i].ours == sample->family)
      pvt_metrics_add_like (metrics, same[i].theirs, sample->value, "target_", sample->labels);
}

/* Modes in which a processor does not work for the guest. */
static gboolean
is_idle (const char *labels)
{
  return strstr (labels, "mode=\"idle\"") || strstr (labels, "mode=\"iowait\"")
         || strstr (labels, "mode=\"steal\"");
}

void
pvt_libvirt_names_add (PvtMetrics *metrics)
{
  guint n = metrics->samples->len, cpus = 0;
  double busy = 0, total = 0, usable = -1;

  for (guint i = 0; i < n; i++)
    {
      /* A copy: adding moves them. */
      const PvtSample sample = g_array_index (metrics->samples, PvtSample, i);
      const char *labels = metrics->labels->str + sample.labels;

      if (sample.family == PVT_F_CPU)
        {
          cpus += strstr (labels, "mode=\"idle\"") != NULL;
          busy += is_idle (labels) ? 0 : sample.value;
        }
      else if (sample.family == PVT_F_MEMORY_MemTotal)
        total = sample.value;
      else if (sample.family == PVT_F_MEMORY_MemAvailable)
        usable = sample.value;
      add_same (metrics, &sample);
    }
  if (cpus)
    {
      pvt_metrics_add (metrics, PVT_F_LV_CPUS, cpus, NULL);
      pvt_metrics_add (metrics, PVT_F_LV_CPU_TIME, busy, NULL);
    }
  if (total > 0 && usable >= 0 && usable <= total)
    pvt_metrics_add (metrics, PVT_F_LV_MEM_PERCENT, 100 * (total - usable) / total, NULL);
}

void
pvt_libvirt_names_add_state (PvtMetrics *metrics, PvtHealthState state)
{
  enum
  {
    RUNNING = 1,
    PAUSED = 3,
    SHUTOFF = 5,
    CRASHED = 6
  };
  static const guint8 numbers[PVT_HEALTH_N_STATES] = {
    [PVT_HEALTH_STARTING] = RUNNING,   [PVT_HEALTH_OK] = RUNNING,
    [PVT_HEALTH_AGENT_LOST] = RUNNING, [PVT_HEALTH_GUEST_HUNG] = RUNNING,
    [PVT_HEALTH_PANICKED] = CRASHED,   [PVT_HEALTH_DUMPING] = CRASHED,
    [PVT_HEALTH_REBOOTED] = RUNNING,   [PVT_HEALTH_SHUT_DOWN] = SHUTOFF,
    [PVT_HEALTH_PAUSED] = PAUSED,      [PVT_HEALTH_FROZEN] = RUNNING,
  };

  pvt_metrics_add (metrics, PVT_F_LV_STATE, numbers[state], NULL);
}
