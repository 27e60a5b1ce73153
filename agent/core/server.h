/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The daemon: one main loop, its channels, and what handlers may ask of it. */
#pragma once

#include "agent/platform/root.h"
#include "config.h"
#include "endpoint.h"

/*
 * Opens the channels and runs until SIGTERM or SIGINT. @config must stay.
 * FALSE when it could not begin.
 */
gboolean pvt_server_run (const PvtConfig *config, GError **error);

/* The same without channels, for what is done at once; FALSE with @error. */
gboolean pvt_server_open_root (const PvtConfig *config, GError **error);
void pvt_server_close_root (void);

/* Where the platform readers look. */
const PvtRoot *pvt_server_root (void);

const PvtConfig *pvt_server_config (void);

/* The channels; borrowed, elements PvtEndpoint. Main loop only. */
GPtrArray *pvt_server_endpoints (void);

/* g_get_monotonic_time() of the start. */
gint64 pvt_server_started (void);
