/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "stat.h"

#include "bounds.h"
#include "text.h"

static gboolean
parse_cpu (PvtText line, PvtCpuTimes *times)
{
  PvtText name, number;
  guint64 cpu = 0;

  *times = (PvtCpuTimes){ .cpu = -1 };
  if (!pvt_text_word (&line, &name))
    return FALSE;
  number = (PvtText){ name.p + 3, name.end };
  if (number.p < number.end)
    {
      if (!pvt_text_u64 (&number, &cpu) || cpu >= PVT_MAX_CPUS)
        return FALSE;
      times->cpu = (gint) cpu;
    }
  while (times->n_fields < PVT_CPU_FIELDS
         && pvt_text_u64 (&line, &times->ticks[times->n_fields]))
    times->n_fields++;
  return times->n_fields >= 4;
}

void
pvt_stat_parse (const char *text, gsize len, GArray *cpus)
{
  PvtText rest = pvt_text (text, len), line;
  PvtCpuTimes times;

  /* The cpu lines come first; behind them the interrupts can be very long. */
  while (cpus->len <= PVT_MAX_CPUS && pvt_text_line (&rest, &line)
         && pvt_text_starts (line, "cpu"))
    if (parse_cpu (line, &times))
      g_array_append_val (cpus, times);
}

GArray *
pvt_stat_read_kept (PvtProcFile *file, const PvtRoot *root, GError **error)
{
  GArray *cpus;

  if (!pvt_proc_file_get (file, root, error))
    return NULL;
  cpus = g_array_new (FALSE, FALSE, sizeof (PvtCpuTimes));
  pvt_stat_parse (file->text, file->len, cpus);
  return cpus;
}

GArray *
pvt_stat_read (const PvtRoot *root, GError **error)
{
  PvtProcFile file = { .path = "proc/stat", .fd = -1 };
  GArray *cpus = pvt_stat_read_kept (&file, root, error);

  pvt_proc_file_close (&file);
  return cpus;
}
