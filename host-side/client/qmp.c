/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qmp.h"

#include "json-tree.h"
#include "protocol/codec/limits.h"
#include "protocol/frame/framer.h"
#include "protocol/transport/transport.h"
#include "pvt-error.h"
#include "socket-io.h"

#include <string.h>

struct _PvtQmp
{
  GSocket *socket;
  PvtFramer framer;
  int timeout_ms;
  guint owed;      /* answers to commands that were given up: they come first */
  gboolean broken; /* half a command went out */
  GCancellable *cancellable;
  PvtQmpEvent event;
  gpointer user_data;
};

static gboolean
fail (GError **error, PvtClientError code, const char *what)
{
  g_set_error (error, PVT_CLIENT_ERROR, code, "QEMU's monitor: %s", what);
  return FALSE;
}

const char *
pvt_json_string (JsonObject *object, const char *name)
{
  JsonNode *member = object ? json_object_get_member (object, name) : NULL;

  if (member == NULL || json_node_get_value_type (member) != G_TYPE_STRING)
    return NULL;
  return json_node_get_string (member);
}

/* The next object of whatever kind. */
static JsonNode *
read_any (PvtQmp *qmp, gint64 deadline, GError **error)
{
  PvtFrame frame;

  for (;;)
    {
      switch (pvt_framer_next (&qmp->framer, &frame))
        {
        case PVT_FRAME_MESSAGE:
          return pvt_json_tree_new ((PvtSlice){ frame.data, frame.len }, error);
        case PVT_FRAME_BAD:
          fail (error, PVT_CLIENT_ERROR_PROTOCOL, frame.error);
          return NULL;
        case PVT_FRAME_RESET:
          break;
        case PVT_FRAME_NONE:
        default:
          if (!pvt_socket_receive (qmp->socket, &qmp->framer, deadline, qmp->cancellable, error))
            return NULL;
        }
    }
}

/* TRUE when it was an event, which its handler has seen then. */
static gboolean
take_event (PvtQmp *qmp, JsonNode *node)
{
  JsonObject *object = json_node_get_object (node);
  const char *name = pvt_json_string (object, "event");

  if (name && qmp->event)
    qmp->event (name, object, qmp->user_data);
  return name != NULL;
}

/* TRUE when nobody waits for it any more: commands are answered in their order. */
static gboolean
is_stale (PvtQmp *qmp)
{
  if (qmp->owed == 0)
    return FALSE;
  qmp->owed--;
  return TRUE;
}

static JsonNode *
read_reply (PvtQmp *qmp, gint64 deadline, GError **error)
{
  JsonNode *node;

  while ((node = read_any (qmp, deadline, error)) != NULL
         && (take_event (qmp, node) || is_stale (qmp)))
    json_node_unref (node);
  return node;
}

static gint64
deadline_in (int timeout_ms)
{
  return g_get_monotonic_time () + (gint64) timeout_ms * 1000;
}

static char *
make_request (const char *command, JsonObject *arguments)
{
  g_autoptr (JsonNode) node = json_node_new (JSON_NODE_OBJECT);
  JsonObject *request = json_object_new ();
  g_autofree char *text = NULL;

  json_object_set_string_member (request, "execute", command);
  if (arguments)
    json_object_set_object_member (request, "arguments", json_object_ref (arguments));
  json_node_take_object (node, request);
  text = json_to_string (node, FALSE);
  return g_strconcat (text, "\n", NULL);
}

/* What came for the command, or NULL. */
static JsonNode *
exchange (PvtQmp *qmp, const char *command, JsonObject *arguments, GError **error)
{
  g_autofree char *line = make_request (command, arguments);
  gint64 deadline = deadline_in (qmp->timeout_ms);
  GError *failure = NULL;
  JsonNode *reply = NULL;

  if (qmp->broken)
    fail (&failure, PVT_CLIENT_ERROR_DISCONNECTED, "an earlier command did not go out whole");
  else if (!pvt_socket_send (qmp->socket, line, strlen (line), deadline, qmp->cancellable, &failure))
    qmp->broken = TRUE;
  else
    {
      reply = read_reply (qmp, deadline, &failure);
      qmp->owed += reply == NULL;
    }
  if (g_error_matches (failure, G_IO_ERROR, G_IO_ERROR_TIMED_OUT))
    {
      g_clear_error (&failure);
      g_set_error (&failure, PVT_CLIENT_ERROR, PVT_CLIENT_ERROR_TIMEOUT_AFTER_SENT,
                   "QEMU's monitor did not answer %s within %d ms", command, qmp->timeout_ms);
    }
  if (failure)
    g_propagate_error (error, failure);
  return reply;
}

JsonNode *
pvt_qmp_execute (PvtQmp *qmp, const char *command, JsonObject *arguments, GError **error)
{
  g_autoptr (JsonNode) reply = exchange (qmp, command, arguments, error);
  JsonObject *object, *failure = NULL;

  if (reply == NULL)
    return NULL;
  object = json_node_get_object (reply);
  if (json_object_has_member (object, "return"))
    return json_node_copy (json_object_get_member (object, "return"));
  if (json_object_has_member (object, "error")
      && JSON_NODE_HOLDS_OBJECT (json_object_get_member (object, "error")))
    failure = json_object_get_object_member (object, "error");
  g_set_error (error, PVT_CLIENT_ERROR, PVT_CLIENT_ERROR_FAILED, "QEMU refused %s: %s", command,
               failure && pvt_json_string (failure, "desc") ? pvt_json_string (failure, "desc")
                                                            : "no reason given");
  return NULL;
}

gboolean
pvt_qmp_await_event (PvtQmp *qmp, const char *name, int timeout_ms, GError **error)
{
  gint64 deadline = deadline_in (timeout_ms);

  for (;;)
    {
      g_autoptr (JsonNode) node = read_any (qmp, deadline, error);

      if (node == NULL)
        return FALSE;
      if (!take_event (qmp, node))
        is_stale (qmp);
      if (g_strcmp0 (pvt_json_string (json_node_get_object (node), "event"), name) == 0)
        return TRUE;
    }
}

int
pvt_qmp_fd (const PvtQmp *qmp)
{
  return g_socket_get_fd (qmp->socket);
}

gboolean
pvt_qmp_take_events (PvtQmp *qmp, GError **error)
{
  PvtFrame frame;

  for (;;)
    {
      g_autoptr (JsonNode) node = NULL;
      gssize n;

      switch (pvt_framer_next (&qmp->framer, &frame))
        {
        case PVT_FRAME_MESSAGE:
          node = pvt_json_tree_new ((PvtSlice){ frame.data, frame.len }, error);
          if (node == NULL)
            return FALSE;
          if (!take_event (qmp, node))
            is_stale (qmp);
          break;
        case PVT_FRAME_BAD:
          return fail (error, PVT_CLIENT_ERROR_PROTOCOL, frame.error);
        case PVT_FRAME_RESET:
          break;
        case PVT_FRAME_NONE:
        default:
          n = pvt_socket_receive_some (qmp->socket, &qmp->framer, error);
          if (n <= 0)
            return n == 0;
        }
    }
}

static gboolean
negotiate (PvtQmp *qmp, GError **error)
{
  g_autoptr (JsonNode) greeting = read_reply (qmp, deadline_in (qmp->timeout_ms), error);
  g_autoptr (JsonNode) ready = NULL;

  if (greeting == NULL)
    return FALSE;
  if (!json_object_has_member (json_node_get_object (greeting), "QMP"))
    return fail (error, PVT_CLIENT_ERROR_PROTOCOL, "no QMP greeting");
  ready = pvt_qmp_execute (qmp, "qmp_capabilities", NULL, error);
  return ready != NULL;
}

PvtQmp *
pvt_qmp_open (const char *path, int timeout_ms, GCancellable *cancellable, GError **error)
{
  PvtQmp *qmp = g_new0 (PvtQmp, 1);
  GError *failure = NULL;

  qmp->timeout_ms = timeout_ms;
  qmp->cancellable = cancellable ? g_object_ref (cancellable) : NULL;
  pvt_framer_init (&qmp->framer, PVT_MESSAGE_MAX);
  qmp->socket = pvt_socket_open (pvt_transport_connect_unix (path, &failure), &failure);
  if (qmp->socket && negotiate (qmp, &failure))
    return qmp;
  pvt_qmp_close (qmp);
  /* A monitor serves one client: others connect and hear nothing. */
  if (g_error_matches (failure, G_IO_ERROR, G_IO_ERROR_TIMED_OUT)
      || g_error_matches (failure, PVT_CLIENT_ERROR, PVT_CLIENT_ERROR_TIMEOUT_AFTER_SENT))
    {
      g_error_free (failure);
      g_set_error (error, PVT_CLIENT_ERROR, PVT_CLIENT_ERROR_TIMEOUT_BEFORE_SENT,
                   "QEMU's monitor did not answer within %d ms: it hangs or serves somebody else",
                   timeout_ms);
    }
  else
    g_propagate_error (error, failure);
  return NULL;
}

void
pvt_qmp_close (PvtQmp *qmp)
{
  if (qmp == NULL)
    return;
  pvt_framer_clear (&qmp->framer);
  g_clear_object (&qmp->socket);
  g_clear_object (&qmp->cancellable);
  g_free (qmp);
}

void
pvt_qmp_set_event_handler (PvtQmp *qmp, PvtQmpEvent event, gpointer user_data)
{
  qmp->event = event;
  qmp->user_data = user_data;
}
