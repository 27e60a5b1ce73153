/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Files of /proc as a guest may make them up; the text that comes of it must be
 * one that Prometheus reads. The first byte says which file. */
#include "fuzz.h"

#include "exposition.h"
#include "procfs.h"
#include "pvt-error.h"

#include <math.h>
#include <stdlib.h>

G_DEFINE_QUARK (pvt-client-error-quark, pvt_client_error)

static const PvtProcfsParser parsers[] = {
  pvt_procfs_stat,      pvt_procfs_meminfo,       pvt_procfs_vmstat,          pvt_procfs_loadavg,
  pvt_procfs_diskstats, pvt_procfs_net_dev,       pvt_procfs_file_nr,         pvt_procfs_pressure_cpu,
  pvt_procfs_pressure_io, pvt_procfs_pressure_memory, pvt_procfs_pressure_irq,
};

/* Every line: a comment, or a name, perhaps labels, and a finite number. */
static void
check_line (const char *line)
{
  const char *space = strrchr (line, ' ');
  char *end;
  double value;

  if (*line == '#' || *line == '\0')
    return;
  if (space == NULL || !g_str_has_prefix (line, "node_"))
    abort ();
  value = g_ascii_strtod (space + 1, &end);
  if (end == space + 1 || *end != '\0' || !isfinite (value))
    abort ();
}

static void
check_text (PvtMetrics *metrics)
{
  PvtExposed set = { metrics, NULL, NULL };
  GString *text = g_string_new (NULL);
  g_auto (GStrv) lines = NULL;

  pvt_metrics_seal (metrics);
  pvt_exposition_write (text, &set, 1, "");
  if (!g_utf8_validate (text->str, (gssize) text->len, NULL))
    abort ();
  lines = g_strsplit (text->str, "\n", -1);
  for (guint i = 0; lines[i]; i++)
    check_line (lines[i]);
  g_string_free (text, TRUE);
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
  check_text (metrics);
  return 0;
}
