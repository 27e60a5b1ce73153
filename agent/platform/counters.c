/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "counters.h"

#include "bounds.h"
#include "text.h"

#include <string.h>

/* /proc/meminfo has some 60 lines. */
#define MAX_VALUES 256

static const char *const stat_names[PVT_N_STATS]
    = { "btime", "ctxt", "intr", "processes", "procs_running", "procs_blocked" };

static const char *const vmstat_names[] = { "pgpgin",  "pgpgout",    "pswpin",   "pswpout",
                                            "pgfault", "pgmajfault", "oom_kill", NULL };

void
pvt_stat_counters_parse (const char *text, gsize len, PvtStatCounters *counters)
{
  PvtText rest = pvt_text (text, len), line, word;

  memset (counters, 0, sizeof *counters);
  while (pvt_text_line (&rest, &line))
    {
      if (pvt_text_starts (line, "cpu") || !pvt_text_word (&line, &word))
        continue;
      for (guint i = 0; i < PVT_N_STATS; i++)
        if (pvt_text_is (word, stat_names[i]) && pvt_text_u64 (&line, &counters->fields[i]))
          counters->present |= 1u << i;
    }
}

gboolean
pvt_stat_counters_read (const PvtRoot *root, PvtStatCounters *counters)
{
  gsize len;
  g_autofree char *text = pvt_root_read_alloc (root, "proc/stat", PVT_MAX_PROC_FILE, &len, NULL);

  if (text)
    pvt_stat_counters_parse (text, len, counters);
  return text != NULL;
}

static gboolean
is_wanted (const char *name, const char *const *wanted)
{
  return wanted == NULL || g_strv_contains (wanted, name);
}

void
pvt_named_values_parse (const char *text, gsize len, const char *const *wanted, GArray *values)
{
  PvtText rest = pvt_text (text, len), line, word;
  PvtNamedValue value;

  while (values->len < MAX_VALUES && pvt_text_line (&rest, &line))
    {
      gsize n;

      if (!pvt_text_word (&line, &word) || !pvt_text_u64 (&line, &value.value))
        continue;
      n = (gsize) (word.end - word.p);
      if (n > 0 && word.p[n - 1] == ':')
        n--;
      if (n == 0 || n >= sizeof value.name)
        continue;
      memcpy (value.name, word.p, n);
      value.name[n] = '\0';
      if (pvt_text_word (&line, &word) && pvt_text_is (word, "kB"))
        value.value = value.value > G_MAXINT64 / 1024 ? G_MAXINT64 : value.value * 1024;
      value.value = MIN (value.value, (guint64) G_MAXINT64); /* what the wire carries */
      if (is_wanted (value.name, wanted))
        g_array_append_val (values, value);
    }
}

static GArray *
read_values (const PvtRoot *root, const char *path, const char *const *wanted)
{
  GArray *values = g_array_new (FALSE, FALSE, sizeof (PvtNamedValue));
  gsize len;
  g_autofree char *text = pvt_root_read_alloc (root, path, PVT_MAX_SMALL_FILE, &len, NULL);

  if (text)
    pvt_named_values_parse (text, len, wanted, values);
  return values;
}

GArray *
pvt_meminfo_values_read (const PvtRoot *root)
{
  return read_values (root, "proc/meminfo", NULL);
}

GArray *
pvt_vmstat_values_read (const PvtRoot *root)
{
  return read_values (root, "proc/vmstat", vmstat_names);
}

gboolean
pvt_file_handles_read (const PvtRoot *root, guint64 *allocated, guint64 *maximum)
{
  char text[128];
  gssize len = pvt_root_read (root, "proc/sys/fs/file-nr", text, sizeof text, NULL);
  PvtText rest = pvt_text (text, len < 0 ? 0 : (gsize) len), line;
  guint64 unused;

  return pvt_text_line (&rest, &line) && pvt_text_u64 (&line, allocated) && pvt_text_u64 (&line, &unused)
         && pvt_text_u64 (&line, maximum) && *maximum <= G_MAXINT64;
}
