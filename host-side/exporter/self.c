/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "self.h"

#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

static double start_seconds; /* wall clock */

static void __attribute__ ((constructor))
note_start (void)
{
  start_seconds = (double) g_get_real_time () / 1e6;
}

static double
seconds (struct timeval t)
{
  return (double) t.tv_sec + (double) t.tv_usec / 1e6;
}

/* Second number of /proc/self/statm, in pages: see proc(5). */
static void
add_memory (PvtMetrics *metrics)
{
  g_autofree char *text = NULL;
  unsigned long size, resident;

  if (g_file_get_contents ("/proc/self/statm", &text, NULL, NULL)
      && sscanf (text, "%lu %lu", &size, &resident) == 2)
    pvt_metrics_add (metrics, PVT_F_PROC_RSS, (double) resident * (double) sysconf (_SC_PAGESIZE),
                     NULL);
}

static void
add_descriptors (PvtMetrics *metrics)
{
  g_autoptr (GDir) dir = g_dir_open ("/proc/self/fd", 0, NULL);
  guint n = 0;

  while (dir && g_dir_read_name (dir))
    n++;
  if (n > 0)
    pvt_metrics_add (metrics, PVT_F_PROC_FDS, n - 1, NULL); /* without that of the directory */
}

void
pvt_self_add_metrics (PvtMetrics *metrics)
{
  struct rusage usage;

  pvt_metrics_add (metrics, PVT_F_BUILD, 1, "version", PVT_VERSION, NULL);
  if (getrusage (RUSAGE_SELF, &usage) == 0)
    pvt_metrics_add (metrics, PVT_F_PROC_CPU, seconds (usage.ru_utime) + seconds (usage.ru_stime),
                     NULL);
  add_memory (metrics);
  add_descriptors (metrics);
  pvt_metrics_add (metrics, PVT_F_PROC_START, start_seconds, NULL);
}
