/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What every typed call is made of. */
#pragma once

#include "protocol/message/reply.h"
#include "pvt-client.h"
#include "pvt-commands.h"

/* Runs a command and decodes its return value into @result, a variable of the
 * value's C type, which stays untouched on failure. */
gboolean pvt_client_call (PvtClient *client, const PvtCommandInfo *info, gconstpointer args,
                          gpointer result, int timeout_ms, GCancellable *cancellable,
                          GError **error);

void pvt_client_call_async (PvtClient *client, const PvtCommandInfo *info, gconstpointer args,
                            int timeout_ms, GCancellable *cancellable,
                            GAsyncReadyCallback callback, gpointer user_data);

gboolean pvt_client_call_finish (PvtClient *client, GAsyncResult *async_result, gpointer result,
                                 GError **error);

/*
 * Sends one request line and waits for its answer. FALSE for an error of either
 * side. @result borrows from the client until its next call; data NULL when
 * nothing is answered on success. @answered FALSE: a command that says nothing
 * on success.
 */
gboolean pvt_client_exchange (PvtClient *client, const char *line, gsize len, gboolean answered,
                              int timeout_ms, GCancellable *cancellable, PvtSlice *result,
                              GError **error);
