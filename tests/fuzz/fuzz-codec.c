/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Guard, envelope and decoders on the same bytes; what is encoded again is valid. */
#include "fuzz.h"

#include "protocol/codec/decode.h"
#include "protocol/codec/encode.h"
#include "protocol/codec/guard.h"
#include "protocol/codec/object.h"
#include "protocol/message/reply.h"
#include "pvt-commands.h"

static void
check_valid (const PvtBuf *buf)
{
  PvtGuard guard;
  gsize consumed;

  pvt_guard_init (&guard);
  g_assert_cmpint (pvt_guard_feed (&guard, "{\"x\":", 5, &consumed), ==, PVT_GUARD_MORE);
  g_assert_cmpint (pvt_guard_feed (&guard, buf->data, buf->len, &consumed), ==, PVT_GUARD_MORE);
  g_assert_cmpint (pvt_guard_feed (&guard, "}", 1, &consumed), ==, PVT_GUARD_DONE);
}

static void
try_args (const PvtCommandInfo *info, PvtSlice text)
{
  gpointer args = g_malloc0 (info->args->size);
  PvtBuf out = { NULL, 0, 0 };
  PvtCursor cursor;

  pvt_cursor_init (&cursor, text.data, text.len);
  if (pvt_decode_object (&cursor, info->args, PVT_DECODE_STRICT, args, NULL))
    {
      pvt_encode_object (&out, info->args, args);
      check_valid (&out);
    }
  pvt_object_free (info->args, args);
  pvt_buf_clear (&out);
}

static void
try_return (const PvtCommandInfo *info, PvtSlice text)
{
  gpointer value[2] = { NULL, NULL };
  PvtBuf out = { NULL, 0, 0 };
  PvtCursor cursor;

  pvt_cursor_init (&cursor, text.data, text.len);
  if (pvt_decode_field (&cursor, info->returns, PVT_DECODE_LENIENT, value, NULL))
    {
      pvt_encode_field (&out, info->returns, value);
      check_valid (&out);
    }
  pvt_field_clear (info->returns, value);
  pvt_buf_clear (&out);
}

static void
try_request (const char *text, gsize len)
{
  PvtRequest request;

  if (!pvt_request_parse (text, len, &request, NULL) || request.arguments.data == NULL)
    return;
  for (guint i = 0; i < pvt_n_command_infos; i++)
    if (pvt_command_infos[i].args)
      try_args (&pvt_command_infos[i], request.arguments);
}

static void
try_reply (const char *text, gsize len)
{
  PvtReply reply;

  if (!pvt_reply_parse (text, len, &reply, NULL))
    return;
  for (guint i = 0; reply.result.data && i < pvt_n_command_infos; i++)
    if (pvt_command_infos[i].returns)
      try_return (&pvt_command_infos[i], reply.result);
  g_clear_error (&reply.error);
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  /* A copy of exact size, so that one byte too far is seen. */
  g_autofree char *text = g_memdup2 (data, size);
  PvtGuard guard;
  gsize consumed;

  pvt_guard_init (&guard);
  if (size == 0 || pvt_guard_feed (&guard, text, size, &consumed) != PVT_GUARD_DONE)
    return 0;
  try_request (text, consumed);
  try_reply (text, consumed);
  return 0;
}
