/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "top-figures.h"

#include <string.h>

#define NS_PER_S 1e9

void
pvt_top_state_clear (PvtTopState *state)
{
  g_free (state->figures.fullest);
  *state = (PvtTopState){ .busy_ms = 0 };
}

void
pvt_top_take_times (PvtTopState *state, guint64 busy_ms, guint64 all_ms)
{
  PvtTopFigures *f = &state->figures;

  if (state->has_times && all_ms > state->all_ms && busy_ms >= state->busy_ms)
    {
      f->has_cpu = TRUE;
      f->cpu = MIN ((double) (busy_ms - state->busy_ms) / (double) (all_ms - state->all_ms), 1.0);
    }
  state->has_times = TRUE;
  state->busy_ms = busy_ms;
  state->all_ms = all_ms;
}

static void
take_cpu (PvtTopState *state, const GPtrArray *cpus)
{
  for (guint i = 0; i < cpus->len; i++)
    {
      const PvtCpuTotals *c = cpus->pdata[i];
      guint64 busy = c->user_ms + c->nice_ms + c->system_ms + c->irq_ms + c->softirq_ms + c->steal_ms;

      if (!c->has_cpu)
        pvt_top_take_times (state, busy, busy + c->idle_ms + c->iowait_ms);
    }
}

/* Bytes a second; FALSE when that cannot be told. */
static gboolean
rate (guint64 before, guint64 now, guint64 from_ns, guint64 to_ns, double *value)
{
  if (from_ns == 0 || to_ns <= from_ns || now < before)
    return FALSE;
  *value = (double) (now - before) / ((double) (to_ns - from_ns) / NS_PER_S);
  return TRUE;
}

/* "md127" begins with "md" and a digit. */
static gboolean
is_numbered (const char *name, const char *kind)
{
  return g_str_has_prefix (name, kind) && g_ascii_isdigit (name[strlen (kind)]);
}

/* Of "vda1" it is vda, of "nvme0n1p2" nvme0n1, if there is one. */
static gboolean
is_part (const char *name, GHashTable *all)
{
  g_autofree char *disk = g_strdup (name);
  gsize len = strlen (disk), digits = 0;

  while (digits < len && g_ascii_isdigit (disk[len - 1 - digits]))
    digits++;
  if (digits == 0 || digits == len)
    return FALSE;
  len -= digits;
  if (len > 1 && disk[len - 1] == 'p' && g_ascii_isdigit (disk[len - 2]))
    len--;
  disk[len] = '\0';
  return g_hash_table_contains (all, disk);
}

gboolean
pvt_top_counts_disk (const char *name, GHashTable *all)
{
  static const char *const kinds[] = { "dm-", "md", "loop", "ram", "zram", "fd" };

  for (guint i = 0; i < G_N_ELEMENTS (kinds); i++)
    if (is_numbered (name, kinds[i]))
      return FALSE;
  return *name && !(all && is_part (name, all));
}

static void
take_disks (PvtTopState *state, const GPtrArray *disks, guint64 ns)
{
  PvtTopFigures *f = &state->figures;
  guint64 read = 0, written = 0;

  for (guint i = 0; i < disks->len; i++)
    {
      const PvtDiskTotals *disk = disks->pdata[i];

      if (disk->name && !pvt_top_counts_disk (disk->name, NULL))
        continue;
      read += disk->read_bytes;
      written += disk->written_bytes;
    }
  f->has_io = rate (state->read_bytes, read, state->disk_ns, ns, &f->read_rate)
              && rate (state->written_bytes, written, state->disk_ns, ns, &f->write_rate);
  state->read_bytes = read;
  state->written_bytes = written;
  state->disk_ns = ns;
}

static void
take_links (PvtTopState *state, const GPtrArray *links, guint64 ns)
{
  PvtTopFigures *f = &state->figures;
  guint64 rx = 0, tx = 0;

  for (guint i = 0; i < links->len; i++)
    {
      const PvtLinkTotals *link = links->pdata[i];

      if (g_strcmp0 (link->name, "lo") == 0)
        continue;
      rx += link->rx_bytes;
      tx += link->tx_bytes;
    }
  f->has_net = rate (state->rx_bytes, rx, state->link_ns, ns, &f->rx_rate)
               && rate (state->tx_bytes, tx, state->link_ns, ns, &f->tx_rate);
  state->rx_bytes = rx;
  state->tx_bytes = tx;
  state->link_ns = ns;
}

void
pvt_top_take_filesystem (PvtTopState *state, gboolean first, const char *where, guint64 used,
                         guint64 available)
{
  PvtTopFigures *f = &state->figures;
  double all = (double) used + (double) available, share = all > 0 ? (double) used / all : 0;

  if (!first && f->has_disk && share <= f->disk)
    return;
  f->has_disk = TRUE;
  f->disk = share;
  g_free (f->fullest);
  f->fullest = g_strdup (where);
}

static void
take_filesystems (PvtTopState *state, const GPtrArray *list)
{
  gboolean first = TRUE;

  for (guint i = 0; i < list->len; i++)
    {
      const PvtFilesystem *fs = list->pdata[i];

      if (!fs->has_used_bytes || !fs->has_available_bytes || fs->read_only)
        continue;
      pvt_top_take_filesystem (state, first, fs->mountpoint, fs->used_bytes, fs->available_bytes);
      first = FALSE;
    }
}

static void
take_report (PvtTopState *state, const PvtMetricsReport *report)
{
  PvtTopFigures *f = &state->figures;
  guint64 ns = report->monotonic_ns;

  if (report->cpu)
    take_cpu (state, report->cpu);
  if (report->memory && report->memory->total > 0)
    {
      f->has_memory = TRUE;
      f->memory = 1 - (double) MIN (report->memory->available, report->memory->total)
                          / (double) report->memory->total;
    }
  if (report->load)
    {
      f->has_load = TRUE;
      f->load = report->load->load1m;
    }
  if (report->disks)
    take_disks (state, report->disks, ns);
  if (report->links)
    take_links (state, report->links, ns);
  if (report->filesystems)
    take_filesystems (state, report->filesystems);
}

void
pvt_top_take (PvtTopState *state, const PvtEvent *event)
{
  if (event->heartbeat)
    state->figures.frozen = event->heartbeat->frozen;
  if (event->metrics)
    take_report (state, event->metrics);
}
