/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "top-page.h"

#include <string.h>

/* With a longer period it could not be told whether anybody writes it. */
#define MAX_PERIOD_MS 20000

struct _PvtTopPage
{
  gatomicrefcount refs; /* a look that is under way has one */
  PvtPage *page;
  guint interval_ms, timer;
  gboolean closed;
  PvtTopPageNews news;
  gpointer user_data;
  gboolean seen, live; /* it was read, and has changed since */
  guint64 updates, monotonic_ns;
};

static void
unref (PvtTopPage *page)
{
  if (!g_atomic_ref_count_dec (&page->refs))
    return;
  g_object_unref (page->page);
  g_free (page);
}

/* ---- figures ---- */

/* A figure's name: "GROUP.FIELD" or "GROUP.OBJECT.FIELD". */
static gboolean
is_field (const char *name, const char *group, const char *field)
{
  gsize length = strlen (group);

  return strncmp (name, group, length) == 0 && name[length] == '.'
         && strcmp (strrchr (name, '.') + 1, field) == 0;
}

/* "disks.vda.reads" */
static gboolean
counts_disk (const char *name)
{
  const char *disk = name + strlen ("disks."), *last = strrchr (name, '.');
  g_autofree char *object = last > disk ? g_strndup (disk, (gsize) (last - disk)) : NULL;

  return object && pvt_top_counts_disk (object, NULL);
}

static gboolean
is_of (const char *name, const char *head)
{
  return g_str_has_prefix (name, head) && strchr (name + strlen (head), '.') == NULL;
}

static void
take_cpu (PvtCpuTotals *cpu, const char *field, guint64 value)
{
  const struct
  {
    const char *name;
    guint64 *value;
  } fields[] = { { "user-ms", &cpu->user_ms },       { "nice-ms", &cpu->nice_ms },
                 { "system-ms", &cpu->system_ms },   { "idle-ms", &cpu->idle_ms },
                 { "iowait-ms", &cpu->iowait_ms },   { "irq-ms", &cpu->irq_ms },
                 { "softirq-ms", &cpu->softirq_ms }, { "steal-ms", &cpu->steal_ms } };

  for (guint i = 0; i < G_N_ELEMENTS (fields); i++)
    if (strcmp (field, fields[i].name) == 0)
      *fields[i].value = value;
}

typedef struct
{
  PvtCpuTotals cpu;
  PvtMemory memory;
  PvtGuestLoadAverage load;
  PvtDiskTotals disks;  /* all of them */
  PvtLinkTotals links;  /* all but the loopback */
  gboolean has_cpu, has_load, has_available;
  GHashTable *filesystems; /* mountpoint -> PvtFilesystem */
  GPtrArray *list;         /* the same in order */
} Sums;

static void
take_filesystem (Sums *sums, const char *name, guint64 value)
{
  const char *object = strchr (name, '.') + 1, *field = strrchr (name, '.') + 1;
  g_autofree char *where = object < field ? g_strndup (object, (gsize) (field - 1 - object)) : NULL;
  PvtFilesystem *fs = where ? g_hash_table_lookup (sums->filesystems, where) : NULL;

  if (where == NULL)
    return;
  if (fs == NULL)
    {
      fs = pvt_filesystem_new ();
      fs->mountpoint = g_steal_pointer (&where);
      g_hash_table_insert (sums->filesystems, fs->mountpoint, fs);
      g_ptr_array_add (sums->list, fs);
    }
  if (strcmp (field, "used-bytes") == 0)
    {
      fs->has_used_bytes = TRUE;
      fs->used_bytes = value;
    }
  else if (strcmp (field, "available-bytes") == 0)
    {
      fs->has_available_bytes = TRUE;
      fs->available_bytes = value;
    }
  else if (strcmp (field, "read-only") == 0)
    fs->read_only = value != 0;
}

static void
take_number (Sums *sums, const char *name, guint64 value)
{
  if (is_of (name, "cpu.all."))
    {
      sums->has_cpu = TRUE;
      take_cpu (&sums->cpu, name + strlen ("cpu.all."), value);
    }
  else if (strcmp (name, "memory.total") == 0)
    sums->memory.total = value;
  else if (strcmp (name, "memory.available") == 0)
    {
      sums->has_available = TRUE;
      sums->memory.available = value;
    }
  else if (is_field (name, "disks", "read-bytes") && counts_disk (name))
    sums->disks.read_bytes += value;
  else if (is_field (name, "disks", "written-bytes") && counts_disk (name))
    sums->disks.written_bytes += value;
  else if (is_field (name, "links", "rx-bytes") && !is_of (name, "links.lo."))
    sums->links.rx_bytes += value;
  else if (is_field (name, "links", "tx-bytes") && !is_of (name, "links.lo."))
    sums->links.tx_bytes += value;
  else if (g_str_has_prefix (name, "filesystems."))
    take_filesystem (sums, name, value);
}

static void
take_figure (Sums *sums, const PvtPageMetric *figure)
{
  if (figure->type == PVT_PAGE_TYPE_U64)
    take_number (sums, figure->name, figure->u64);
  else if (figure->type == PVT_PAGE_TYPE_F64 && strcmp (figure->name, "load.load1m") == 0)
    {
      sums->has_load = TRUE;
      sums->load.load1m = figure->f64;
    }
}

static GPtrArray *
one (gpointer object)
{
  GPtrArray *list = g_ptr_array_new ();

  g_ptr_array_add (list, object);
  return list;
}

void
pvt_top_take_page (PvtTopState *state, const PvtPageFigures *figures)
{
  Sums sums = { .links = { .name = (char *) "all" } };
  g_autoptr (GHashTable) table = g_hash_table_new (g_str_hash, g_str_equal);
  g_autoptr (GPtrArray) list = g_ptr_array_new_with_free_func ((GDestroyNotify) pvt_filesystem_free);
  g_autoptr (GPtrArray) cpus = one (&sums.cpu), disks = one (&sums.disks), links = one (&sums.links);
  PvtHeartbeat beat = { .frozen = figures->frozen };
  PvtMetricsReport report = { .monotonic_ns = figures->monotonic_ns, .disks = disks, .links = links };
  PvtEvent event = { .heartbeat = &beat, .metrics = &report };

  sums.filesystems = table;
  sums.list = list;
  for (guint i = 0; i < figures->metrics->len; i++)
    take_figure (&sums, figures->metrics->pdata[i]);
  report.cpu = sums.has_cpu ? cpus : NULL;
  report.memory = sums.has_available ? &sums.memory : NULL;
  report.load = sums.has_load ? &sums.load : NULL;
  report.filesystems = list->len ? list : NULL;
  pvt_top_take (state, &event);
}

/* ---- looking ---- */

static const char *
why_not (const PvtPageFigures *figures)
{
  if (figures->ended)
    return "agent ended";
  if (figures->period_ms > MAX_PERIOD_MS)
    return "slow page";
  if (pvt_page_figures_is_stale (figures))
    return "stale page";
  return figures->omitted ? "cut page" : NULL;
}

/* For a column of a table. */
static const char *
why_none (const GError *error)
{
  if (g_error_matches (error, PVT_CLIENT_ERROR, PVT_CLIENT_ERROR_NOT_CONNECTED))
    return "no page";
  if (g_error_matches (error, PVT_CLIENT_ERROR, PVT_CLIENT_ERROR_BUSY))
    return "torn page";
  return "broken page";
}

static void
tell (PvtTopPage *page, const PvtPageFigures *figures, const GError *error)
{
  const char *why = figures ? why_not (figures) : why_none (error);
  gboolean another = figures
                     && (page->updates != figures->updates || page->monotonic_ns != figures->monotonic_ns);

  if (figures)
    {
      page->live |= page->seen && another;
      page->seen = TRUE;
      page->updates = figures->updates;
      page->monotonic_ns = figures->monotonic_ns;
    }
  page->news (why == NULL && page->live && another ? figures : NULL, why, page->user_data);
}

static void
look_thread (GTask *task, gpointer source G_GNUC_UNUSED, gpointer data,
             GCancellable *cancellable G_GNUC_UNUSED)
{
  PvtTopPage *page = data;
  GError *error = NULL;
  PvtPageFigures *figures = pvt_page_read (page->page, &error);

  if (figures)
    g_task_return_pointer (task, figures, (GDestroyNotify) pvt_page_figures_free);
  else
    g_task_return_error (task, error);
}

static gboolean look (gpointer data);

static void
looked (GObject *source G_GNUC_UNUSED, GAsyncResult *result, gpointer data)
{
  PvtTopPage *page = data;
  g_autoptr (GError) error = NULL;
  g_autoptr (PvtPageFigures) figures = g_task_propagate_pointer (G_TASK (result), &error);

  if (!page->closed)
    {
      page->timer = g_timeout_add (page->interval_ms, look, page);
      tell (page, figures, error);
    }
  unref (page);
}

static gboolean
look (gpointer data)
{
  PvtTopPage *page = data;
  g_autoptr (GTask) task = g_task_new (NULL, NULL, looked, page);

  page->timer = 0;
  g_atomic_ref_count_inc (&page->refs);
  g_task_set_task_data (task, page, NULL);
  g_task_run_in_thread (task, look_thread);
  return G_SOURCE_REMOVE;
}

PvtTopPage *
pvt_top_page_new (const char *file, guint interval_ms, PvtTopPageNews news, gpointer user_data)
{
  PvtTopPage *page = g_new0 (PvtTopPage, 1);

  g_atomic_ref_count_init (&page->refs);
  page->page = pvt_page_new (file);
  page->interval_ms = interval_ms;
  page->news = news;
  page->user_data = user_data;
  look (page);
  return page;
}

void
pvt_top_page_free (PvtTopPage *page)
{
  if (page == NULL)
    return;
  page->closed = TRUE;
  g_clear_handle_id (&page->timer, g_source_remove);
  unref (page);
}
