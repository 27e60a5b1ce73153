/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The host's side of a conversation without any I/O: bytes in, bytes out.
 *
 * Before the first request, and after every one that was given up, both sides
 * are brought to the same place: 0xFF and a delimited sync with a random id go
 * out, and everything that comes before 0xFF and that id is thrown away. Then
 * one request at a time is sent, and the next message is its answer.
 *
 * What comes from the guest is hostile: the size of a message and the number
 * of stale ones are bounded.
 */
#pragma once

#include "protocol/frame/framer.h"
#include "protocol/message/reply.h"

/* Stale messages and bad lines that are skipped while waiting for a sync. */
#define PVT_SESSION_MAX_STALE 10000

typedef enum
{
  PVT_SESSION_WAIT,  /* more bytes are needed */
  PVT_SESSION_REPLY, /* the answer is there */
  PVT_SESSION_FAILED, /* the peer broke the protocol; the session will sync anew */
} PvtSessionEvent;

typedef struct
{
  PvtFramer framer;
  PvtBuf out;
  PvtBuf request; /* waits for the sync */
  gboolean synced;
  gboolean syncing;
  gboolean delimited; /* 0xFF came directly before */
  gboolean sent;      /* the request itself has left */
  gint64 sync_id;
  guint stale;
} PvtSession;

void pvt_session_init (PvtSession *session);
void pvt_session_clear (PvtSession *session);

/* Begins a request: a whole line. @sync_id: random and not 0, used when the
 * sides are not in sync. */
void pvt_session_begin (PvtSession *session, const char *line, gsize len, gint64 sync_id);

/* What to send; FALSE when there is nothing. pvt_session_wrote() takes it away. */
gboolean pvt_session_output (const PvtSession *session, const char **data, gsize *len);
void pvt_session_wrote (PvtSession *session, gsize n);

/* TRUE once all of the request has left: its effect can no longer be excluded. */
gboolean pvt_session_request_sent (const PvtSession *session);

/* Room to receive into, as of the framer. */
char *pvt_session_reserve (PvtSession *session, gsize n);
void pvt_session_received (PvtSession *session, gsize n);

/*
 * Looks at what was received. For REPLY, @reply is valid until the next call;
 * its error is the caller's. FAILED sets @error (PVT_CLIENT_ERROR_PROTOCOL).
 */
PvtSessionEvent pvt_session_next (PvtSession *session, PvtReply *reply, GError **error);

/* The request is given up: whatever comes for it later is stale. */
void pvt_session_abandon (PvtSession *session);
