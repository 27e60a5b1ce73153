/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Handlers that may block run here, on a bounded number of threads. Each job
 * has its command's budget: when that is over, whoever waits gets an error and
 * goes on, and the thread finishes (or hangs) by itself with memory of its own.
 */
#pragma once

#include "call.h"

#define PVT_MAX_WORKERS 8
/* And beside them as many as hang past their budget, up to this; and for thaws. */
#define PVT_MAX_LOST_WORKERS 56
#define PVT_MAX_THAWERS 2

/* The answer. Exactly once, on the main loop. @result is the handler's, valid
 * during the call; @error NULL on success. */
typedef void (*PvtJobDone) (const PvtCall *call, gconstpointer result, const GError *error,
                            gpointer user_data);

typedef struct _PvtJob PvtJob;

/* @stream: for the handler to attach to, or NULL. Takes @args, a heap copy of the
 * decoded arguments or NULL. @deadline_ms: what the host gives it, when that is less
 * than the command's budget; 0: nothing is said. */
PvtJob *pvt_worker_submit (const PvtCommand *command, const char *channel, PvtStream *stream,
                           gpointer args, guint deadline_ms, PvtJobDone done, gpointer user_data);

/* Whoever submitted it is gone: @done is not called any more. */
void pvt_job_abandon (PvtJob *job);
