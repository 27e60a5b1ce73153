/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "session.h"

#include "pvt-error.h"
#include "protocol/codec/encode.h"
#include "protocol/codec/limits.h"

#include <string.h>

void
pvt_session_init (PvtSession *session)
{
  memset (session, 0, sizeof *session);
  pvt_framer_init (&session->framer, PVT_MESSAGE_MAX);
}

void
pvt_session_clear (PvtSession *session)
{
  pvt_framer_clear (&session->framer);
  pvt_buf_clear (&session->out);
  pvt_buf_clear (&session->request);
}

static void
release_request (PvtSession *session)
{
  pvt_buf_append (&session->out, session->request.data, session->request.len);
  pvt_buf_clear (&session->request);
}

void
pvt_session_begin (PvtSession *session, const char *line, gsize len, gint64 sync_id)
{
  pvt_buf_clear (&session->request);
  pvt_buf_append (&session->request, line, len);
  session->sent = FALSE;
  if (session->synced)
    {
      release_request (session);
      return;
    }
  session->syncing = TRUE;
  session->delimited = FALSE;
  session->stale = 0;
  session->sync_id = sync_id;
  pvt_buf_append_c (&session->out, (char) 0xff);
  PVT_BUF_APPEND_LITERAL (&session->out,
                          "{\"execute\": \"guest-sync-delimited\", \"arguments\": {\"id\": ");
  pvt_encode_i64 (&session->out, sync_id);
  PVT_BUF_APPEND_LITERAL (&session->out, "}}\n");
}

gboolean
pvt_session_output (const PvtSession *session, const char **data, gsize *len)
{
  *data = session->out.data;
  *len = session->out.len;
  return session->out.len > 0;
}

void
pvt_session_wrote (PvtSession *session, gsize n)
{
  pvt_buf_consume (&session->out, n);
  if (session->out.len > 0)
    return;
  pvt_buf_empty (&session->out, PVT_FRAMER_RESTING);
  session->sent = !session->syncing;
}

gboolean
pvt_session_request_sent (const PvtSession *session)
{
  return session->sent;
}

char *
pvt_session_reserve (PvtSession *session, gsize n)
{
  return pvt_framer_reserve (&session->framer, n);
}

void
pvt_session_received (PvtSession *session, gsize n)
{
  pvt_framer_commit (&session->framer, n);
}

static PvtSessionEvent
broken (PvtSession *session, GError **error, const char *what)
{
  g_set_error (error, PVT_CLIENT_ERROR, PVT_CLIENT_ERROR_PROTOCOL,
               "the agent does not speak the protocol: %s", what);
  pvt_session_abandon (session);
  return PVT_SESSION_FAILED;
}

/* Whether this message is the sync we wait for. */
static gboolean
is_our_sync (const PvtSession *session, const PvtFrame *frame)
{
  PvtReply reply;
  PvtBuf wanted = { NULL, 0, 0 };
  gboolean same = FALSE;

  if (!session->delimited || !pvt_reply_parse (frame->data, frame->len, &reply, NULL))
    return FALSE;
  pvt_encode_i64 (&wanted, session->sync_id);
  if (reply.result.data)
    same = reply.result.len == wanted.len
           && memcmp (reply.result.data, wanted.data, wanted.len) == 0;
  g_clear_error (&reply.error);
  pvt_buf_clear (&wanted);
  return same;
}

/* While syncing everything but the sync is passed over. */
static PvtSessionEvent
sync_frame (PvtSession *session, const PvtFrame *frame, GError **error)
{
  if (frame->kind == PVT_FRAME_RESET)
    {
      session->delimited = TRUE;
      return PVT_SESSION_WAIT;
    }
  if (frame->kind == PVT_FRAME_MESSAGE && is_our_sync (session, frame))
    {
      session->synced = TRUE;
      session->syncing = FALSE;
      release_request (session);
      return PVT_SESSION_WAIT;
    }
  session->delimited = FALSE;
  if (++session->stale > PVT_SESSION_MAX_STALE)
    return broken (session, error, "it sends without end and never answers a sync");
  return PVT_SESSION_WAIT;
}

static PvtSessionEvent
reply_frame (PvtSession *session, const PvtFrame *frame, PvtReply *reply, GError **error)
{
  if (frame->kind == PVT_FRAME_RESET)
    return PVT_SESSION_WAIT;
  if (frame->kind == PVT_FRAME_BAD)
    return broken (session, error, frame->error);
  if (!pvt_reply_parse (frame->data, frame->len, reply, NULL))
    return broken (session, error, "a message that is neither a return nor an error");
  session->sent = FALSE;
  return PVT_SESSION_REPLY;
}

PvtSessionEvent
pvt_session_next (PvtSession *session, PvtReply *reply, GError **error)
{
  PvtSessionEvent event = PVT_SESSION_WAIT;
  PvtFrame frame;

  while (event == PVT_SESSION_WAIT && pvt_framer_next (&session->framer, &frame) != PVT_FRAME_NONE)
    {
      if (session->syncing)
        event = sync_frame (session, &frame, error);
      else if (session->sent)
        event = reply_frame (session, &frame, reply, error);
      /* What comes unasked is nobody's. */
    }
  return event;
}

void
pvt_session_abandon (PvtSession *session)
{
  session->synced = session->syncing = session->sent = FALSE;
  pvt_buf_clear (&session->request);
  /* Half a line that went out already is cut off by the next sync's 0xFF. */
  pvt_buf_clear (&session->out);
}
