/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "extended.h"

#include "address.h"
#include "channel-of-qemu.h"
#include "protocol/codec/decode.h"
#include "protocol/codec/guard.h"
#include "protocol/codec/limits.h"
#include "protocol/message/reply.h"
#include "protocol/transport/transport.h"
#include "pvt-error.h"
#include "pvt-types.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define READ_SIZE (256 * 1024)

/* How long the greeting waits before it is assumed that a packet of the last
 * client is unfinished, and is ended with padding. */
#define GREET_MS 700

/* How long an agent that speaks the plain dialect is listened to. */
#define HEAR_OUT_MS 150
#define HEAR_OUT_READS 64

typedef struct
{
  const PvtExtendedOps *ops;
  gpointer user_data;
  gint64 window;        /* bytes that we may send */
  gsize consumed[3];    /* by channel, not told yet */
} Stream;

struct _PvtExtended
{
  int fd;
  PvtPacketParser parser;
  PvtBuf out;
  gsize out_done;
  char *version;
  char *nonce;
  gboolean knows_deadlines;
  guint32 window, last_id;
  GHashTable *streams; /* id -> Stream */
  /* the answer that is waited for */
  PvtPacketType awaited;
  guint32 awaited_id;
  PvtBuf answer;
  gboolean answered;
  char *failure; /* the guest broke the protocol */
};

static gboolean
fail (GError **error, PvtClientError code, const char *what)
{
  g_set_error_literal (error, PVT_CLIENT_ERROR, (int) code, what);
  return FALSE;
}

/* ---- bytes ---- */

int
pvt_extended_fd (const PvtExtended *extended)
{
  return extended->fd;
}

gsize
pvt_extended_unsent (const PvtExtended *extended)
{
  return extended->out.len - extended->out_done;
}

gboolean
pvt_extended_wants_write (const PvtExtended *extended)
{
  return pvt_extended_unsent (extended) > 0;
}

static gboolean
write_out (PvtExtended *extended)
{
  while (pvt_extended_wants_write (extended))
    {
      /* No SIGPIPE for whoever uses the library. */
      gssize n = send (extended->fd, extended->out.data + extended->out_done,
                       pvt_extended_unsent (extended), MSG_NOSIGNAL);

      if (n < 0 && errno == EINTR)
        continue;
      if (n < 0)
        return errno == EAGAIN;
      extended->out_done += (gsize) n;
    }
  return TRUE;
}

static gboolean
flush (PvtExtended *extended)
{
  gboolean ok = write_out (extended);

  pvt_buf_settle (&extended->out, &extended->out_done, READ_SIZE);
  return ok;
}

/* ---- packets ---- */

/* The answer to the greeting of a client that has left meanwhile: a port of the
 * hypervisor gives it to whoever comes next, and both count their requests from one. */
static gboolean
is_to_another (const PvtExtended *extended, const PvtPacket *packet)
{
  static const char member[] = "\"nonce\"";

  return packet->type == PVT_PACKET_HELLO && extended->nonce
         && memmem (packet->data, packet->len, member, strlen (member)) != NULL
         && memmem (packet->data, packet->len, extended->nonce, strlen (extended->nonce)) == NULL;
}

/* Answers come in parts; the last one is not full. */
static void
take_answer (PvtExtended *extended, const PvtPacket *packet)
{
  if (packet->type != extended->awaited || packet->id != extended->awaited_id || extended->answered
      || is_to_another (extended, packet))
    return; /* to a request that nobody waits for any more */
  if (extended->answer.len + packet->len > PVT_MESSAGE_MAX)
    extended->failure = g_strdup ("the guest's answer is larger than any may be");
  else
    pvt_buf_append (&extended->answer, packet->data, packet->len);
  extended->answered = packet->len < PVT_PACKET_MAX;
}

static void
take_stream_packet (PvtExtended *extended, const PvtPacket *packet)
{
  Stream *stream = g_hash_table_lookup (extended->streams, GUINT_TO_POINTER (packet->id));
  guint32 bytes;

  if (stream == NULL)
    return;
  if (packet->type == PVT_PACKET_DATA && packet->channel >= 1)
    stream->ops->data (packet->channel, packet->data, packet->len, stream->user_data);
  else if (packet->type == PVT_PACKET_WINDOW && packet->len == sizeof bytes)
    {
      memcpy (&bytes, packet->data, sizeof bytes);
      stream->window = MIN (stream->window + GUINT32_FROM_LE (bytes), PVT_STREAM_WINDOW * 4);
    }
  else if (packet->type == PVT_PACKET_END)
    {
      stream->ops->end (packet->data, packet->len, stream->user_data);
      g_hash_table_remove (extended->streams, GUINT_TO_POINTER (packet->id));
    }
}

/* An agent on its plain channel answers a greeting with an error, in text. An error in a
 * packet is a late one, for a client that has left: its header ends with the uppermost byte
 * of a length that is never that large, a NUL, which no text has. */
static gboolean
is_plain (const PvtExtended *extended)
{
  static const char mark[] = "{\"error\"";
  const char *begin = extended->parser.buf.data, *end = begin + extended->parser.buf.len, *p = begin;

  if (extended->version || extended->parser.buf.len == 0)
    return FALSE;
  for (; (p = memmem (p, (gsize) (end - p), mark, strlen (mark))); p++)
    if (p == begin || p[-1] != '\0')
      return TRUE;
  return FALSE;
}

static void
take_packets (PvtExtended *extended)
{
  PvtPacket packet;

  while (extended->failure == NULL)
    {
      switch (pvt_packet_next (&extended->parser, &packet))
        {
        case PVT_PACKET_READY:
          if (packet.type == PVT_PACKET_REPLY || packet.type == PVT_PACKET_HELLO)
            take_answer (extended, &packet);
          else
            take_stream_packet (extended, &packet);
          break;
        case PVT_PACKET_BAD:
          /* Before the greeting's answer: an older client's left-overs. */
          if (extended->version)
            extended->failure = g_strdup ("the guest sent bytes that are no packet");
          break;
        case PVT_PACKET_NONE:
        default:
          return;
        }
    }
}

gboolean
pvt_extended_process (PvtExtended *extended, GError **error)
{
  char *room;
  gssize n;

  if (!flush (extended))
    return fail (error, PVT_CLIENT_ERROR_DISCONNECTED, "the other side hung up");
  room = pvt_packet_reserve (&extended->parser, READ_SIZE);
  n = read (extended->fd, room, READ_SIZE);
  if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
    return fail (error, PVT_CLIENT_ERROR_DISCONNECTED, "the other side hung up");
  if (n > 0)
    {
      pvt_packet_commit (&extended->parser, (gsize) n);
      if (is_plain (extended))
        return fail (error, PVT_CLIENT_ERROR_UNSUPPORTED,
                     "the other side speaks qemu-ga's dialect, not the extended one");
      take_packets (extended);
    }
  if (extended->failure)
    return fail (error, PVT_CLIENT_ERROR_PROTOCOL, extended->failure);
  /* What the ops have asked to send. */
  return flush (extended) || fail (error, PVT_CLIENT_ERROR_DISCONNECTED, "the other side hung up");
}

/* FALSE without @error when the time is over. */
static gboolean
await_answer (PvtExtended *extended, int timeout_ms, GError **error)
{
  gint64 end = g_get_monotonic_time () + (gint64) timeout_ms * 1000;

  while (!extended->answered)
    {
      gint64 left = (end - g_get_monotonic_time ()) / 1000;
      struct pollfd pfd = { .fd = extended->fd, .events = POLLIN };

      if (pvt_extended_wants_write (extended))
        pfd.events |= POLLOUT;
      if (left <= 0 || (poll (&pfd, 1, (int) MIN (left, G_MAXINT)) < 0 && errno != EINTR))
        return FALSE;
      if (!pvt_extended_process (extended, error))
        return FALSE;
    }
  return TRUE;
}

/* ---- requests ---- */

static void
send_request (PvtExtended *extended, PvtPacketType type, guint32 id, const PvtCommandInfo *info,
              gconstpointer args, guint deadline_ms)
{
  PvtBuf text = { 0 };

  pvt_request_write_extended (&text, info->name, info->args, args, deadline_ms);
  pvt_packet_append (&extended->out, type, 0, id, text.data, MIN (text.len, PVT_PACKET_MAX));
  pvt_buf_clear (&text);
  extended->awaited = type == PVT_PACKET_HELLO ? PVT_PACKET_HELLO : PVT_PACKET_REPLY;
  extended->awaited_id = id;
  extended->answered = FALSE;
  pvt_buf_empty (&extended->answer, READ_SIZE);
}

static gboolean
check_text (const PvtBuf *text)
{
  PvtGuard guard;
  gsize used;

  pvt_guard_init (&guard);
  if (pvt_guard_feed (&guard, text->data, text->len, &used) != PVT_GUARD_DONE)
    return FALSE;
  while (used < text->len && text->data[used] == '\n')
    used++;
  return used == text->len;
}

static gboolean
decode_answer (PvtExtended *extended, const PvtCommandInfo *info, gpointer result, GError **error)
{
  PvtReply reply = { 0 };
  PvtCursor cursor;

  if (extended->answer.len == 0 || !check_text (&extended->answer)
      || !pvt_reply_parse (extended->answer.data, extended->answer.len, &reply, NULL))
    return fail (error, PVT_CLIENT_ERROR_PROTOCOL, "the guest's answer is not understood");
  if (reply.error)
    {
      g_propagate_error (error, reply.error);
      return FALSE;
    }
  if (info->returns == NULL)
    return TRUE;
  pvt_cursor_init (&cursor, reply.result.data, reply.result.len);
  return pvt_decode_field (&cursor, info->returns, PVT_DECODE_LENIENT, result, NULL)
         || fail (error, PVT_CLIENT_ERROR_PROTOCOL, "the guest's answer is not understood");
}

gboolean
pvt_extended_call (PvtExtended *extended, const PvtCommandInfo *info, gconstpointer args,
                   gpointer result, int timeout_ms, const PvtExtendedOps *ops, gpointer user_data,
                   guint32 *id, GError **error)
{
  guint32 number = ++extended->last_id;
  GError *failure = NULL;

  /* Before the request: the stream's first data comes right behind the reply. */
  if (ops)
    {
      Stream *stream = g_new0 (Stream, 1);

      *stream = (Stream){ ops, user_data, extended->window, { 0, 0, 0 } };
      g_hash_table_insert (extended->streams, GUINT_TO_POINTER (number), stream);
    }
  if (id)
    *id = number;
  /* The guest then gives up when we do. */
  send_request (extended, PVT_PACKET_REQUEST, number, info, args,
                extended->knows_deadlines ? (guint) MAX (timeout_ms, 0) : 0);
  if (await_answer (extended, timeout_ms, &failure) && decode_answer (extended, info, result, &failure))
    return TRUE;
  if (ops)
    g_hash_table_remove (extended->streams, GUINT_TO_POINTER (number));
  if (failure)
    g_propagate_error (error, failure);
  else
    {
      pvt_packet_append (&extended->out, PVT_PACKET_CANCEL, 0, number, NULL, 0);
      flush (extended);
      g_set_error (error, PVT_CLIENT_ERROR, PVT_CLIENT_ERROR_TIMEOUT_AFTER_SENT,
                   "%s was not answered within %d ms", info->name, timeout_ms);
    }
  return FALSE;
}

/* ---- streams ---- */

gsize
pvt_extended_window (const PvtExtended *extended, guint32 id)
{
  const Stream *stream = g_hash_table_lookup (extended->streams, GUINT_TO_POINTER (id));

  return stream && stream->window > 0 ? (gsize) stream->window : 0;
}

void
pvt_extended_send (PvtExtended *extended, guint32 id, const char *data, gsize len)
{
  Stream *stream = g_hash_table_lookup (extended->streams, GUINT_TO_POINTER (id));
  gsize part;

  if (stream == NULL)
    return;
  stream->window -= (gint64) len;
  do
    {
      part = MIN (len, PVT_PACKET_MAX);
      pvt_packet_append (&extended->out, PVT_PACKET_DATA, 0, id, data, part);
      data += part;
      len -= part;
    }
  while (len > 0);
}

void
pvt_extended_consumed (PvtExtended *extended, guint32 id, guint channel, gsize bytes)
{
  Stream *stream = g_hash_table_lookup (extended->streams, GUINT_TO_POINTER (id));
  guint32 step;

  if (stream == NULL || channel > 2)
    return;
  stream->consumed[channel] += bytes;
  /* In steps: a packet for each read would cost more than the data. */
  if (stream->consumed[channel] < extended->window / 4)
    return;
  step = GUINT32_TO_LE ((guint32) stream->consumed[channel]);
  stream->consumed[channel] = 0;
  pvt_packet_append (&extended->out, PVT_PACKET_WINDOW, (guint8) channel, id, &step, sizeof step);
}

void
pvt_extended_control (PvtExtended *extended, guint32 id, int signal_number, guint rows,
                      guint columns)
{
  g_autofree char *text
      = signal_number ? g_strdup_printf ("{\"signal\": %d}", signal_number)
                      : g_strdup_printf ("{\"rows\": %u, \"columns\": %u}", rows, columns);

  pvt_packet_append (&extended->out, PVT_PACKET_CONTROL, 0, id, text, strlen (text));
}

/* ---- opening ---- */

static int
connect_to (const char *text, int timeout_ms, GError **error)
{
  g_autofree char *path = NULL;
  PvtAddress address;

  if (!pvt_address_parse (text, &address, error))
    return -1;
  switch (address.kind)
    {
    case PVT_ADDRESS_UNIX:
      return pvt_transport_connect_unix (address.rest, error);
    case PVT_ADDRESS_VSOCK:
      return pvt_transport_connect_vsock (address.cid, address.port, error);
    case PVT_ADDRESS_VSOCK_MUX:
      return pvt_vsock_mux_connect (address.path, address.port, timeout_ms, error);
    case PVT_ADDRESS_QEMU:
      path = pvt_channel_of_qemu (address.rest, PVT_EXTENDED_PORT, timeout_ms, NULL, error);
      return path ? pvt_transport_connect_unix (path, error) : -1;
    case PVT_ADDRESS_LIBVIRT:
    default:
      fail (error, PVT_CLIENT_ERROR_UNSUPPORTED,
            "libvirt passes on the agent's plain channel only; name the socket of the port "
            PVT_EXTENDED_PORT);
      return -1;
    }
}

static void
greet (PvtExtended *extended, gsize padding)
{
  PvtHelloArgs args = { .protocol = 1 };

  g_free (extended->nonce);
  extended->nonce = g_strdup_printf ("%08x%08x", g_random_int (), g_random_int ());
  args.nonce = extended->nonce;
  memset (pvt_buf_reserve (&extended->out, padding), 0xff, padding);
  extended->out.len += padding;
  send_request (extended, PVT_PACKET_HELLO, ++extended->last_id,
                &pvt_command_infos[PVT_COMMAND_PVT_HELLO], &args, 0);
}

static gboolean
take_greeting (PvtExtended *extended, GError **error)
{
  PvtHello *hello = NULL;
  gboolean ok;

  if (!decode_answer (extended, &pvt_command_infos[PVT_COMMAND_PVT_HELLO], &hello, error))
    return FALSE;
  extended->version = g_strdup (hello->version);
  extended->window = CLAMP (hello->window, 4096, PVT_STREAM_WINDOW * 4);
  extended->knows_deadlines
      = hello->features && g_strv_contains ((const char *const *) hello->features, "deadline");
  ok = g_strcmp0 (hello->nonce, extended->nonce) == 0;
  pvt_hello_free (hello);
  return ok || fail (error, PVT_CLIENT_ERROR_PROTOCOL, "the guest answers another greeting");
}

static gboolean
negotiate (PvtExtended *extended, int timeout_ms, GError **error)
{
  int first = MIN (GREET_MS, timeout_ms / 2 + 1);
  GError *failure = NULL;
  gboolean ok;

  greet (extended, PVT_PACKET_SYNC);
  ok = await_answer (extended, first, &failure);
  if (!ok && failure == NULL)
    {
      greet (extended, PVT_PACKET_MAX + PVT_PACKET_SYNC + PVT_PACKET_HEADER);
      ok = await_answer (extended, timeout_ms - first, &failure);
    }
  if (ok)
    return take_greeting (extended, error);
  if (failure)
    g_propagate_error (error, failure);
  else
    g_set_error (error, PVT_CLIENT_ERROR, PVT_CLIENT_ERROR_TIMEOUT_BEFORE_SENT,
                 "no answer to the greeting within %d ms", timeout_ms);
  return FALSE;
}

/* An agent of the plain dialect answers the greeting with an error, or with
 * several. qemu-ga on a unix socket ends when it cannot write one of them: the
 * connection stays until it has said all. */
static void
hear_out (PvtExtended *extended)
{
  char chunk[1024];

  for (guint i = 0; i < HEAR_OUT_READS; i++)
    {
      struct pollfd pfd = { .fd = extended->fd, .events = POLLIN };

      if (poll (&pfd, 1, HEAR_OUT_MS) <= 0 || read (extended->fd, chunk, sizeof chunk) <= 0)
        return;
    }
}

PvtExtended *
pvt_extended_open (const char *address, int timeout_ms, GError **error)
{
  int fd = connect_to (address, timeout_ms, error);
  PvtExtended *extended;
  GError *failure = NULL;

  if (fd < 0)
    {
      if (error && *error && (*error)->domain == G_FILE_ERROR)
        {
          (*error)->domain = PVT_CLIENT_ERROR;
          (*error)->code = PVT_CLIENT_ERROR_NOT_CONNECTED;
        }
      return NULL;
    }
  extended = g_new0 (PvtExtended, 1);
  extended->fd = fd;
  extended->window = PVT_STREAM_WINDOW;
  extended->streams = g_hash_table_new_full (NULL, NULL, NULL, g_free);
  pvt_packet_parser_init (&extended->parser, TRUE);
  if (negotiate (extended, timeout_ms, &failure))
    return extended;
  if (g_error_matches (failure, PVT_CLIENT_ERROR, PVT_CLIENT_ERROR_UNSUPPORTED))
    hear_out (extended);
  g_propagate_error (error, failure);
  pvt_extended_close (extended);
  return NULL;
}

void
pvt_extended_close (PvtExtended *extended)
{
  if (extended == NULL)
    return;
  close (extended->fd);
  g_hash_table_unref (extended->streams);
  pvt_packet_parser_clear (&extended->parser);
  pvt_buf_clear (&extended->out);
  pvt_buf_clear (&extended->answer);
  g_free (extended->version);
  g_free (extended->nonce);
  g_free (extended->failure);
  g_free (extended);
}

const char *
pvt_extended_version (const PvtExtended *extended)
{
  return extended->version;
}
