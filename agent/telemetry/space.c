/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "space.h"

#include "agent/commands/reports.h"
#include "agent/core/gate.h"
#include "hub.h"
#include "page.h"
#include "protocol/codec/encode.h"
#include "pvt-tables.h"

/* A filesystem counts as nearly full until it is this much below the limit. */
#define CLEARLY_BELOW 0.02

static gboolean asking; /* main loop */

/* As df counts: of what users without privilege can have. */
static double
used_share (const PvtFilesystem *fs)
{
  double all = (double) fs->used_bytes + (double) fs->available_bytes;

  return all > 0 ? (double) fs->used_bytes / all : 0;
}

static void
tell_level (PvtSubscriber *s, const PvtFilesystem *fs, gboolean nearly_full)
{
  PvtFilesystemLevel level = { .mountpoint = fs->mountpoint, .nearly_full = nearly_full,
                               .used_share = used_share (fs), .available_bytes = fs->available_bytes };
  PvtBuf text = { 0 };

  pvt_encode_object (&text, &pvt_filesystem_level_type, &level);
  pvt_subscriber_push (s, "filesystem", text.data, text.len);
  pvt_buf_clear (&text);
}

static void
look_at (PvtSubscriber *s, const PvtFilesystem *fs)
{
  gboolean was = g_hash_table_contains (s->nearly_full, fs->mountpoint);
  double share = used_share (fs);

  if (!was && share >= s->full_share)
    g_hash_table_add (s->nearly_full, g_strdup (fs->mountpoint));
  else if (was && share < s->full_share - CLEARLY_BELOW)
    g_hash_table_remove (s->nearly_full, fs->mountpoint);
  else
    return;
  tell_level (s, fs, !was);
}

/* What cannot be written to cannot become fuller. */
static gboolean
can_fill_up (const PvtFilesystem *fs)
{
  return fs->has_used_bytes && fs->has_available_bytes && !fs->read_only;
}

static void
tell_levels (PvtSubscriber *s, gpointer data)
{
  GPtrArray *list = data;

  if (s->nearly_full == NULL)
    s->nearly_full = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  for (guint i = 0; i < list->len; i++)
    if (can_fill_up (list->pdata[i]))
      look_at (s, list->pdata[i]);
}

static gboolean
answered (gpointer data)
{
  GPtrArray *list = data;
  PvtSample *sample;

  asking = FALSE;
  if (list == NULL)
    return G_SOURCE_REMOVE; /* frozen meanwhile, or no list of mounts */
  sample = pvt_sample_new (TRUE);
  for (guint i = 0; i < list->len; i++)
    {
      const PvtFilesystem *fs = list->pdata[i];

      pvt_sample_add (sample, fs->mountpoint, &pvt_filesystem_type, fs);
    }
  pvt_shared_figures_filesystems (list);
  pvt_hub_filesystems (sample);
  pvt_hub_visit (PVT_EVENT_KIND_FILESYSTEM, tell_levels, list);
  pvt_sample_free (sample);
  g_ptr_array_unref (list);
  pvt_hub_flush ();
  return G_SOURCE_REMOVE;
}

static void
ask (gpointer data, gpointer user_data G_GNUC_UNUSED)
{
  GPtrArray *list = pvt_gate_is_closed () ? NULL : pvt_filesystems_report (data, NULL);

  if (list)
    g_ptr_array_set_free_func (list, (GDestroyNotify) pvt_filesystem_free);
  g_idle_add_full (G_PRIORITY_DEFAULT, answered, list, NULL);
}

/* A pool of one: its thread is there for the next time, when that is soon, and ends
 * when nobody asks for a while. A new one each second was a seventh of all that
 * telemetry cost (tests/bench/agent_cost.py). */
void
pvt_space_ask (const PvtRoot *root)
{
  static GThreadPool *pool;

  if (asking || pvt_gate_is_closed ())
    return;
  if (pool == NULL)
    pool = g_thread_pool_new (ask, NULL, 1, FALSE, NULL);
  asking = g_thread_pool_push (pool, (gpointer) root, NULL);
}
