/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Commands by name, and what the agent says of itself. */
#include "call.h"
#include "client-private.h"
#include "json-tree.h"
#include "protocol/codec/encode.h"
#include "pvt-types.h"

#include <string.h>

/* Sends a line; the answer as text that the caller frees. */
static char *
exchange_text (PvtClient *client, const PvtBuf *line, gboolean answered, int timeout_ms,
               GCancellable *cancellable, GError **error)
{
  PvtSlice text = { NULL, 0 };
  char *copy = NULL;

  if (!pvt_client_begin_turn (client, &timeout_ms, cancellable, error))
    return NULL;
  if (pvt_client_exchange (client, line->data, line->len - 1, answered, timeout_ms, cancellable,
                           &text, error))
    copy = text.data ? g_strndup (text.data, text.len) : g_strdup ("{}");
  pvt_client_end_turn (client);
  return copy;
}

static gboolean
is_answered (const char *command)
{
  for (guint i = 0; i < pvt_n_command_infos; i++)
    if (strcmp (pvt_command_infos[i].name, command) == 0)
      return pvt_command_infos[i].success_response;
  return TRUE;
}

/**
 * pvt_client_execute:
 * @client: a #PvtClient
 * @command: name of any command
 * @arguments: (nullable): its arguments, an object
 * @timeout_ms: most milliseconds to wait, or -1 for the client's default
 * @cancellable: (nullable): cancels the wait
 * @error: set on failure
 *
 * Runs a command by name. Members that this library does not know are kept.
 *
 * Returns: (transfer full): what it returned
 *
 * Since: 1.0
 */
JsonNode *
pvt_client_execute (PvtClient *client, const char *command, JsonNode *arguments, int timeout_ms,
                    GCancellable *cancellable, GError **error)
{
  g_autofree char *args = arguments ? json_to_string (arguments, FALSE) : NULL;
  g_autofree char *reply = NULL;
  PvtBuf line = { NULL, 0, 0 };

  PVT_BUF_APPEND_LITERAL (&line, "{\"execute\": ");
  pvt_encode_string (&line, command);
  if (args)
    {
      PVT_BUF_APPEND_LITERAL (&line, ", \"arguments\": ");
      pvt_buf_append_str (&line, args);
    }
  pvt_buf_append (&line, "}\n", 3);
  reply = exchange_text (client, &line, is_answered (command), timeout_ms, cancellable, error);
  pvt_buf_clear (&line);
  /* It passed the guard on its way in. */
  return reply ? pvt_json_tree_new ((PvtSlice){ reply, strlen (reply) }, error) : NULL;
}

/* One whole request on one line: what is sent must not upset the conversation. */
static gboolean
check_request (const char *request, PvtBuf *line, PvtRequest *parsed, GError **error)
{
  gsize len = strlen (request), consumed;
  PvtGuard guard;

  pvt_guard_init (&guard);
  if (pvt_guard_feed (&guard, request, len, &consumed) != PVT_GUARD_DONE
      || strspn (request + consumed, " \t\r\n") != len - consumed)
    {
      g_set_error (error, PVT_CLIENT_ERROR, PVT_CLIENT_ERROR_FAILED,
                   "the request is not one JSON object: byte %" G_GSIZE_FORMAT ": %s", consumed,
                   guard.error ? guard.error : "it does not end there");
      return FALSE;
    }
  pvt_buf_append (line, request, consumed);
  for (gsize i = 0; i < line->len; i++)
    if (line->data[i] == '\n' || line->data[i] == '\r')
      line->data[i] = ' '; /* only between tokens: the guard saw to that */
  pvt_buf_append (line, "\n", 2);
  return pvt_request_parse (line->data, consumed, parsed, error);
}

/**
 * pvt_client_execute_text:
 * @client: a #PvtClient
 * @request: a request, one JSON object with `execute`
 * @timeout_ms: most milliseconds to wait, or -1 for the client's default
 * @cancellable: (nullable): cancels the wait
 * @error: set on failure
 *
 * Sends a request as it is.
 *
 * Returns: (transfer full): the JSON text of what it returned
 *
 * Since: 1.0
 */
char *
pvt_client_execute_text (PvtClient *client, const char *request, int timeout_ms,
                         GCancellable *cancellable, GError **error)
{
  PvtBuf line = { NULL, 0, 0 };
  PvtRequest parsed;
  char *reply = NULL;

  if (check_request (request, &line, &parsed, error))
    reply = exchange_text (client, &line, is_answered (parsed.name), timeout_ms, cancellable,
                           error);
  pvt_buf_clear (&line);
  return reply;
}

/* Once there it does not change. */
static gboolean
is_learnt (PvtClient *client)
{
  gboolean is;

  g_mutex_lock (&client->lock);
  is = client->commands != NULL;
  g_mutex_unlock (&client->lock);
  return is;
}

/* The first of several threads that ask at once counts. */
static void
keep (PvtClient *client, const char *version, GPtrArray *names)
{
  g_mutex_lock (&client->lock);
  if (client->commands)
    g_ptr_array_unref (names);
  else
    {
      client->version = g_strdup (version);
      client->commands = names;
    }
  g_mutex_unlock (&client->lock);
}

/* Asks guest-info once. */
static gboolean
learn (PvtClient *client, int timeout_ms, GCancellable *cancellable, GError **error)
{
  g_autoptr (PvtGuestAgentInfo) info = NULL;
  GPtrArray *names;

  if (is_learnt (client))
    return TRUE;
  if (!pvt_client_call (client, &pvt_command_infos[PVT_COMMAND_GUEST_INFO], NULL, &info,
                        timeout_ms, cancellable, error))
    return FALSE;
  names = g_ptr_array_new_with_free_func (g_free);
  for (guint i = 0; i < info->supported_commands->len; i++)
    {
      const PvtGuestAgentCommandInfo *command = info->supported_commands->pdata[i];

      if (command->enabled)
        g_ptr_array_add (names, g_strdup (command->name));
    }
  keep (client, info->version, names);
  return TRUE;
}

/**
 * pvt_client_has_command:
 * @client: a #PvtClient
 * @command: name of a command
 * @timeout_ms: most milliseconds to wait, or -1 for the client's default
 * @cancellable: (nullable): cancels the wait
 * @error: set on failure
 *
 * Whether the agent has the command and its policy allows it, from guest-info,
 * which is asked once.
 *
 * Returns: %TRUE when it has; %FALSE without @error set when not
 *
 * Since: 1.0
 */
gboolean
pvt_client_has_command (PvtClient *client, const char *command, int timeout_ms,
                        GCancellable *cancellable, GError **error)
{
  if (!learn (client, timeout_ms, cancellable, error))
    return FALSE;
  for (guint i = 0; i < client->commands->len; i++)
    if (strcmp (client->commands->pdata[i], command) == 0)
      return TRUE;
  return FALSE;
}

/**
 * pvt_client_get_agent_version:
 * @client: a #PvtClient
 * @timeout_ms: most milliseconds to wait, or -1 for the client's default
 * @cancellable: (nullable): cancels the wait
 * @error: set on failure
 *
 * Which version of its program the agent is; asked once a connection.
 *
 * Returns: (transfer none): the agent's version
 *
 * Since: 1.0
 */
const char *
pvt_client_get_agent_version (PvtClient *client, int timeout_ms, GCancellable *cancellable,
                              GError **error)
{
  return learn (client, timeout_ms, cancellable, error) ? client->version : NULL;
}

/**
 * pvt_client_is_pvtools:
 * @client: a #PvtClient
 * @timeout_ms: most milliseconds to wait, or -1 for the client's default
 * @cancellable: (nullable): cancels the wait
 * @error: set on failure
 *
 * Whether the agent is pvtools-agent; other agents lack the `pvt-` commands.
 *
 * Returns: %TRUE when it is; %FALSE without @error set when not
 *
 * Since: 1.0
 */
gboolean
pvt_client_is_pvtools (PvtClient *client, int timeout_ms, GCancellable *cancellable,
                       GError **error)
{
  return pvt_client_has_command (client, "pvt-get-status", timeout_ms, cancellable, error);
}
