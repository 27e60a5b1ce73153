/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>
#include <json-glib/json-glib.h>

#include "pvt-error.h"

G_BEGIN_DECLS

#define PVT_TYPE_CLIENT (pvt_client_get_type ())
G_DECLARE_FINAL_TYPE (PvtClient, pvt_client, PVT, CLIENT, GObject)

/**
 * PVT_CLIENT_DEFAULT_TIMEOUT_MS:
 *
 * How long a call waits when it is not told.
 */
#define PVT_CLIENT_DEFAULT_TIMEOUT_MS 5000

PvtClient *pvt_client_connect (const char *address, int timeout_ms, GCancellable *cancellable,
                               GError **error);
void pvt_client_connect_async (const char *address, int timeout_ms, GCancellable *cancellable,
                               GAsyncReadyCallback callback, gpointer user_data);
PvtClient *pvt_client_connect_finish (GAsyncResult *async_result, GError **error);

void pvt_client_close (PvtClient *client);
const char *pvt_client_get_address (PvtClient *client);
void pvt_client_set_timeout (PvtClient *client, int timeout_ms);
int pvt_client_get_timeout (PvtClient *client);

JsonNode *pvt_client_execute (PvtClient *client, const char *command, JsonNode *arguments,
                              int timeout_ms, GCancellable *cancellable, GError **error);
char *pvt_client_execute_text (PvtClient *client, const char *request, int timeout_ms,
                               GCancellable *cancellable, GError **error);

gboolean pvt_client_has_command (PvtClient *client, const char *command, int timeout_ms,
                                 GCancellable *cancellable, GError **error);
const char *pvt_client_get_agent_version (PvtClient *client, int timeout_ms,
                                          GCancellable *cancellable, GError **error);
gboolean pvt_client_is_pvtools (PvtClient *client, int timeout_ms, GCancellable *cancellable,
                                GError **error);

G_END_DECLS
