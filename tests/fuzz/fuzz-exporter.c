/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Files of /proc as a guest may make them up; the text that comes of it must be
 * one that Prometheus reads. The first byte says which file. */
#include "fuzz.h"

#include "exposition-check.h"
#include "procfs.h"
#include "pvt-error.h"

G_DEFINE_QUARK (pvt-client-error-quark, pvt_client_error)

static const PvtProcfsParser parsers[] = {
  pvt_procfs_stat,      pvt_procfs_meminfo,       pvt_procfs_vmstat,          pvt_procfs_loadavg,
  pvt_procfs_diskstats, pvt_procfs_net_dev,       pvt_procfs_file_nr,         pvt_procfs_pressure_cpu,
  pvt_procfs_pressure_io, pvt_procfs_pressure_memory, pvt_procfs_pressure_irq,
};

static gboolean
is_known (const char *line)
{
  return g_str_has_prefix (line, "node_");
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  g_autofree char *text = size > 1 ? g_memdup2 (data + 1, size - 1) : NULL;
  g_autoptr (PvtMetrics) metrics = NULL;
  gboolean readonly;
  guint which;

  if (text == NULL)
    return 0;
  metrics = pvt_metrics_new ();
  which = data[0] % (G_N_ELEMENTS (parsers) + 1);
  if (which < G_N_ELEMENTS (parsers))
    parsers[which] (metrics, text, size - 1);
  else
    pvt_procfs_mount_is_readonly (text, size - 1, "/", &readonly);
  check_exposition (metrics, is_known);
  return 0;
}
