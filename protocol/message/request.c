/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "request.h"

#include "pvt-agent-error.h"
#include "protocol/codec/encode.h"

#include <string.h>

#define IS(key, text) pvt_slice_equals ((key), (text), sizeof (text) - 1)

static gboolean
fail (GError **error, const char *why)
{
  g_set_error_literal (error, PVT_AGENT_ERROR, PVT_AGENT_ERROR_GENERIC, why);
  return FALSE;
}

static gboolean
take_name (PvtCursor *cursor, PvtRequest *request, GError **error)
{
  g_autofree char *name = NULL;
  PvtSlice slice;
  gsize len;

  if (pvt_cursor_peek (cursor) != PVT_JSON_STRING)
    return fail (error, "'execute' must be a string");
  slice = pvt_cursor_string (cursor);
  name = pvt_slice_unescape (slice, &len);
  if (len == 0 || len > PVT_COMMAND_NAME_MAX)
    {
      g_set_error (error, PVT_AGENT_ERROR, PVT_AGENT_ERROR_COMMAND_NOT_FOUND,
                   "The command %.40s... has not been found", name);
      return FALSE;
    }
  memcpy (request->name, name, len + 1);
  return TRUE;
}

static gboolean
take_id (PvtCursor *cursor, PvtRequest *request, GError **error)
{
  PvtSlice id = pvt_cursor_skip (cursor);

  if (id.len > PVT_REQUEST_ID_MAX)
    return fail (error, "'id' is longer than 1024 bytes");
  request->id = id;
  return TRUE;
}

static gboolean
take_arguments (PvtCursor *cursor, PvtRequest *request, GError **error)
{
  if (pvt_cursor_peek (cursor) != PVT_JSON_OBJECT)
    {
      pvt_cursor_skip (cursor);
      return fail (error, "'arguments' must be an object");
    }
  request->arguments = pvt_cursor_skip (cursor);
  return TRUE;
}

static gboolean
take_deadline (PvtCursor *cursor, PvtRequest *request, GError **error)
{
  PvtSlice text = pvt_cursor_skip (cursor);
  guint64 ms = 0;

  for (gsize i = 0; i < text.len && ms <= PVT_REQUEST_DEADLINE_MAX_MS; i++)
    ms = g_ascii_isdigit (text.data[i]) ? ms * 10 + (guint64) (text.data[i] - '0') : G_MAXUINT32;
  if (ms == 0 || ms > PVT_REQUEST_DEADLINE_MAX_MS)
    return fail (error, "'deadline-ms' must be an integer from 1 to 86400000");
  request->deadline_ms = (guint) ms;
  return TRUE;
}

/* One member of the envelope. Errors do not stop the walk: the id may follow. */
static void
take_member (PvtCursor *cursor, PvtSlice key, PvtRequest *request, GError **error)
{
  GError **first = error && *error ? NULL : error;

  if (IS (key, "execute") && request->name[0] == '\0' && pvt_cursor_peek (cursor) == PVT_JSON_STRING)
    take_name (cursor, request, first);
  else if (IS (key, "arguments") && request->arguments.data == NULL)
    take_arguments (cursor, request, first);
  else if (IS (key, "id") && request->id.data == NULL)
    take_id (cursor, request, first);
  else if (IS (key, "deadline-ms") && request->deadline_ms == 0)
    take_deadline (cursor, request, first);
  else
    {
      if (IS (key, "execute") && request->name[0] == '\0')
        fail (first, "'execute' must be a string");
      else if (IS (key, "exec-oob"))
        fail (first, "Out-of-band execution ('exec-oob') is not supported");
      else
        g_set_error (first, PVT_AGENT_ERROR, PVT_AGENT_ERROR_GENERIC,
                     "Unexpected member '%.*s' in the request", (int) MIN (key.len, 60), key.data);
      pvt_cursor_skip (cursor);
    }
}

gboolean
pvt_request_parse (const char *message, gsize len, PvtRequest *request, GError **error)
{
  g_autoptr (GError) first = NULL;
  PvtCursor cursor;
  PvtSlice key;

  request->name[0] = '\0';
  request->arguments = request->id = (PvtSlice){ NULL, 0 };
  request->deadline_ms = 0;
  pvt_cursor_init (&cursor, message, len);
  pvt_cursor_enter (&cursor);
  while (pvt_cursor_member (&cursor, &key))
    take_member (&cursor, key, request, &first);
  if (first == NULL && request->name[0] == '\0')
    fail (&first, "The request has no 'execute'");
  if (first == NULL)
    return TRUE;
  g_propagate_error (error, g_steal_pointer (&first));
  return FALSE;
}

static void
write_open (PvtBuf *out, const char *name, const PvtType *args_type, gconstpointer args)
{
  PVT_BUF_APPEND_LITERAL (out, "{\"execute\": ");
  pvt_encode_string (out, name);
  if (args_type)
    {
      PVT_BUF_APPEND_LITERAL (out, ", \"arguments\": ");
      pvt_encode_object (out, args_type, args);
    }
}

void
pvt_request_write (PvtBuf *out, const char *name, const PvtType *args_type, gconstpointer args)
{
  write_open (out, name, args_type, args);
  PVT_BUF_APPEND_LITERAL (out, "}\n");
}

void
pvt_request_write_extended (PvtBuf *out, const char *name, const PvtType *args_type,
                            gconstpointer args, guint deadline_ms)
{
  char text[48];

  write_open (out, name, args_type, args);
  if (deadline_ms)
    {
      g_snprintf (text, sizeof text, ", \"deadline-ms\": %u",
                  MIN (deadline_ms, PVT_REQUEST_DEADLINE_MAX_MS));
      pvt_buf_append_str (out, text);
    }
  pvt_buf_append_c (out, '}');
}
