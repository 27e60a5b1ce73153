/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "channel-of-qemu.h"

#include "json-tree.h"
#include "protocol/codec/limits.h"
#include "protocol/frame/framer.h"
#include "protocol/transport/transport.h"
#include "pvt-error.h"
#include "socket-io.h"

#include <string.h>

#define PORT_NAME "org.qemu.guest_agent.0"

typedef struct
{
  GSocket *socket;
  PvtFramer framer;
  gint64 deadline;
  GCancellable *cancellable;
} Monitor;

static gboolean
fail (GError **error, const char *what)
{
  g_set_error (error, PVT_CLIENT_ERROR, PVT_CLIENT_ERROR_PROTOCOL, "QEMU's monitor: %s", what);
  return FALSE;
}

/* The next object that is not an event. */
static JsonNode *
read_object (Monitor *monitor, GError **error)
{
  PvtFrame frame;

  for (;;)
    {
      switch (pvt_framer_next (&monitor->framer, &frame))
        {
        case PVT_FRAME_MESSAGE:
          {
            g_autoptr (JsonNode) node
                = pvt_json_tree_new ((PvtSlice){ frame.data, frame.len }, error);

            if (node == NULL || !json_object_has_member (json_node_get_object (node), "event"))
              return g_steal_pointer (&node);
            break;
          }
        case PVT_FRAME_BAD:
          fail (error, frame.error);
          return NULL;
        case PVT_FRAME_RESET:
          break;
        case PVT_FRAME_NONE:
        default:
          if (!pvt_socket_receive (monitor->socket, &monitor->framer, monitor->deadline,
                                   monitor->cancellable, error))
            return NULL;
        }
    }
}

/* Sends a command; returns its "return", or NULL. */
static JsonNode *
ask (Monitor *monitor, GError **error, const char *format, ...) G_GNUC_PRINTF (3, 4);

static JsonNode *
ask (Monitor *monitor, GError **error, const char *format, ...)
{
  g_autofree char *line = NULL;
  g_autoptr (JsonNode) reply = NULL;
  JsonObject *object;
  va_list args;

  va_start (args, format);
  line = g_strdup_vprintf (format, args);
  va_end (args);
  if (!pvt_socket_send (monitor->socket, line, strlen (line), monitor->deadline,
                        monitor->cancellable, error))
    return NULL;
  reply = read_object (monitor, error);
  if (reply == NULL)
    return NULL;
  object = json_node_get_object (reply);
  if (json_object_has_member (object, "return"))
    return json_node_copy (json_object_get_member (object, "return"));
  fail (error, "a command was refused");
  return NULL;
}

/* Text that may stand inside a JSON string of ours. */
static gboolean
is_plain (const char *text)
{
  for (const char *p = text; *p; p++)
    if ((guchar) *p < 0x20 || *p == '"' || *p == '\\')
      return FALSE;
  return TRUE;
}

static char *
get_property (Monitor *monitor, const char *path, const char *property)
{
  g_autoptr (JsonNode) value
      = ask (monitor, NULL,
             "{\"execute\": \"qom-get\", \"arguments\": {\"path\": \"%s\", \"property\": \"%s\"}}\n",
             path, property);

  if (value == NULL || !JSON_NODE_HOLDS_VALUE (value)
      || json_node_get_value_type (value) != G_TYPE_STRING)
    return NULL;
  return json_node_dup_string (value);
}

static const char *
string_member (JsonNode *node, const char *name)
{
  JsonNode *member = JSON_NODE_HOLDS_OBJECT (node)
                         ? json_object_get_member (json_node_get_object (node), name)
                         : NULL;

  if (member == NULL || json_node_get_value_type (member) != G_TYPE_STRING)
    return NULL;
  return json_node_get_string (member);
}

/* The chardev of the port with the agent's name among the machine's devices. */
static char *
find_chardev (Monitor *monitor, const char *container, GError **error)
{
  g_autoptr (JsonNode) list
      = ask (monitor, error,
             "{\"execute\": \"qom-list\", \"arguments\": {\"path\": \"/machine/%s\"}}\n", container);
  JsonArray *items = list && JSON_NODE_HOLDS_ARRAY (list) ? json_node_get_array (list) : NULL;

  for (guint i = 0; items && i < json_array_get_length (items); i++)
    {
      JsonNode *item = json_array_get_element (items, i);
      const char *type = string_member (item, "type"), *name = string_member (item, "name");
      g_autofree char *path = NULL, *port = NULL;

      if (type == NULL || name == NULL || !is_plain (name)
          || strcmp (type, "child<virtserialport>") != 0)
        continue;
      path = g_strdup_printf ("/machine/%s/%s", container, name);
      port = get_property (monitor, path, "name");
      if (g_strcmp0 (port, PORT_NAME) == 0)
        return get_property (monitor, path, "chardev");
    }
  return NULL;
}

/* "disconnected:unix:/path,server=on" -> "/path" */
static char *
socket_path (const char *filename)
{
  const char *unix_part = strstr (filename, "unix:");
  const char *comma;

  if (unix_part == NULL)
    return NULL;
  unix_part += strlen ("unix:");
  comma = strchr (unix_part, ',');
  return comma ? g_strndup (unix_part, (gsize) (comma - unix_part)) : g_strdup (unix_part);
}

static char *
find_socket (Monitor *monitor, const char *chardev, GError **error)
{
  g_autoptr (JsonNode) list = ask (monitor, error, "{\"execute\": \"query-chardev\"}\n");
  JsonArray *items = list && JSON_NODE_HOLDS_ARRAY (list) ? json_node_get_array (list) : NULL;

  for (guint i = 0; items && i < json_array_get_length (items); i++)
    {
      JsonNode *item = json_array_get_element (items, i);
      const char *label = string_member (item, "label");
      const char *filename = string_member (item, "filename");

      if (label && filename && strcmp (label, chardev) == 0)
        {
          char *path = socket_path (filename);

          if (path == NULL)
            g_set_error (error, PVT_CLIENT_ERROR, PVT_CLIENT_ERROR_NOT_CONNECTED,
                         "the agent's port of this QEMU is on '%s', not on a unix socket", filename);
          return path;
        }
    }
  if (error && *error == NULL)
    fail (error, "the agent's port has no chardev");
  return NULL;
}

static char *
find_channel (Monitor *monitor, GError **error)
{
  g_autoptr (JsonNode) greeting = read_object (monitor, error);
  g_autoptr (JsonNode) ready = NULL;
  g_autofree char *chardev = NULL;

  if (greeting == NULL)
    return NULL;
  if (!json_object_has_member (json_node_get_object (greeting), "QMP"))
    {
      fail (error, "no QMP greeting");
      return NULL;
    }
  ready = ask (monitor, error, "{\"execute\": \"qmp_capabilities\"}\n");
  if (ready == NULL)
    return NULL;
  chardev = find_chardev (monitor, "peripheral", NULL);
  if (chardev == NULL)
    chardev = find_chardev (monitor, "peripheral-anon", NULL);
  if (chardev)
    return find_socket (monitor, chardev, error);
  g_set_error_literal (error, PVT_CLIENT_ERROR, PVT_CLIENT_ERROR_NOT_CONNECTED,
                       "this QEMU has no virtio-serial port " PORT_NAME
                       ": start it with -device virtserialport,name=" PORT_NAME ",chardev=...");
  return NULL;
}

char *
pvt_channel_of_qemu (const char *qmp_path, int timeout_ms, GCancellable *cancellable,
                     GError **error)
{
  Monitor monitor;
  GError *failure = NULL;
  char *path;

  memset (&monitor, 0, sizeof monitor);
  monitor.cancellable = cancellable;
  monitor.socket = pvt_socket_open (pvt_transport_connect_unix (qmp_path, error), error);
  if (monitor.socket == NULL)
    return NULL;
  monitor.deadline = g_get_monotonic_time () + (gint64) timeout_ms * 1000;
  pvt_framer_init (&monitor.framer, PVT_MESSAGE_MAX);
  path = find_channel (&monitor, &failure);
  /* A monitor serves one client: others connect and hear nothing. */
  if (g_error_matches (failure, G_IO_ERROR, G_IO_ERROR_TIMED_OUT))
    g_set_error (error, PVT_CLIENT_ERROR, PVT_CLIENT_ERROR_TIMEOUT_BEFORE_SENT,
                 "QEMU's monitor did not answer within %d ms: it hangs or serves somebody else",
                 timeout_ms);
  else if (failure)
    g_propagate_error (error, g_steal_pointer (&failure));
  g_clear_error (&failure);
  pvt_framer_clear (&monitor.framer);
  g_object_unref (monitor.socket);
  return path;
}
