/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "reply.h"

#include "pvt-agent-error.h"
#include "protocol/codec/decode.h"
#include "protocol/codec/guard.h"
#include "protocol/codec/encode.h"

#define IS(key, text) pvt_slice_equals ((key), (text), sizeof (text) - 1)

static void
finish (PvtBuf *out, PvtSlice id)
{
  if (id.data)
    {
      PVT_BUF_APPEND_LITERAL (out, ", \"id\": ");
      /* A raw value may span lines; a reply may not. Between tokens any
       * white space will do, and strings hold no raw newline. */
      for (gsize i = 0; i < id.len; i++)
        pvt_buf_append_c (out, id.data[i] == '\n' || id.data[i] == '\r' ? ' ' : id.data[i]);
    }
  PVT_BUF_APPEND_LITERAL (out, "}\n");
}

void
pvt_reply_write (PvtBuf *out, const PvtField *returns, gconstpointer result, PvtSlice id)
{
  PVT_BUF_APPEND_LITERAL (out, "{\"return\": ");
  if (returns)
    pvt_encode_field (out, returns, result);
  else
    PVT_BUF_APPEND_LITERAL (out, "{}");
  finish (out, id);
}

void
pvt_reply_write_error (PvtBuf *out, const GError *error, PvtSlice id)
{
  PVT_BUF_APPEND_LITERAL (out, "{\"error\": {\"class\": ");
  pvt_encode_string (out, pvt_agent_error_class (error));
  PVT_BUF_APPEND_LITERAL (out, ", \"desc\": ");
  pvt_encode_string (out, error->message);
  pvt_buf_append_c (out, '}');
  finish (out, id);
}

static char *
take_text (PvtCursor *cursor)
{
  PvtSlice slice;

  if (pvt_cursor_peek (cursor) == PVT_JSON_STRING)
    return pvt_slice_unescape (pvt_cursor_string (cursor), NULL);
  slice = pvt_cursor_skip (cursor);
  return g_strndup (slice.data, slice.len);
}

static GError *
take_error (PvtCursor *cursor)
{
  g_autofree char *error_class = NULL, *desc = NULL;
  PvtSlice key;

  if (pvt_cursor_peek (cursor) != PVT_JSON_OBJECT)
    desc = take_text (cursor);
  else
    {
      pvt_cursor_enter (cursor);
      while (pvt_cursor_member (cursor, &key))
        {
          char **slot = IS (key, "class") ? &error_class : IS (key, "desc") ? &desc : NULL;

          if (slot && *slot == NULL)
            *slot = take_text (cursor);
          else
            pvt_cursor_skip (cursor);
        }
    }
  return g_error_new_literal (PVT_AGENT_ERROR,
                              (gint) pvt_agent_error_from_class (error_class ? error_class : ""),
                              desc ? desc : error_class ? error_class : "unknown error");
}

gboolean
pvt_reply_parse (const char *message, gsize len, PvtReply *reply, GError **error)
{
  PvtReply found = { { NULL, 0 }, NULL };
  PvtCursor cursor;
  PvtSlice key;

  pvt_cursor_init (&cursor, message, len);
  pvt_cursor_enter (&cursor);
  while (pvt_cursor_member (&cursor, &key))
    {
      if (IS (key, "return") && found.result.data == NULL)
        found.result = pvt_cursor_skip (&cursor);
      else if (IS (key, "error") && found.error == NULL)
        found.error = take_error (&cursor);
      else
        pvt_cursor_skip (&cursor);
    }
  if (found.result.data && found.error)
    {
      g_clear_error (&found.error);
      found.result.data = NULL;
    }
  if (found.result.data == NULL && found.error == NULL)
    {
      g_set_error_literal (error, PVT_AGENT_ERROR, PVT_AGENT_ERROR_OTHER,
                           "the message is neither a return nor an error");
      return FALSE;
    }
  *reply = found;
  return TRUE;
}

gboolean
pvt_decode_untrusted (const char *text, gsize len, const PvtType *type, gpointer object)
{
  PvtCursor cursor;
  PvtGuard guard;
  gsize used;

  pvt_guard_init (&guard);
  if (len == 0 || pvt_guard_feed (&guard, text, len, &used) != PVT_GUARD_DONE || used != len)
    return FALSE;
  pvt_cursor_init (&cursor, text, len);
  return pvt_decode_object (&cursor, type, PVT_DECODE_LENIENT, object, NULL);
}
