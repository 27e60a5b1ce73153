/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a handler sees of the request it answers. */
#pragma once

#include "agent/platform/root.h"
#include "protocol/message/pvt-agent-error.h"
#include "pvt-handlers.h"
#include "stream.h"

struct _PvtCall
{
  const PvtCommand *command;
  const char *channel;      /* the channel's name, for the log */
  gconstpointer args;       /* as the handler gets them; for the record */
  gint64 started;           /* g_get_monotonic_time() */
  PvtStream *stream;        /* what a handler may attach to; NULL on a channel without streams */
  gboolean delimit;         /* the reply is preceded by 0xFF */
  gint64 deadline;          /* g_get_monotonic_time() at which nobody waits any more */
  gint *cancelled;          /* NULL on the main loop; else 0, 1 once the caller has given up, 2
                             * once the handler has put that out of question, from 0 only */
};

/* Where the readers look: "/" or the tests' fake root. */
const PvtRoot *pvt_call_root (PvtCall *call);

/* TRUE once nobody waits for the answer; long handlers look at it. */
gboolean pvt_call_cancelled (PvtCall *call);

/*
 * Waits for that long. FALSE with @error when the call was given up meanwhile.
 * Only for commands that may block.
 */
gboolean pvt_call_sleep (PvtCall *call, guint ms, GError **error);

/* Sets a GenericError with this text; FALSE, to return it at once. */
gboolean pvt_call_fail (GError **error, const char *format, ...) G_GNUC_PRINTF (2, 3);
