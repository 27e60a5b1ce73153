/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The envelope of a reply: {"return": ...} or
 * {"error": {"class": ..., "desc": ...}}, one line, ending "}\n".
 */
#pragma once

#include "request.h"

/* The reply to a command whose result is @returns of @result; @returns NULL
 * gives {}. @id with data NULL is not echoed. */
void pvt_reply_write (PvtBuf *out, const PvtField *returns, gconstpointer result, PvtSlice id);

void pvt_reply_write_error (PvtBuf *out, const GError *error, PvtSlice id);

/* Text of an untrusted peer that is one object of @type, guard and all, into
 * zeroed memory; FALSE when it is not. */
gboolean pvt_decode_untrusted (const char *text, gsize len, const PvtType *type, gpointer object);

typedef struct
{
  /* Raw JSON text inside the message; exactly one of the two is set. */
  PvtSlice result; /* data NULL: it was an error */
  GError *error;   /* PVT_AGENT_ERROR; the caller frees */
} PvtReply;

/*
 * Takes a reply apart that came from the framer. FALSE when it is neither
 * {"return"} nor {"error"}: the peer does not speak this protocol.
 */
gboolean pvt_reply_parse (const char *message, gsize len, PvtReply *reply, GError **error);
