/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

#include "pvt-error.h"
#include "pvt-types.h"

G_BEGIN_DECLS

#define PVT_TYPE_WATCH (pvt_watch_get_type ())
G_DECLARE_FINAL_TYPE (PvtWatch, pvt_watch, PVT, WATCH, GObject)

PvtWatch *pvt_watch_new (const char *address);

void pvt_watch_set_heartbeat (PvtWatch *watch, guint period_ms);
void pvt_watch_add_metrics (PvtWatch *watch, PvtMetricGroup group, guint period_ms, gboolean full);
void pvt_watch_add_events (PvtWatch *watch, const char *kind);
void pvt_watch_set_full_percent (PvtWatch *watch, guint percent);

gboolean pvt_watch_start (PvtWatch *watch, int timeout_ms, GError **error);
void pvt_watch_start_async (PvtWatch *watch, int timeout_ms, GAsyncReadyCallback callback,
                            gpointer user_data);
gboolean pvt_watch_start_finish (PvtWatch *watch, GAsyncResult *async_result, GError **error);
void pvt_watch_stop (PvtWatch *watch);

const char *pvt_watch_get_address (PvtWatch *watch);
const char *pvt_watch_get_agent_version (PvtWatch *watch);
const PvtSubscription *pvt_watch_get_subscription (PvtWatch *watch);

G_END_DECLS
