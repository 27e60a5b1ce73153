/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "shared-figures.h"

#include "figures.h"

#include <string.h>

#define NS_PER_S 1e9

/* The agent looks at filesystems every 10 s, or each period when that is longer
 * (agent/telemetry/page.c); what is older by three times that is not told. */
#define FILESYSTEMS_NS (G_GUINT64_CONSTANT (10) * G_USEC_PER_SEC * 1000)
#define NS_PER_MS G_GUINT64_CONSTANT (1000000)

/* ---- figures that are one sample ---- */

typedef struct
{
  const char *group, *field;
  PvtFamilyId family;
  double units; /* in one of the family's */
  const char *label; /* its name; its value is the object, NULL for groups without */
  const char *mode;  /* of a CPU */
} Row;

#define MEMORY(field, key) { "memory", field, PVT_F_MEMORY_##key, 1, NULL, NULL }
#define CPU(mode) { "cpu", mode "-ms", PVT_F_CPU, 1000, "cpu", mode }
#define KERNEL(field, family) { "kernel", field, PVT_F_##family, 1, NULL, NULL }
#define DISK(field, family, units) { "disks", field, PVT_F_DISK_##family, units, "device", NULL }
#define LINK(field, family) { "links", field, PVT_F_NET_##family, 1, "device", NULL }

static const Row rows[] = {
  CPU ("user"), CPU ("nice"), CPU ("system"), CPU ("idle"),
  CPU ("iowait"), CPU ("irq"), CPU ("softirq"), CPU ("steal"),
  MEMORY ("total", MemTotal), MEMORY ("free", MemFree), MEMORY ("available", MemAvailable),
  MEMORY ("buffers", Buffers), MEMORY ("cached", Cached), MEMORY ("reclaimable", SReclaimable),
  MEMORY ("shared", Shmem), MEMORY ("dirty", Dirty), MEMORY ("writeback", Writeback),
  MEMORY ("swap-total", SwapTotal), MEMORY ("swap-free", SwapFree),
  MEMORY ("swap-cached", SwapCached), MEMORY ("hugepages-total", HugePages_Total),
  MEMORY ("hugepages-free", HugePages_Free), MEMORY ("hugepage-size", Hugepagesize),
  { "load", "load1m", PVT_F_LOAD1, 1, NULL, NULL },
  { "load", "load5m", PVT_F_LOAD5, 1, NULL, NULL },
  { "load", "load15m", PVT_F_LOAD15, 1, NULL, NULL },
  KERNEL ("context-switches", CONTEXT), KERNEL ("interrupts", INTR), KERNEL ("forks", FORKS),
  KERNEL ("procs-running", PROCS_RUNNING), KERNEL ("procs-blocked", PROCS_BLOCKED),
  KERNEL ("oom-kills", VMSTAT_oom_kill), KERNEL ("major-faults", VMSTAT_pgmajfault),
  KERNEL ("swapped-in", VMSTAT_pswpin), KERNEL ("swapped-out", VMSTAT_pswpout),
  DISK ("reads", READS, 1), DISK ("read-bytes", READ_BYTES, 1), DISK ("writes", WRITES, 1),
  DISK ("written-bytes", WRITTEN_BYTES, 1), DISK ("busy-ms", IO_TIME, 1000),
  DISK ("waiting-ms", IO_WEIGHTED, 1000),
  LINK ("rx-bytes", RX_BYTES), LINK ("rx-packets", RX_PACKETS), LINK ("rx-errors", RX_ERRS),
  LINK ("rx-dropped", RX_DROP), LINK ("tx-bytes", TX_BYTES), LINK ("tx-packets", TX_PACKETS),
  LINK ("tx-errors", TX_ERRS), LINK ("tx-dropped", TX_DROP),
};

/* Stalls have one family for each object, as in /proc/pressure. */
static const struct
{
  const char *object, *field;
  PvtFamilyId family;
} stalls[] = {
  { "cpu", "some-total-us", PVT_F_PSI_CPU },
  { "io", "some-total-us", PVT_F_PSI_IO },
  { "io", "full-total-us", PVT_F_PSI_IO_FULL },
  { "memory", "some-total-us", PVT_F_PSI_MEMORY },
  { "memory", "full-total-us", PVT_F_PSI_MEMORY_FULL },
  { "irq", "full-total-us", PVT_F_PSI_IRQ_FULL },
};

/* A figure's name in its parts. */
typedef struct
{
  char text[256]; /* 255 are the most: PVT_PAGE_NAME_MAX */
  const char *group, *object, *field; /* object: "" when there is none */
} Name;

static gboolean
split (const char *name, Name *parts)
{
  char *first, *last;

  if (g_strlcpy (parts->text, name, sizeof parts->text) >= sizeof parts->text)
    return FALSE;
  first = strchr (parts->text, '.');
  last = strrchr (parts->text, '.');
  if (first == NULL)
    return FALSE;
  *first = *last = '\0';
  parts->group = parts->text;
  parts->object = first == last ? "" : first + 1;
  parts->field = last + 1;
  return TRUE;
}

/* "0" is a CPU, "all" is the sum of them. */
static gboolean
is_number (const char *text)
{
  gsize digits = strspn (text, "0123456789");

  return digits > 0 && digits < 10 && text[digits] == '\0';
}

static void
add_row (PvtMetrics *metrics, const Row *row, const Name *name, double value)
{
  if (row->mode && is_number (name->object))
    pvt_metrics_add (metrics, row->family, value, "cpu", name->object, "mode", row->mode, NULL);
  else if (row->mode == NULL && row->label && *name->object
           && (strcmp (row->group, "disks") != 0 || pvt_figures_wants_disk (name->object)))
    pvt_metrics_add (metrics, row->family, value, row->label, name->object, NULL);
  else if (row->label == NULL && !*name->object)
    pvt_metrics_add (metrics, row->family, value, NULL);
}

static void
add_stall (PvtMetrics *metrics, const Name *name, double value)
{
  for (guint i = 0; i < G_N_ELEMENTS (stalls); i++)
    if (strcmp (stalls[i].object, name->object) == 0 && strcmp (stalls[i].field, name->field) == 0)
      pvt_metrics_add (metrics, stalls[i].family, value / 1e6, NULL);
}

static void
add_figure (PvtMetrics *metrics, const Name *name, const PvtPageMetric *figure)
{
  double value = pvt_page_metric_get_value (figure);

  if (strcmp (name->group, "pressure") == 0)
    add_stall (metrics, name, value);
  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    if (strcmp (rows[i].group, name->group) == 0 && strcmp (rows[i].field, name->field) == 0)
      add_row (metrics, &rows[i], name, value / rows[i].units);
}

/* ---- filesystems ---- */

typedef struct
{
  PvtFilesystemFigures figures; /* its texts are the page's */
  char *mountpoint;
  guint64 used;
  gboolean has_used, has_files, has_files_free;
} Filesystem;

static void
free_filesystem (gpointer data)
{
  Filesystem *fs = data;

  g_free (fs->mountpoint);
  g_free (fs);
}

static void
take_number (Filesystem *fs, const char *field, guint64 value)
{
  PvtFilesystemFigures *f = &fs->figures;
  const struct
  {
    const char *field;
    guint64 *value;
    gboolean *has;
  } fields[] = {
    { "total-bytes", &f->size, &f->has_size },       { "used-bytes", &fs->used, &fs->has_used },
    { "available-bytes", &f->avail, &f->has_avail }, { "inodes", &f->files, &fs->has_files },
    { "inodes-free", &f->files_free, &fs->has_files_free },
  };

  for (guint i = 0; i < G_N_ELEMENTS (fields); i++)
    if (strcmp (fields[i].field, field) == 0)
      {
        *fields[i].value = value;
        *fields[i].has = TRUE;
      }
  if (strcmp (field, "read-only") == 0)
    {
      f->has_readonly = TRUE;
      f->readonly = value != 0;
    }
}

static void
take_filesystem (GHashTable *table, GPtrArray *order, const Name *name, const PvtPageMetric *figure)
{
  Filesystem *fs = g_hash_table_lookup (table, name->object);

  if (fs == NULL)
    {
      fs = g_new0 (Filesystem, 1);
      fs->mountpoint = g_strdup (name->object);
      fs->figures.mountpoint = fs->mountpoint;
      g_ptr_array_add (order, fs);
      g_hash_table_insert (table, fs->mountpoint, fs);
    }
  if (figure->type == PVT_PAGE_TYPE_U64)
    take_number (fs, name->field, figure->u64);
  else if (figure->type == PVT_PAGE_TYPE_TEXT && strcmp (name->field, "source") == 0)
    fs->figures.device = figure->text;
  else if (figure->type == PVT_PAGE_TYPE_TEXT && strcmp (name->field, "type") == 0)
    fs->figures.fstype = figure->text;
  else if (figure->type == PVT_PAGE_TYPE_TEXT && strcmp (name->field, "error") == 0)
    fs->figures.failed = TRUE;
}

/* An agent of before texts does not say what they are. */
static void
add_filesystems (PvtMetrics *metrics, const GPtrArray *order)
{
  for (guint i = 0; i < order->len; i++)
    {
      Filesystem *fs = order->pdata[i];
      PvtFilesystemFigures *f = &fs->figures;

      if (f->device == NULL || f->fstype == NULL)
        continue;
      f->has_free = f->has_size && fs->has_used && fs->used <= f->size;
      f->free = f->size - fs->used;
      f->has_files = fs->has_files && fs->has_files_free;
      pvt_figures_filesystem (metrics, f);
    }
}

static gboolean
is_recent (const PvtPageFigures *figures, guint64 read_at)
{
  guint64 round = MAX (FILESYSTEMS_NS, figures->period_ms * NS_PER_MS);

  return read_at <= figures->monotonic_ns && figures->monotonic_ns - read_at <= 3 * round;
}

/* ---- all ---- */

void
pvt_shared_figures_add (PvtMetrics *metrics, const PvtPageFigures *figures)
{
  g_autoptr (GHashTable) table = g_hash_table_new (g_str_hash, g_str_equal);
  g_autoptr (GPtrArray) order = g_ptr_array_new_with_free_func (free_filesystem);
  const PvtPageMetric *estimated = pvt_page_figures_lookup (figures, "memory.available-estimated");
  gboolean recent = FALSE;
  Name name;

  for (guint i = 0; i < figures->metrics->len; i++)
    {
      const PvtPageMetric *figure = figures->metrics->pdata[i];

      /* MemAvailable is what the kernel says, or is absent. */
      if (!split (figure->name, &name)
          || (estimated && estimated->u64 && strcmp (figure->name, "memory.available") == 0))
        continue;
      if (strcmp (name.group, "filesystems") != 0)
        {
          if (figure->type != PVT_PAGE_TYPE_TEXT)
            add_figure (metrics, &name, figure);
        }
      else if (*name.object)
        take_filesystem (table, order, &name, figure);
      else if (strcmp (name.field, "read-at-ns") == 0 && figure->type == PVT_PAGE_TYPE_U64)
        recent = is_recent (figures, figure->u64);
    }
  /* What an agent must not touch is not told as if it had. */
  if (recent && !figures->frozen)
    add_filesystems (metrics, order);
  pvt_metrics_add (metrics, PVT_F_TIME, (double) figures->realtime_ns / NS_PER_S, NULL);
  pvt_metrics_add (metrics, PVT_F_FROZEN, figures->frozen, NULL);
}
