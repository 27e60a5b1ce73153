/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* GLib's dialect begins here: the tree has its JSON parser there. */
#include "qmp-session.h"

#include "host-side/client/json-tree.h"
#include "protocol/codec/limits.h"
#include "protocol/frame/framer.h"
#include "qmp-commands.h"

#define REQUEST_MAX (64u * 1024)

struct qmp_session
{
  QmpContext context;
  PvtFramer framer;
  gboolean ready;
};

struct qmp_session *
qmp_session_new (struct control *control, struct machine *machine)
{
  struct qmp_session *session = g_new0 (struct qmp_session, 1);

  session->context = (QmpContext){ control, machine };
  pvt_framer_init (&session->framer, REQUEST_MAX);
  return session;
}

void
qmp_session_free (struct qmp_session *session)
{
  if (session == NULL)
    return;
  pvt_framer_clear (&session->framer);
  g_free (session);
}

bool
qmp_session_ready (const struct qmp_session *session)
{
  return session->ready;
}

static JsonObject *
make_error (const char *class, const char *text)
{
  JsonObject *reply = json_object_new (), *error = json_object_new ();

  json_object_set_string_member (error, "class", class);
  json_object_set_string_member (error, "desc", text);
  json_object_set_object_member (reply, "error", error);
  return reply;
}

static JsonObject *
execute (struct qmp_session *session, JsonObject *request)
{
  JsonNode *name = json_object_get_member (request, "execute");
  JsonNode *arguments = json_object_get_member (request, "arguments");
  const QmpCommand *command;
  g_autoptr (GError) error = NULL;
  JsonNode *value;
  JsonObject *reply;

  if (name == NULL || json_node_get_value_type (name) != G_TYPE_STRING
      || (arguments && !JSON_NODE_HOLDS_OBJECT (arguments)))
    return make_error ("GenericError", "QMP input lacks a member 'execute', or is malformed");
  command = qmp_command_find (json_node_get_string (name));
  /* As QEMU has it: nothing but the negotiation before it. */
  if (command == NULL || (!session->ready && !command->negotiates))
    {
      g_autofree char *text = g_strdup_printf ("The command %s has not been found",
                                               json_node_get_string (name));

      return make_error ("CommandNotFound", text);
    }
  value = command->run (&session->context, arguments ? json_node_get_object (arguments) : NULL, &error);
  if (value == NULL)
    return make_error ("GenericError", error->message);
  session->ready = session->ready || command->negotiates;
  reply = json_object_new ();
  json_object_set_member (reply, "return", value);
  return reply;
}

static JsonObject *
answer (struct qmp_session *session, const char *data, gsize len)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (JsonNode) node = pvt_json_tree_new ((PvtSlice){ data, len }, &error);
  JsonObject *request, *reply;

  if (node == NULL || !JSON_NODE_HOLDS_OBJECT (node))
    return make_error ("GenericError", error ? error->message : "an object is needed");
  request = json_node_get_object (node);
  reply = execute (session, request);
  if (json_object_has_member (request, "id"))
    json_object_set_member (reply, "id", json_node_copy (json_object_get_member (request, "id")));
  return reply;
}

static void
append (GString *out, JsonObject *reply)
{
  g_autoptr (JsonNode) node = json_node_new (JSON_NODE_OBJECT);
  g_autofree char *text = NULL;

  json_node_take_object (node, reply);
  text = json_to_string (node, FALSE);
  g_string_append_printf (out, "%s\r\n", text);
}

char *
qmp_session_feed (struct qmp_session *session, const char *data, size_t len)
{
  GString *out = g_string_new (NULL);
  PvtFrame frame;

  memcpy (pvt_framer_reserve (&session->framer, len), data, len);
  pvt_framer_commit (&session->framer, len);
  while (pvt_framer_next (&session->framer, &frame) != PVT_FRAME_NONE)
    {
      if (frame.kind == PVT_FRAME_MESSAGE)
        append (out, answer (session, frame.data, frame.len));
      else if (frame.kind == PVT_FRAME_BAD)
        append (out, make_error ("GenericError", frame.error));
    }
  return g_string_free (out, FALSE);
}
