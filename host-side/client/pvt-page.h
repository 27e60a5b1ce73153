/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

#include "pvt-error.h"

G_BEGIN_DECLS

/**
 * PvtPageType:
 * @PVT_PAGE_TYPE_U64: a number that is not negative
 * @PVT_PAGE_TYPE_I64: a number
 * @PVT_PAGE_TYPE_F64: a finite number with a fraction
 * @PVT_PAGE_TYPE_TEXT: text that prints, at most 255 bytes of UTF-8
 *
 * How a value of a shared page is kept.
 */
typedef enum
{
  PVT_PAGE_TYPE_U64 = 1,
  PVT_PAGE_TYPE_I64,
  PVT_PAGE_TYPE_F64,
  PVT_PAGE_TYPE_TEXT,
} PvtPageType;

/**
 * PvtPageUnit:
 * @PVT_PAGE_UNIT_COUNT: a number of something
 * @PVT_PAGE_UNIT_BYTES: bytes
 * @PVT_PAGE_UNIT_MILLISECONDS: milliseconds
 * @PVT_PAGE_UNIT_MICROSECONDS: microseconds
 * @PVT_PAGE_UNIT_NANOSECONDS: nanoseconds
 * @PVT_PAGE_UNIT_SHARE: 0 to 1
 * @PVT_PAGE_UNIT_FLAG: 0 or 1
 *
 * What a value of a shared page counts.
 */
typedef enum
{
  PVT_PAGE_UNIT_COUNT,
  PVT_PAGE_UNIT_BYTES,
  PVT_PAGE_UNIT_MILLISECONDS,
  PVT_PAGE_UNIT_MICROSECONDS,
  PVT_PAGE_UNIT_NANOSECONDS,
  PVT_PAGE_UNIT_SHARE,
  PVT_PAGE_UNIT_FLAG,
} PvtPageUnit;

/**
 * PvtPageMetric:
 * @name: GROUP.OBJECT.FIELD, or GROUP.FIELD; an object may have dots, the others have none
 * @type: which of the values it is
 * @unit: what it counts
 * @u64: the value of a %PVT_PAGE_TYPE_U64
 * @i64: the value of a %PVT_PAGE_TYPE_I64
 * @f64: the value of a %PVT_PAGE_TYPE_F64
 * @text: (nullable): the value of a %PVT_PAGE_TYPE_TEXT, or else %NULL
 *
 * One figure. Groups and fields are those of #PvtMetricsReport; counters count
 * since the guest's boot.
 */
typedef struct
{
  char *name;
  PvtPageType type;
  PvtPageUnit unit;
  guint64 u64;
  gint64 i64;
  gdouble f64;
  char *text;
} PvtPageMetric;

double pvt_page_metric_get_value (const PvtPageMetric *metric);

/**
 * PvtPageFigures:
 * @boot_id: the kernel's name of the boot
 * @agent_version: version of the agent that wrote it
 * @period_ms: milliseconds from one update to the next
 * @frozen: whether the agent has frozen filesystems
 * @ended: the agent has ended, and said so
 * @updates: updates by this agent, from 1
 * @monotonic_ns: the guest's CLOCK_MONOTONIC when the figures were read
 * @realtime_ns: the guest's CLOCK_REALTIME then
 * @omitted: figures for which the page had no room
 * @unknown: figures that are of a later version of the layout, and left out here
 * @clock_age_ms: milliseconds since then, if guest and host have the same time; may
 *   be negative
 * @unchanged_ms: milliseconds for which the #PvtPage that was asked has seen these
 *   same figures, by the host's monotonic clock; 0 when it sees them first
 * @retries: how often the page was being written when it was read
 * @metrics: (element-type PvtPageMetric): the figures
 *
 * What a shared page had at one time.
 */
typedef struct
{
  char *boot_id;
  char *agent_version;
  guint period_ms;
  gboolean frozen;
  gboolean ended;
  guint64 updates;
  guint64 monotonic_ns;
  guint64 realtime_ns;
  guint64 omitted;
  guint64 unknown;
  gint64 clock_age_ms;
  guint64 unchanged_ms;
  guint retries;
  GPtrArray *metrics;
} PvtPageFigures;

#define PVT_TYPE_PAGE_FIGURES (pvt_page_figures_get_type ())
GType pvt_page_figures_get_type (void) G_GNUC_CONST;
PvtPageFigures *pvt_page_figures_copy (const PvtPageFigures *figures);
void pvt_page_figures_free (PvtPageFigures *figures);
const PvtPageMetric *pvt_page_figures_lookup (const PvtPageFigures *figures, const char *name);
gboolean pvt_page_figures_is_stale (const PvtPageFigures *figures);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (PvtPageFigures, pvt_page_figures_free)

#define PVT_TYPE_PAGE (pvt_page_get_type ())
G_DECLARE_FINAL_TYPE (PvtPage, pvt_page, PVT, PAGE, GObject)

PvtPage *pvt_page_new (const char *path);
PvtPageFigures *pvt_page_read (PvtPage *page, GError **error);
gboolean pvt_page_prepare (const char *path, guint64 size, GError **error);

G_END_DECLS
