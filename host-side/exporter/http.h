/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The HTTP side, on libmicrohttpd: one thread, connections that wait for guests
 * are suspended meanwhile. */
#pragma once

#include "pages.h"

typedef struct _PvtHttp PvtHttp;

/* @listen: ADDRESS:PORT, [IPv6]:PORT; port 0 takes a free one. @timeout_ms: what
 * guests have. */
PvtHttp *pvt_http_start (const char *listen, PvtExporter *exporter, int timeout_ms,
                         GError **error);

/* Takes no more requests, lets those end that wait, and frees. */
void pvt_http_stop (PvtHttp *http);

/* ADDRESS:PORT that it really listens on. */
const char *pvt_http_address (const PvtHttp *http);
