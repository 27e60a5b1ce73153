/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Where conversations come from: a port of the hypervisor (one conversation,
 * for ever, whether or not the host listens) or a listening socket (one for
 * each client). Nothing here wakes up while nothing happens.
 */
#pragma once

#include "config.h"

#include <glib.h>

typedef struct _PvtEndpoint PvtEndpoint;

/* Clients that one listening socket serves at a time. */
#define PVT_MAX_CLIENTS 16

/*
 * A port that is not there yet is waited for. An address that cannot be
 * listened on is an error.
 */
PvtEndpoint *pvt_endpoint_new (const PvtChannelConfig *config, GError **error);

void pvt_endpoint_free (PvtEndpoint *endpoint);

const PvtChannelConfig *pvt_endpoint_config (const PvtEndpoint *endpoint);

/* TRUE while a peer is there. */
gboolean pvt_endpoint_connected (const PvtEndpoint *endpoint);
