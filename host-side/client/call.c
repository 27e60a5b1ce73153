/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "call.h"

#include "client-private.h"
#include "protocol/codec/decode.h"
#include "protocol/codec/limits.h"
#include "protocol/codec/object.h"
#include "protocol/message/pvt-agent-error.h"
#include "socket-io.h"

#include <string.h>

/* A command that says nothing on success has this long to refuse. */
#define REFUSAL_MS 1500

/* The value of any return type that is not a pointer. */
typedef union
{
  gpointer pointer;
  gint64 integer;
  double number;
} Result;

static gint64
random_sync_id (void)
{
  return ((gint64) g_random_int_range (1, G_MAXINT32) << 31) | g_random_int_range (0, G_MAXINT32);
}

/* Says of a timeout whether the command can have had an effect. */
static void
explain_timeout (PvtClient *client, int timeout_ms, GError **error)
{
  gboolean sent = pvt_session_request_sent (&client->session);

  g_clear_error (error);
  if (sent)
    g_set_error (error, PVT_CLIENT_ERROR, PVT_CLIENT_ERROR_TIMEOUT_AFTER_SENT,
                 "the agent got the command and did not answer within %d ms; it may still run",
                 timeout_ms);
  else
    g_set_error (error, PVT_CLIENT_ERROR, PVT_CLIENT_ERROR_TIMEOUT_BEFORE_SENT,
                 "the agent did not answer within %d ms: it is not running, hangs or serves "
                 "somebody else; the command was not sent",
                 timeout_ms);
}

/* One step: sends and receives what can be, or waits. -1 error, 1 reply, 0 go on. */
static int
step (PvtClient *client, gint64 deadline, GCancellable *cancellable, PvtReply *reply,
      GError **error)
{
  PvtSession *session = &client->session;
  const char *data;
  gsize len;
  gboolean writing = pvt_session_output (session, &data, &len);
  gssize n;

  if (!pvt_socket_wait (client->socket, G_IO_IN | (writing ? G_IO_OUT : 0), deadline, cancellable,
                        error))
    return -1;
  if (writing)
    {
      n = pvt_socket_send_some (client->socket, data, len, error);
      if (n < 0)
        return -1;
      pvt_session_wrote (session, (gsize) n);
    }
  n = pvt_socket_receive_some (client->socket, &session->framer, error);
  if (n < 0)
    return -1;
  switch (pvt_session_next (session, reply, error))
    {
    case PVT_SESSION_REPLY:
      return 1;
    case PVT_SESSION_FAILED:
      return -1;
    case PVT_SESSION_WAIT:
    default:
      return 0;
    }
}

/* A command that powers the guest off answers by silence or by hanging up. */
static gboolean
silence_is_success (PvtClient *client, gboolean answered, const GError *error)
{
  return !answered && pvt_session_request_sent (&client->session)
         && (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT)
             || g_error_matches (error, PVT_CLIENT_ERROR, PVT_CLIENT_ERROR_DISCONNECTED));
}

static gboolean
exchange_socket (PvtClient *client, const char *line, gsize len, gboolean answered, int timeout_ms,
                 GCancellable *cancellable, PvtSlice *result, GError **error)
{
  gint64 now = g_get_monotonic_time (), deadline = now + (gint64) timeout_ms * 1000;
  GError *failure = NULL;
  PvtReply reply;
  int outcome;

  pvt_session_begin (&client->session, line, len, random_sync_id ());
  do
    {
      outcome = step (client, deadline, cancellable, &reply, &failure);
      if (!answered && outcome == 0 && pvt_session_request_sent (&client->session))
        deadline = MIN (deadline, now + REFUSAL_MS * 1000);
    }
  while (outcome == 0);
  if (outcome > 0 && reply.error == NULL)
    {
      *result = reply.result;
      return TRUE;
    }
  if (outcome > 0)
    {
      g_propagate_error (error, reply.error);
      return FALSE;
    }
  *result = (PvtSlice){ NULL, 0 };
  if (silence_is_success (client, answered, failure))
    g_clear_error (&failure);
  else if (g_error_matches (failure, G_IO_ERROR, G_IO_ERROR_TIMED_OUT))
    explain_timeout (client, timeout_ms, &failure);
  pvt_session_abandon (&client->session);
  if (failure == NULL)
    return TRUE;
  g_propagate_error (error, failure);
  return FALSE;
}

/* libvirt says of silence alone that the agent is unresponsive, as it does of an agent
 * that is not there: that one is asked for before. */
static char *
order_libvirt (PvtClient *client, const char *line, int timeout_ms, gboolean *silent, GError **error)
{
  GError *failure = NULL;
  g_autofree char *ping = pvt_libvirt_command (client->libvirt, "{\"execute\": \"guest-ping\"}", timeout_ms,
                                               &failure);
  char *reply = ping ? pvt_libvirt_command (client->libvirt, line, MIN (timeout_ms, REFUSAL_MS), &failure)
                     : NULL;

  *silent = ping && g_error_matches (failure, PVT_CLIENT_ERROR, PVT_CLIENT_ERROR_TIMEOUT_AFTER_SENT);
  if (ping == NULL && g_error_matches (failure, PVT_CLIENT_ERROR, PVT_CLIENT_ERROR_TIMEOUT_AFTER_SENT))
    failure->code = PVT_CLIENT_ERROR_TIMEOUT_BEFORE_SENT;
  if (*silent)
    g_error_free (failure);
  else if (failure)
    g_propagate_error (error, failure);
  return reply;
}

/* libvirt gives the whole reply as text: it passes the same guard. */
static gboolean
exchange_libvirt (PvtClient *client, const char *line, gboolean answered, int timeout_ms,
                  PvtSlice *result, GError **error)
{
  gboolean silent = FALSE;
  PvtGuard guard;
  PvtReply reply;
  gsize consumed, len;

  g_free (client->libvirt_reply);
  client->libvirt_reply = answered ? pvt_libvirt_command (client->libvirt, line, timeout_ms, error)
                                   : order_libvirt (client, line, timeout_ms, &silent, error);
  if (client->libvirt_reply == NULL)
    {
      *result = (PvtSlice){ NULL, 0 };
      return silent;
    }
  pvt_guard_init (&guard);
  len = strlen (client->libvirt_reply);
  if (pvt_guard_feed (&guard, client->libvirt_reply, len, &consumed) != PVT_GUARD_DONE
      || !pvt_reply_parse (client->libvirt_reply, consumed, &reply, NULL))
    {
      g_set_error_literal (error, PVT_CLIENT_ERROR, PVT_CLIENT_ERROR_PROTOCOL,
                           "libvirt passed on an answer that is no reply");
      return FALSE;
    }
  if (reply.error)
    {
      g_propagate_error (error, reply.error);
      return FALSE;
    }
  *result = reply.result;
  return TRUE;
}

gboolean
pvt_client_exchange (PvtClient *client, const char *line, gsize len, gboolean answered,
                     int timeout_ms, GCancellable *cancellable, PvtSlice *result, GError **error)
{
  timeout_ms = pvt_client_effective_timeout (client, timeout_ms);
  if (client->libvirt)
    return exchange_libvirt (client, line, answered, timeout_ms, result, error);
  if (client->socket)
    return exchange_socket (client, line, len, answered, timeout_ms, cancellable, result, error);
  g_set_error_literal (error, PVT_CLIENT_ERROR, PVT_CLIENT_ERROR_NOT_CONNECTED,
                       "the client was closed");
  return FALSE;
}

/* "Not found" of a command that we know: this agent is an older one, or another. */
static void
explain_missing (const PvtCommandInfo *info, GError **error)
{
  if (!error
      || !g_error_matches (*error, PVT_AGENT_ERROR, PVT_AGENT_ERROR_COMMAND_NOT_FOUND)
      || strstr ((*error)->message, "disabled"))
    return;
  (*error)->domain = PVT_CLIENT_ERROR;
  (*error)->code = PVT_CLIENT_ERROR_UNSUPPORTED;
  if (!info->compat)
    {
      g_free ((*error)->message);
      (*error)->message
          = g_strdup_printf ("this guest's agent has no %s: it is not pvtools-agent", info->name);
    }
}

static gboolean
decode (const PvtCommandInfo *info, PvtSlice text, Result *result, GError **error)
{
  GError *failure = NULL;
  PvtCursor cursor;

  if (info->returns == NULL || text.data == NULL)
    return TRUE;
  pvt_cursor_init (&cursor, text.data, text.len);
  if (pvt_decode_field (&cursor, info->returns, PVT_DECODE_LENIENT, result, &failure))
    return TRUE;
  g_set_error (error, PVT_CLIENT_ERROR, PVT_CLIENT_ERROR_PROTOCOL,
               "the answer to %s is not as it should be: %s", info->name, failure->message);
  g_error_free (failure);
  return FALSE;
}

static gboolean
call_in_turn (PvtClient *client, const PvtCommandInfo *info, gconstpointer args, Result *result,
              int timeout_ms, GCancellable *cancellable, GError **error)
{
  PvtBuf line = { NULL, 0, 0 };
  PvtSlice text = { NULL, 0 };
  GError *failure = NULL;
  gboolean ok;

  pvt_request_write (&line, info->name, info->args, args);
  pvt_buf_append_c (&line, '\0'); /* for libvirt, which takes text */
  ok = pvt_client_exchange (client, line.data, line.len - 1, info->success_response, timeout_ms,
                            cancellable, &text, &failure)
       && decode (info, text, result, &failure);
  pvt_buf_clear (&line);
  if (ok)
    return TRUE;
  explain_missing (info, &failure);
  g_propagate_error (error, failure);
  return FALSE;
}

static void
store (const PvtCommandInfo *info, gpointer to, const Result *from)
{
  if (info->returns == NULL || to == NULL)
    return;
  switch ((PvtKind) info->returns->kind)
    {
    case PVT_KIND_I64:
    case PVT_KIND_U64:
    case PVT_KIND_F64:
      memcpy (to, from, 8);
      break;
    case PVT_KIND_BOOL:
    case PVT_KIND_U32:
    case PVT_KIND_ENUM:
      memcpy (to, from, (info->returns->flags & PVT_FIELD_ARRAY) ? sizeof (gpointer) : 4);
      break;
    case PVT_KIND_STRING:
    case PVT_KIND_BYTES:
    case PVT_KIND_STRUCT:
    case PVT_KIND_UNION:
    case PVT_KIND_ALTERNATE:
    default:
      memcpy (to, from, sizeof (gpointer));
    }
}

gboolean
pvt_client_call (PvtClient *client, const PvtCommandInfo *info, gconstpointer args,
                 gpointer result, int timeout_ms, GCancellable *cancellable, GError **error)
{
  Result value = { NULL };
  gboolean ok;

  if (!pvt_client_begin_turn (client, &timeout_ms, cancellable, error))
    return FALSE;
  ok = call_in_turn (client, info, args, &value, timeout_ms, cancellable, error);
  pvt_client_end_turn (client);
  if (ok)
    store (info, result, &value);
  return ok;
}

typedef struct
{
  const PvtCommandInfo *info;
  gpointer args;
  int timeout_ms;
  Result result;
} CallData;

static void
free_call_data (gpointer pointer)
{
  CallData *data = pointer;

  if (data->info->args)
    pvt_object_free (data->info->args, data->args);
  if (data->info->returns)
    pvt_field_clear (data->info->returns, &data->result);
  g_free (data);
}

static void
call_thread (GTask *task, gpointer source, gpointer pointer, GCancellable *cancellable)
{
  CallData *data = pointer;
  GError *error = NULL;

  if (pvt_client_call (PVT_CLIENT (source), data->info, data->args, &data->result,
                       data->timeout_ms, cancellable, &error))
    g_task_return_boolean (task, TRUE);
  else
    g_task_return_error (task, error);
}

void
pvt_client_call_async (PvtClient *client, const PvtCommandInfo *info, gconstpointer args,
                       int timeout_ms, GCancellable *cancellable, GAsyncReadyCallback callback,
                       gpointer user_data)
{
  GTask *task = g_task_new (client, cancellable, callback, user_data);
  CallData *data = g_new0 (CallData, 1);

  data->info = info;
  data->args = info->args ? pvt_object_copy (info->args, args) : NULL;
  data->timeout_ms = timeout_ms;
  g_task_set_task_data (task, data, free_call_data);
  g_task_run_in_thread (task, call_thread);
  g_object_unref (task);
}

gboolean
pvt_client_call_finish (PvtClient *client G_GNUC_UNUSED, GAsyncResult *async_result,
                        gpointer result, GError **error)
{
  GTask *task = G_TASK (async_result);
  CallData *data = g_task_get_task_data (task);

  if (!g_task_propagate_boolean (task, error))
    return FALSE;
  store (data->info, result, &data->result);
  memset (&data->result, 0, sizeof data->result); /* it is the caller's now */
  return TRUE;
}
