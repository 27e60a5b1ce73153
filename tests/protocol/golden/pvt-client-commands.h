/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Generated from protocol/schema; do not edit. */

#pragma once

#include <gio/gio.h>

#include "pvt-boxed.h"
#include "pvt-client.h"

G_BEGIN_DECLS

GPtrArray *pvt_client_guest_do (PvtClient *client, const PvtGuestDoArgs *args, int timeout_ms, GCancellable *cancellable, GError **error);
void pvt_client_guest_do_async (PvtClient *client, const PvtGuestDoArgs *args, int timeout_ms, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);
GPtrArray *pvt_client_guest_do_finish (PvtClient *client, GAsyncResult *async_result, GError **error);

gboolean pvt_client_tell (PvtClient *client, gint64 *result, int timeout_ms, GCancellable *cancellable, GError **error);
void pvt_client_tell_async (PvtClient *client, int timeout_ms, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);
gboolean pvt_client_tell_finish (PvtClient *client, GAsyncResult *async_result, gint64 *result, GError **error);

G_END_DECLS
