/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "procfs.h"

#include "figures.h"

#include <string.h>

/* USER_HZ, the unit of /proc/stat on every architecture Linux runs guests on. */
#define TICKS_PER_SECOND 100.0

/* A piece of the text; not NUL-terminated. */
typedef struct
{
  const char *p, *end;
} Text;

static gboolean
next_line (Text *text, Text *line)
{
  const char *newline;

  if (text->p >= text->end)
    return FALSE;
  newline = memchr (text->p, '\n', (gsize) (text->end - text->p));
  *line = (Text){ text->p, newline ? newline : text->end };
  text->p = newline ? newline + 1 : text->end;
  return TRUE;
}

static gboolean
next_word (Text *line, Text *word)
{
  while (line->p < line->end && (*line->p == ' ' || *line->p == '\t'))
    line->p++;
  word->p = line->p;
  while (line->p < line->end && *line->p != ' ' && *line->p != '\t')
    line->p++;
  word->end = line->p;
  return word->p < word->end;
}

/* The word into a buffer that it must fit. */
static gboolean
word_text (Text word, char *buf, gsize size)
{
  gsize len = (gsize) (word.end - word.p);

  if (len >= size || memchr (word.p, '\0', len))
    return FALSE;
  memcpy (buf, word.p, len);
  buf[len] = '\0';
  return TRUE;
}

static gboolean
next_u64 (Text *line, guint64 *value)
{
  char buf[24];
  Text word;

  return next_word (line, &word) && word_text (word, buf, sizeof buf)
         && g_ascii_string_to_unsigned (buf, 10, 0, G_MAXUINT64, value, NULL);
}

static gboolean
next_double (Text *line, double *value)
{
  char buf[64], *end;
  Text word;

  if (!next_word (line, &word) || !word_text (word, buf, sizeof buf))
    return FALSE;
  *value = g_ascii_strtod (buf, &end);
  return end > buf && *end == '\0';
}

static gboolean
word_is (Text word, const char *literal)
{
  gsize len = strlen (literal);

  return (gsize) (word.end - word.p) == len && memcmp (word.p, literal, len) == 0;
}

static void
stat_cpu (PvtMetrics *metrics, Text word, Text line)
{
  double seconds[PVT_CPU_COLUMNS];
  char name[16];
  guint64 ticks;
  guint n = 0;

  /* "cpu" alone is the sum of all. */
  if (!word_text (word, name, sizeof name) || !g_ascii_isdigit (name[3]))
    return;
  while (n < PVT_CPU_COLUMNS && next_u64 (&line, &ticks))
    seconds[n++] = (double) ticks / TICKS_PER_SECOND;
  pvt_figures_cpu (metrics, name + 3, seconds, n);
}

void
pvt_procfs_stat (PvtMetrics *metrics, const char *text, gsize len)
{
  static const struct
  {
    const char *key;
    PvtFamilyId family;
  } rows[] = { { "btime", PVT_F_BOOT_TIME },      { "ctxt", PVT_F_CONTEXT },
               { "intr", PVT_F_INTR },            { "processes", PVT_F_FORKS },
               { "procs_running", PVT_F_PROCS_RUNNING },
               { "procs_blocked", PVT_F_PROCS_BLOCKED } };
  Text rest = { text, text + len }, line, word;
  guint64 value;

  while (next_line (&rest, &line))
    {
      if (!next_word (&line, &word))
        continue;
      if (word.end - word.p > 3 && memcmp (word.p, "cpu", 3) == 0)
        stat_cpu (metrics, word, line);
      for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
        if (word_is (word, rows[i].key) && next_u64 (&line, &value))
          pvt_metrics_add (metrics, rows[i].family, (double) value, NULL);
    }
}

void
pvt_procfs_meminfo (PvtMetrics *metrics, const char *text, gsize len)
{
  Text rest = { text, text + len }, line, key;
  PvtFamilyId family;
  gboolean pages;
  guint64 value;

  while (next_line (&rest, &line))
    {
      if (!next_word (&line, &key) || key.end[-1] != ':' || !next_u64 (&line, &value))
        continue;
      family = pvt_family_of_memory (key.p, (gsize) (key.end - key.p) - 1, &pages);
      if (family != PVT_N_FAMILIES)
        pvt_metrics_add (metrics, family, (double) value * (pages ? 1 : 1024), NULL);
    }
}

void
pvt_procfs_vmstat (PvtMetrics *metrics, const char *text, gsize len)
{
  Text rest = { text, text + len }, line, key;
  PvtFamilyId family;
  guint64 value;

  while (next_line (&rest, &line))
    {
      if (!next_word (&line, &key) || !next_u64 (&line, &value))
        continue;
      family = pvt_family_of_vmstat (key.p, (gsize) (key.end - key.p));
      if (family != PVT_N_FAMILIES)
        pvt_metrics_add (metrics, family, (double) value, NULL);
    }
}

void
pvt_procfs_loadavg (PvtMetrics *metrics, const char *text, gsize len)
{
  static const PvtFamilyId families[] = { PVT_F_LOAD1, PVT_F_LOAD5, PVT_F_LOAD15 };
  Text rest = { text, text + len }, line;
  double value;

  if (!next_line (&rest, &line))
    return;
  for (guint i = 0; i < G_N_ELEMENTS (families) && next_double (&line, &value); i++)
    pvt_metrics_add (metrics, families[i], value, NULL);
}

void
pvt_procfs_diskstats (PvtMetrics *metrics, const char *text, gsize len)
{
  Text rest = { text, text + len }, line, word;
  guint64 number, columns[PVT_DISK_COLUMNS];
  char device[64];

  while (next_line (&rest, &line))
    {
      guint n = 0;

      if (!next_u64 (&line, &number) || !next_u64 (&line, &number) || !next_word (&line, &word)
          || !word_text (word, device, sizeof device))
        continue;
      while (n < PVT_DISK_COLUMNS && next_u64 (&line, &columns[n]))
        n++;
      pvt_figures_disk (metrics, device, columns, (1u << n) - 1);
    }
}

void
pvt_procfs_net_dev (PvtMetrics *metrics, const char *text, gsize len)
{
  /* Of the 16 columns: bytes, packets, errs, drop of either direction. */
  static const int of_column[16] = { 0, 1, 2, 3, -1, -1, -1, -1, 4, 5, 6, 7, -1, -1, -1, -1 };
  Text rest = { text, text + len }, line, word;
  guint64 columns[PVT_NET_COLUMNS], value;
  char device[64];

  while (next_line (&rest, &line))
    {
      const char *colon = memchr (line.p, ':', (gsize) (line.end - line.p));
      Text name = { line.p, colon };
      guint n = 0;

      if (colon == NULL || !next_word (&name, &word) || !word_text (word, device, sizeof device))
        continue;
      line.p = colon + 1; /* a number may stand right behind it */
      for (; n < G_N_ELEMENTS (of_column) && next_u64 (&line, &value); n++)
        if (of_column[n] >= 0)
          columns[of_column[n]] = value;
      if (n == G_N_ELEMENTS (of_column))
        pvt_figures_network (metrics, device, columns);
    }
}

void
pvt_procfs_file_nr (PvtMetrics *metrics, const char *text, gsize len)
{
  Text rest = { text, text + len }, line;
  guint64 allocated, unused, maximum;

  if (!next_line (&rest, &line) || !next_u64 (&line, &allocated) || !next_u64 (&line, &unused)
      || !next_u64 (&line, &maximum))
    return;
  pvt_metrics_add (metrics, PVT_F_FD_ALLOCATED, (double) allocated, NULL);
  pvt_metrics_add (metrics, PVT_F_FD_MAXIMUM, (double) maximum, NULL);
}

/* "some avg10=0.00 avg60=0.00 avg300=0.00 total=123"; a family of PVT_N_FAMILIES
 * is not wanted. */
static void
pressure (PvtMetrics *metrics, const char *text, gsize len, PvtFamilyId some, PvtFamilyId full)
{
  Text rest = { text, text + len }, line, kind, word;

  while (next_line (&rest, &line))
    {
      PvtFamilyId family = PVT_N_FAMILIES;
      char buf[32];
      guint64 us;

      if (!next_word (&line, &kind))
        continue;
      if (word_is (kind, "some"))
        family = some;
      else if (word_is (kind, "full"))
        family = full;
      while (family != PVT_N_FAMILIES && next_word (&line, &word))
        if (word_text (word, buf, sizeof buf) && g_str_has_prefix (buf, "total=")
            && g_ascii_string_to_unsigned (buf + 6, 10, 0, G_MAXUINT64, &us, NULL))
          pvt_metrics_add (metrics, family, (double) us / 1e6, NULL);
    }
}

void
pvt_procfs_pressure_cpu (PvtMetrics *metrics, const char *text, gsize len)
{
  pressure (metrics, text, len, PVT_F_PSI_CPU, PVT_N_FAMILIES);
}

void
pvt_procfs_pressure_io (PvtMetrics *metrics, const char *text, gsize len)
{
  pressure (metrics, text, len, PVT_F_PSI_IO, PVT_F_PSI_IO_FULL);
}

void
pvt_procfs_pressure_memory (PvtMetrics *metrics, const char *text, gsize len)
{
  pressure (metrics, text, len, PVT_F_PSI_MEMORY, PVT_F_PSI_MEMORY_FULL);
}

void
pvt_procfs_pressure_irq (PvtMetrics *metrics, const char *text, gsize len)
{
  pressure (metrics, text, len, PVT_N_FAMILIES, PVT_F_PSI_IRQ_FULL);
}

/* Undoes \040 and the like: getmntent(3). */
static char *
unescape_mount (Text word)
{
  g_autofree char *raw = g_strndup (word.p, (gsize) (word.end - word.p));

  return g_strcompress (raw);
}

gboolean
pvt_procfs_mount_is_readonly (const char *mounts, gsize len, const char *mountpoint,
                              gboolean *readonly)
{
  Text rest = { mounts, mounts + len }, line, device, place, type, options;
  gboolean found = FALSE;

  /* The last one covers those before it. */
  while (next_line (&rest, &line))
    {
      g_autofree char *path = NULL;

      if (!next_word (&line, &device) || !next_word (&line, &place) || !next_word (&line, &type)
          || !next_word (&line, &options))
        continue;
      path = unescape_mount (place);
      if (strcmp (path, mountpoint) != 0)
        continue;
      found = TRUE;
      *readonly = options.end - options.p >= 2 && memcmp (options.p, "ro", 2) == 0
                  && (options.end - options.p == 2 || options.p[2] == ',');
    }
  return found;
}
