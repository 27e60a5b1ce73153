/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A listening unix or vsock socket and its clients. */
#pragma once

#include "config.h"

typedef struct _PvtListener PvtListener;

PvtListener *pvt_listener_new (const PvtChannelConfig *config, GError **error);
void pvt_listener_free (PvtListener *listener);
guint pvt_listener_clients (const PvtListener *listener);
