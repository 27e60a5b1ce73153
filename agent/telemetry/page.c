/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "page.h"

#include "agent/core/gate.h"
#include "agent/core/log.h"
#include "agent/platform/clock-state.h"
#include "agent/platform/shared-page.h"
#include "hub.h"
#include "protocol/page/layout.h"
#include "protocol/page/writer.h"
#include "pvt-tables.h"
#include "space.h"
#include "telemetry.h"

#include <time.h>

/* On a thread, as a disk may be slow: less often than what the kernel answers from memory. */
#define FILESYSTEMS_US (10 * G_USEC_PER_SEC)

static struct
{
  PvtSharedPage memory;
  PvtPageWriter writer;
  PvtSchedule schedule;  /* its period is 0 without a page */
  PvtSchedule filesystems_schedule;
  const PvtRoot *root;
  GPtrArray *filesystems;      /* as they answered last; NULL: not yet */
  guint64 filesystems_read_ns; /* CLOCK_MONOTONIC */
} page;

static void
add_entry (const char *name, const PvtType *type, gconstpointer object, gpointer data)
{
  pvt_page_writer_add_object (&page.writer, data, name, type, object);
}

static void
add_filesystems (void)
{
  const char *group = pvt_group_name (PVT_METRIC_GROUP_FILESYSTEMS);

  /* They are older than the rest, and much older after a long freeze. */
  pvt_page_writer_add (&page.writer, group, "", "read-at-ns", PVT_PAGE_WIRE_U64,
                       PVT_PAGE_WIRE_NANOSECONDS, page.filesystems_read_ns);
  for (guint i = 0; i < page.filesystems->len; i++)
    {
      const PvtFilesystem *fs = page.filesystems->pdata[i];

      pvt_page_writer_add_object (&page.writer, group, fs->mountpoint, &pvt_filesystem_type, fs);
    }
}

static void
show (guint32 flags)
{
  PvtPageFacts facts = { .boot_id = pvt_telemetry_boot_id (),
                         .period_ms = (guint32) (page.schedule.period / 1000),
                         .flags = flags | (pvt_gate_is_closed () ? PVT_PAGE_IS_FROZEN : 0),
                         .monotonic_ns = (guint64) pvt_clock_ns (CLOCK_MONOTONIC),
                         .realtime_ns = (guint64) pvt_clock_ns (CLOCK_REALTIME) };

  pvt_page_writer_show (&page.writer, &facts);
}

gint64
pvt_shared_figures_due (void)
{
  return page.schedule.period ? page.schedule.due : G_MAXINT64;
}

void
pvt_shared_figures_serve (gint64 now)
{
  if (!pvt_schedule_take (&page.schedule, now))
    return;
  pvt_page_writer_begin (&page.writer);
  for (guint i = 0; i < PVT_N_GROUPS; i++)
    pvt_sampler_visit ((PvtMetricGroup) i, add_entry, (gpointer) pvt_group_name ((PvtMetricGroup) i));
  if (page.filesystems)
    add_filesystems ();
  show (0);
  if (pvt_schedule_take (&page.filesystems_schedule, now))
    pvt_space_ask (page.root);
}

void
pvt_shared_figures_filesystems (GPtrArray *list)
{
  gboolean first = page.filesystems == NULL;

  if (page.schedule.period == 0)
    return;
  g_clear_pointer (&page.filesystems, g_ptr_array_unref);
  page.filesystems = g_ptr_array_ref (list);
  page.filesystems_read_ns = (guint64) pvt_clock_ns (CLOCK_MONOTONIC);
  if (!first)
    return;
  /* The period may be a day. */
  page.schedule.due = 0;
  pvt_hub_serve_page (TRUE);
}

void
pvt_shared_figures_start (const PvtConfig *config, const PvtRoot *root)
{
  const char *device = config->page_device && config->page_device[0] ? config->page_device : NULL;
  g_autoptr (GError) error = NULL;

  if (config->page_period == 0)
    return;
  if (!pvt_shared_page_open (root, device, &page.memory, &error))
    {
      pvt_log (PVT_LOG_WARNING, "%s", error->message);
      return;
    }
  if (page.memory.data == NULL)
    return;
  page.root = root;
  pvt_page_writer_init (&page.writer, page.memory.data, page.memory.size);
  page.schedule.period = config->page_period * G_USEC_PER_SEC;
  page.filesystems_schedule.period = MAX (page.schedule.period, FILESYSTEMS_US);
  pvt_log (PVT_LOG_INFO, "figures every %u s in the shared page of %s, %" G_GSIZE_FORMAT " KiB of it",
           config->page_period, page.memory.address, page.memory.size / 1024);
  pvt_hub_serve_page (TRUE);
}

void
pvt_shared_figures_stop (void)
{
  if (page.schedule.period == 0)
    return;
  show (PVT_PAGE_HAS_ENDED);
  page.schedule.period = 0;
  pvt_hub_serve_page (FALSE);
  g_clear_pointer (&page.filesystems, g_ptr_array_unref);
  pvt_page_writer_finish (&page.writer);
  pvt_shared_page_close (&page.memory);
}
