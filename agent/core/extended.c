/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The extended dialect: packets (protocol/frame/packet.h), many requests at a
 * time, answered as they are done, and streams beside them.
 *
 * Everything begins with HELLO, which also ends all that the last client had
 * under way: on a port of the hypervisor nothing else tells that another
 * program is there.
 */
#include "dialect.h"

#include "agent/lifecycle/disruption.h"
#include "dispatch.h"
#include "log.h"
#include "protocol/codec/guard.h"
#include "protocol/frame/packet.h"
#include "protocol/message/reply.h"
#include "stream.h"

#define READ_SIZE (64 * 1024)

/* Requests and streams of one client at a time. */
#define MAX_CALLS 64

typedef struct
{
  PvtChannel *channel;
  PvtPacketParser parser;
  gboolean greeted;
  GHashTable *calls; /* id -> Call */
  gsize starved;     /* a stream waits until less than this waits in the channel; 0: none */
} Extended;

typedef struct
{
  Extended *owner;
  guint32 id;
  PvtJob *job;       /* NULL once answered */
  PvtStream *stream; /* NULL when the command needs none */
} Call;

/* ---- answers ---- */

/* An answer may be larger than a packet: it is cut, and the last part is the
 * one that is not full. */
static void
send_text (Extended *extended, PvtPacketType type, guint32 id, const char *text, gsize len)
{
  PvtBuf *out = pvt_channel_out (extended->channel);
  gsize part;

  do
    {
      part = MIN (len, PVT_PACKET_MAX);
      pvt_packet_append (out, type, 0, id, text, part);
      text += part;
      len -= part;
    }
  while (part == PVT_PACKET_MAX);
}

static void
send_reply (Extended *extended, guint32 id, PvtBuf *reply)
{
  send_text (extended, PVT_PACKET_REPLY, id, reply->data, reply->len);
  pvt_buf_clear (reply);
}

static void
send_error (Extended *extended, guint32 id, const char *why)
{
  PvtBuf reply = { 0 };

  pvt_dispatch_write_bad (pvt_channel_name (extended->channel), why, &reply);
  send_reply (extended, id, &reply);
}

/* ---- calls ---- */

/* What the channel keeps of its output buffer while streams flow. */
#define STREAMING (512 * 1024)

static void
free_call (gpointer data)
{
  Call *call = data;

  if (call->job)
    pvt_job_abandon (call->job);
  if (call->stream)
    pvt_stream_drop (call->stream);
  pvt_stream_unref (call->stream);
  if (g_hash_table_size (call->owner->calls) == 0)
    pvt_channel_keep (call->owner->channel, 0);
  g_free (call);
}

static void
stream_send (PvtPacketType type, guint8 channel, const void *data, gsize len, gpointer user_data)
{
  Call *call = user_data;

  pvt_packet_append (pvt_channel_out (call->owner->channel), type, channel, call->id, data, len);
  pvt_channel_kick (call->owner->channel);
}

static gssize
stream_forward (int fd, guint8 channel, gsize max, const char **data, gpointer user_data)
{
  Call *call = user_data;
  PvtBuf *out = pvt_channel_out (call->owner->channel);
  char *room = pvt_buf_reserve (out, PVT_PACKET_HEADER + max);
  gssize n = read (fd, room + PVT_PACKET_HEADER, max);

  if (n <= 0)
    return n;
  pvt_packet_append_header (out, PVT_PACKET_DATA, channel, call->id, (gsize) n);
  *data = out->data + out->len;
  out->len += (gsize) n;
  return n;
}

static void
stream_kick (gpointer user_data)
{
  pvt_channel_kick (((Call *) user_data)->owner->channel);
}

static gboolean
stream_has_room (gsize mark, gpointer user_data)
{
  Extended *extended = ((Call *) user_data)->owner;

  if (pvt_channel_waiting (extended->channel) < mark)
    return TRUE;
  extended->starved = MAX (extended->starved, mark);
  return FALSE;
}

static void
stream_over (gpointer user_data)
{
  Call *call = user_data;

  g_hash_table_remove (call->owner->calls, GUINT_TO_POINTER (call->id));
}

static const PvtStreamOps stream_ops = { stream_send, stream_forward, stream_kick, stream_has_room,
                                        stream_over };

static void
job_done (const PvtCall *pvt_call, gconstpointer result, const GError *error, gpointer user_data)
{
  Call *call = user_data;
  Extended *extended = call->owner;
  PvtStream *stream = call->stream;
  PvtBuf reply = { 0 };

  call->job = NULL;
  if (pvt_stream_is_attached (stream))
    pvt_channel_keep (extended->channel, STREAMING);
  pvt_dispatch_write_reply (pvt_call, result, error, NULL, &reply);
  send_reply (extended, call->id, &reply);
  if (error == NULL && pvt_stream_is_attached (stream))
    pvt_stream_begin (stream);
  else
    g_hash_table_remove (extended->calls, GUINT_TO_POINTER (call->id));
  pvt_channel_kick (extended->channel);
}

/* The guard every foreign text passes; the plain channel's framer has it built in. */
static const char *
check_text (const PvtPacket *packet)
{
  PvtGuard guard;
  gsize used;

  pvt_guard_init (&guard);
  switch (pvt_guard_feed (&guard, packet->data, packet->len, &used))
    {
    case PVT_GUARD_DONE:
      return used == packet->len ? NULL : "something follows the object";
    case PVT_GUARD_BAD:
      return guard.error;
    case PVT_GUARD_MORE:
    default:
      return "the object does not end";
    }
}

static void
begin_call (Extended *extended, const PvtPacket *packet)
{
  g_autofree char *echoed = NULL;
  const char *why = check_text (packet);
  PvtBuf reply = { 0 };
  Call *call;

  if (why == NULL && g_hash_table_contains (extended->calls, GUINT_TO_POINTER (packet->id)))
    why = "a request of that id is under way";
  if (why == NULL && g_hash_table_size (extended->calls) >= MAX_CALLS)
    why = "too many requests are under way";
  if (why)
    {
      send_error (extended, packet->id, why);
      return;
    }
  /* A conversation here may last as long as the guest. */
  pvt_disruption_glance ();
  call = g_new0 (Call, 1);
  call->owner = extended;
  call->id = packet->id;
  call->stream = pvt_stream_new (&stream_ops, call);
  call->job = pvt_dispatch_message (pvt_channel_name (extended->channel), packet->data, packet->len,
                                    call->stream, &reply, job_done, call, &echoed);
  if (call->job)
    {
      g_hash_table_insert (extended->calls, GUINT_TO_POINTER (call->id), call);
      return;
    }
  send_reply (extended, call->id, &reply);
  free_call (call);
}

/* ---- packets ---- */

static void
greet (Extended *extended, const PvtPacket *packet)
{
  g_autofree char *echoed = NULL;
  const char *why = check_text (packet);
  PvtBuf *out = pvt_channel_out (extended->channel), reply = { 0 };

  g_hash_table_remove_all (extended->calls);
  for (guint i = 0; i < PVT_PACKET_SYNC; i++)
    pvt_buf_append_c (out, (char) 0xff);
  if (why)
    pvt_dispatch_write_bad (pvt_channel_name (extended->channel), why, &reply);
  else
    pvt_dispatch_message (pvt_channel_name (extended->channel), packet->data, packet->len, NULL,
                          &reply, NULL, NULL, &echoed);
  extended->greeted = why == NULL;
  send_text (extended, PVT_PACKET_HELLO, packet->id, reply.data, reply.len);
  pvt_buf_clear (&reply);
}

/* What belongs to a stream that is over comes too late and is dropped. */
static void
stream_packet (Extended *extended, const PvtPacket *packet)
{
  Call *call = g_hash_table_lookup (extended->calls, GUINT_TO_POINTER (packet->id));
  guint32 bytes;

  if (call == NULL)
    return;
  if (packet->type == PVT_PACKET_CANCEL)
    {
      send_error (extended, packet->id, "the request was cancelled");
      g_hash_table_remove (extended->calls, GUINT_TO_POINTER (packet->id));
    }
  else if (call->job)
    return; /* a stream begins with the reply; until then it is the handler's, on its thread */
  else if (packet->type == PVT_PACKET_DATA)
    pvt_stream_data (call->stream, packet->data, packet->len);
  else if (packet->type == PVT_PACKET_CONTROL)
    pvt_stream_control (call->stream, packet->data, packet->len);
  else if (packet->type == PVT_PACKET_WINDOW && packet->len == sizeof bytes)
    {
      memcpy (&bytes, packet->data, sizeof bytes);
      pvt_stream_window (call->stream, packet->channel, GUINT32_FROM_LE (bytes));
    }
}

static void
take_packet (Extended *extended, const PvtPacket *packet)
{
  if (packet->type == PVT_PACKET_HELLO)
    greet (extended, packet);
  else if (!extended->greeted)
    pvt_log (PVT_LOG_DEBUG, "%s: a packet before the greeting", pvt_channel_name (extended->channel));
  else if (packet->type == PVT_PACKET_REQUEST)
    begin_call (extended, packet);
  else
    stream_packet (extended, packet);
}

/* ---- the dialect ---- */

static gpointer
extended_open (PvtChannel *channel)
{
  Extended *extended = g_new0 (Extended, 1);

  extended->channel = channel;
  extended->calls = g_hash_table_new_full (NULL, NULL, NULL, free_call);
  return extended;
}

static void
extended_close (gpointer state)
{
  Extended *extended = state;

  g_hash_table_unref (extended->calls);
  pvt_packet_parser_clear (&extended->parser);
  g_free (extended);
}

static char *
extended_reserve (gpointer state, gsize *size)
{
  *size = READ_SIZE;
  return pvt_packet_reserve (&((Extended *) state)->parser, READ_SIZE);
}

static void
extended_commit (gpointer state, gsize n)
{
  pvt_packet_commit (&((Extended *) state)->parser, n);
}

/* Those that have begun. A stream that is told something may end. */
static void
collect_streams (Extended *extended, GPtrArray *streams)
{
  GHashTableIter iter;
  gpointer value;

  g_hash_table_iter_init (&iter, extended->calls);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    if (((Call *) value)->job == NULL)
      g_ptr_array_add (streams, pvt_stream_ref (((Call *) value)->stream));
}

static void
wake_streams (Extended *extended)
{
  g_autoptr (GPtrArray) streams
      = g_ptr_array_new_with_free_func ((GDestroyNotify) pvt_stream_unref);

  if (g_hash_table_size (extended->calls) == 0 || !pvt_channel_has_room (extended->channel))
    return;
  extended->starved = 0;
  collect_streams (extended, streams);
  for (guint i = 0; i < streams->len; i++)
    pvt_stream_wake (streams->pdata[i]);
}

static void
extended_handle (gpointer state)
{
  Extended *extended = state;
  PvtPacket packet;

  while (pvt_channel_has_room (extended->channel))
    {
      switch (pvt_packet_next (&extended->parser, &packet))
        {
        case PVT_PACKET_READY:
          take_packet (extended, &packet);
          break;
        case PVT_PACKET_BAD:
          pvt_log (PVT_LOG_WARNING, "%s: bytes that are no packet; waiting for a greeting",
                   pvt_channel_name (extended->channel));
          extended->greeted = FALSE;
          g_hash_table_remove_all (extended->calls);
          break;
        case PVT_PACKET_NONE:
        default:
          wake_streams (extended);
          return;
        }
    }
}

/* The parser was asked until it had nothing more: only what is read can help,
 * and room for a stream. */
static gboolean
extended_pending (gpointer state)
{
  const Extended *extended = state;

  return extended->starved > 0 && pvt_channel_waiting (extended->channel) < extended->starved;
}

static gboolean
extended_may_read (gpointer state G_GNUC_UNUSED)
{
  return TRUE;
}

static void
suspend_streams (Extended *extended, gboolean suspended)
{
  g_autoptr (GPtrArray) streams
      = g_ptr_array_new_with_free_func ((GDestroyNotify) pvt_stream_unref);

  collect_streams (extended, streams);
  for (guint i = 0; i < streams->len; i++)
    pvt_stream_suspend (streams->pdata[i], suspended);
}

static void
extended_park (gpointer state)
{
  suspend_streams (state, TRUE);
}

static void
extended_resume (gpointer state)
{
  suspend_streams (state, FALSE);
}

const PvtDialect pvt_dialect_extended
    = { extended_open,   extended_close,   extended_reserve,  extended_commit,
        extended_handle, extended_pending, extended_may_read, extended_park,
        extended_resume };
