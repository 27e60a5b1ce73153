/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "dispatch.h"

#include "audit.h"
#include "gate.h"
#include "log.h"
#include "policy.h"
#include "protocol/codec/decode.h"
#include "protocol/codec/object.h"
#include "protocol/message/reply.h"

#include <string.h>

/* Arguments of any command, aligned for all. */
typedef union
{
  char bytes[PVT_MAX_ARGS_SIZE];
  gint64 align;
  gpointer pointer;
} Args;

static guint64 n_requests, n_errors;

guint64
pvt_dispatch_requests (void)
{
  return n_requests;
}

guint64
pvt_dispatch_errors (void)
{
  return n_errors;
}

const PvtCommand *
pvt_dispatch_find (const char *name)
{
  guint low = 0, high = pvt_n_commands;

  while (low < high)
    {
      guint middle = (low + high) / 2;
      int order = strcmp (name, pvt_commands[middle].info->name);

      if (order == 0)
        return &pvt_commands[middle];
      if (order < 0)
        high = middle;
      else
        low = middle + 1;
    }
  return NULL;
}

static const PvtCommand *
find_allowed (const char *name, gboolean streams, GError **error)
{
  const PvtCommand *command = pvt_dispatch_find (name);

  if (command == NULL)
    g_set_error (error, PVT_AGENT_ERROR, PVT_AGENT_ERROR_COMMAND_NOT_FOUND,
                 "The command %s has not been found", name);
  else if (!pvt_policy_allows ((guint) (command - pvt_commands)))
    {
      g_set_error (error, PVT_AGENT_ERROR, PVT_AGENT_ERROR_COMMAND_NOT_FOUND,
                   "Command %s has been disabled: the command is not allowed", name);
      return NULL;
    }
  else if (command->info->stream && !streams)
    {
      g_set_error (error, PVT_AGENT_ERROR, PVT_AGENT_ERROR_COMMAND_NOT_FOUND,
                   "The command %s has not been found on this channel: it needs the extended one",
                   name);
      return NULL;
    }
  else if (!command->info->frozen && pvt_gate_is_closed ())
    {
      g_set_error (error, PVT_AGENT_ERROR, PVT_AGENT_ERROR_COMMAND_NOT_FOUND,
                   "Command %s has been disabled: the agent is in frozen state", name);
      return NULL;
    }
  return command;
}

static gboolean
decode_args (const PvtCommand *command, const PvtRequest *request, Args *args, GError **error)
{
  static const PvtType no_args = { .name = "no arguments", .kind = PVT_KIND_STRUCT };
  const PvtType *type = command->info->args ? command->info->args : &no_args;
  PvtSlice text = request->arguments.data ? request->arguments : (PvtSlice){ "{}", 2 };
  PvtCursor cursor;

  memset (args, 0, type->size);
  pvt_cursor_init (&cursor, text.data, text.len);
  return pvt_decode_object (&cursor, type, PVT_DECODE_STRICT, args, error);
}

/* Everything that changes the guest is on record, with its arguments, outcome
 * and duration; queries are for who asks for a verbose log. */
static void
log_outcome (const PvtCall *call, const GError *error)
{
  const PvtCommandInfo *info = call->command->info;
  PvtLogLevel level
      = info->command_class == PVT_CLASS_QUERY || info->quiet ? PVT_LOG_DEBUG : PVT_LOG_INFO;
  g_autofree char *args = NULL;
  gint64 took_ms;

  if (!pvt_log_enabled (level))
    return;
  args = pvt_audit_describe (info->args, call->args);
  took_ms = call->started ? (g_get_monotonic_time () - call->started) / 1000 : 0;
  if (error)
    pvt_log (level, "%s: %s%s failed after %" G_GINT64_FORMAT " ms: %s", call->channel, info->name,
             args, took_ms, error->message);
  else
    pvt_log (level, "%s: %s%s ok in %" G_GINT64_FORMAT " ms", call->channel, info->name, args, took_ms);
}

static void
write_error (const GError *error, PvtSlice id, PvtBuf *out)
{
  n_requests++;
  n_errors++;
  pvt_reply_write_error (out, error, id);
}

static void
write_result (const PvtCall *call, gconstpointer result, PvtSlice id, PvtBuf *out)
{
  n_requests++;
  if (call->delimit)
    pvt_buf_append_c (out, (char) 0xff);
  if (call->command->info->success_response)
    pvt_reply_write (out, call->command->info->returns, result, id);
}

static void
reply (const PvtCall *call, gconstpointer result, const GError *error, PvtSlice id, PvtBuf *out)
{
  log_outcome (call, error);
  if (error)
    write_error (error, id, out);
  else
    write_result (call, result, id, out);
}

void
pvt_dispatch_write_reply (const PvtCall *call, gconstpointer result, const GError *error,
                          const char *id, PvtBuf *out)
{
  reply (call, result, error, (PvtSlice){ id, id ? strlen (id) : 0 }, out);
}

void
pvt_dispatch_write_bad (const char *channel, const char *why, PvtBuf *out)
{
  g_autoptr (GError) error = g_error_new_literal (PVT_AGENT_ERROR, PVT_AGENT_ERROR_GENERIC, why);

  pvt_log (PVT_LOG_DEBUG, "%s: %s", channel, why);
  write_error (error, (PvtSlice){ NULL, 0 }, out);
}

/* Runs a handler that does not block, here and now. */
static void
run_inline (const PvtCommand *command, const char *channel, Args *args, PvtSlice id, PvtBuf *out)
{
  const PvtCommandInfo *info = command->info;
  PvtCall call = { .command = command,
                   .channel = channel,
                   .args = args,
                   .started = info->command_class == PVT_CLASS_QUERY ? 0 : g_get_monotonic_time () };
  g_autoptr (GError) error = NULL;
  gpointer result[2] = { NULL, NULL };

  command->handler (&call, args, result, &error);
  reply (&call, result, error, id, out);
  if (info->returns)
    pvt_field_clear (info->returns, result);
  if (info->args)
    pvt_object_clear (info->args, args);
}

/* On the plain channel a request is what qemu-ga takes, and nothing else. */
static gboolean
belongs_here (const PvtRequest *request, gboolean extended, GError **error)
{
  if (request->deadline_ms == 0 || extended)
    return TRUE;
  g_set_error_literal (error, PVT_AGENT_ERROR, PVT_AGENT_ERROR_GENERIC,
                       "Unexpected member 'deadline-ms' in the request");
  return FALSE;
}

PvtJob *
pvt_dispatch_message (const char *channel, const char *message, gsize len, PvtStream *stream,
                      PvtBuf *out, PvtJobDone done, gpointer user_data, char **id)
{
  g_autoptr (GError) error = NULL;
  const PvtCommand *command = NULL;
  PvtRequest request;
  Args args;

  if (pvt_request_parse (message, len, &request, &error)
      && belongs_here (&request, stream != NULL, &error))
    command = find_allowed (request.name, stream != NULL, &error);
  if (command && decode_args (command, &request, &args, &error))
    {
      const PvtType *type = command->info->args;

      if (command->info->blocks)
        {
          *id = request.id.data ? g_strndup (request.id.data, request.id.len) : NULL;
          return pvt_worker_submit (command, channel, stream, type ? g_memdup2 (&args, type->size) : NULL,
                                    request.deadline_ms, done, user_data);
        }
      run_inline (command, channel, &args, request.id, out);
      return NULL;
    }
  pvt_log (PVT_LOG_DEBUG, "%s: refused %s: %s", channel, request.name, error->message);
  write_error (error, request.id, out);
  return NULL;
}
