/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* From one message to one reply. */
#pragma once

#include "protocol/codec/buf.h"
#include "pvt-handlers.h"
#include "worker.h"

/* The command of that name, or NULL. */
const PvtCommand *pvt_dispatch_find (const char *name);

/*
 * Handles a message that came from the framer. The reply, if the command has
 * one, is appended to @out. A command that may block is handed to a worker
 * instead: the job is returned, @out is as before, and @done gets the answer
 * for pvt_dispatch_write_reply(). @id receives a copy of the raw id to echo
 * (NULL: none), which the caller frees, in that case only. @stream NULL: the
 * channel has no streams, and commands that begin one are refused.
 */
PvtJob *pvt_dispatch_message (const char *channel, const char *message, gsize len,
                              PvtStream *stream, PvtBuf *out, PvtJobDone done,
                              gpointer user_data, char **id);

/* The reply to a finished command; also counts and logs it. */
void pvt_dispatch_write_reply (const PvtCall *call, gconstpointer result, const GError *error,
                               const char *id, PvtBuf *out);

/* The reply to bytes that were no message. */
void pvt_dispatch_write_bad (const char *channel, const char *why, PvtBuf *out);

/* Requests answered and errors among them since the start. */
guint64 pvt_dispatch_requests (void);
guint64 pvt_dispatch_errors (void);
