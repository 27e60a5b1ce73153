/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "channel-of-qemu.h"

#include "pvt-error.h"
#include "qmp.h"

#include <string.h>

/* NULL without @error: QEMU has no such thing. A monitor that does not answer is
 * another matter. */
static JsonNode *
ask_qom (PvtQmp *qmp, const char *command, const char *path, const char *property, GError **error)
{
  g_autoptr (JsonObject) arguments = json_object_new ();
  GError *failure = NULL;
  JsonNode *answer;

  json_object_set_string_member (arguments, "path", path);
  if (property)
    json_object_set_string_member (arguments, "property", property);
  answer = pvt_qmp_execute (qmp, command, arguments, &failure);
  if (g_error_matches (failure, PVT_CLIENT_ERROR, PVT_CLIENT_ERROR_FAILED))
    g_clear_error (&failure);
  if (failure)
    g_propagate_error (error, failure);
  return answer;
}

static char *
get_property (PvtQmp *qmp, const char *path, const char *property, GError **error)
{
  g_autoptr (JsonNode) value = ask_qom (qmp, "qom-get", path, property, error);

  if (value == NULL || !JSON_NODE_HOLDS_VALUE (value)
      || json_node_get_value_type (value) != G_TYPE_STRING)
    return NULL;
  return json_node_dup_string (value);
}

/* The element if it is an object, else NULL. */
static JsonObject *
object_at (JsonArray *items, guint index)
{
  JsonNode *item = json_array_get_element (items, index);

  return JSON_NODE_HOLDS_OBJECT (item) ? json_node_get_object (item) : NULL;
}

/* The chardev of the port with the agent's name among the machine's devices. */
static char *
find_chardev (PvtQmp *qmp, const char *container, const char *wanted, GError **error)
{
  g_autofree char *parent = g_strconcat ("/machine/", container, NULL);
  g_autoptr (JsonNode) list = ask_qom (qmp, "qom-list", parent, NULL, error);
  JsonArray *items = list && JSON_NODE_HOLDS_ARRAY (list) ? json_node_get_array (list) : NULL;

  for (guint i = 0; items && i < json_array_get_length (items); i++)
    {
      JsonObject *item = object_at (items, i);
      const char *type = pvt_json_string (item, "type"), *name = pvt_json_string (item, "name");
      g_autofree char *path = NULL, *port = NULL;
      GError *failure = NULL;

      if (name == NULL || g_strcmp0 (type, "child<virtserialport>") != 0)
        continue;
      path = g_strdup_printf ("%s/%s", parent, name);
      port = get_property (qmp, path, "name", &failure);
      if (failure == NULL && g_strcmp0 (port, wanted) == 0)
        return get_property (qmp, path, "chardev", error);
      if (failure)
        {
          g_propagate_error (error, failure);
          return NULL;
        }
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
find_socket (PvtQmp *qmp, const char *chardev, GError **error)
{
  g_autoptr (JsonNode) list = pvt_qmp_execute (qmp, "query-chardev", NULL, error);
  JsonArray *items = list && JSON_NODE_HOLDS_ARRAY (list) ? json_node_get_array (list) : NULL;

  for (guint i = 0; items && i < json_array_get_length (items); i++)
    {
      JsonObject *item = object_at (items, i);
      const char *filename = pvt_json_string (item, "filename");
      char *path;

      if (filename == NULL || g_strcmp0 (pvt_json_string (item, "label"), chardev) != 0)
        continue;
      path = socket_path (filename);
      if (path == NULL)
        g_set_error (error, PVT_CLIENT_ERROR, PVT_CLIENT_ERROR_NOT_CONNECTED,
                     "the agent's port of this QEMU is on '%s', not on a unix socket", filename);
      return path;
    }
  if (list)
    g_set_error_literal (error, PVT_CLIENT_ERROR, PVT_CLIENT_ERROR_PROTOCOL,
                         "QEMU's monitor: the agent's port has no chardev");
  return NULL;
}

gboolean
pvt_qmp_find_channel (PvtQmp *qmp, const char *port, char **chardev, char **path, GError **error)
{
  GError *failure = NULL;
  g_autofree char *label = find_chardev (qmp, "peripheral", port, &failure);
  char *socket;

  if (label == NULL && failure == NULL)
    label = find_chardev (qmp, "peripheral-anon", port, &failure);
  if (failure)
    {
      g_propagate_error (error, failure);
      return FALSE;
    }
  if (label == NULL)
    {
      g_set_error (error, PVT_CLIENT_ERROR, PVT_CLIENT_ERROR_NOT_CONNECTED,
                   "this QEMU has no virtio-serial port %s: start it with -device "
                   "virtserialport,name=%s,chardev=...",
                   port, port);
      return FALSE;
    }
  socket = find_socket (qmp, label, error);
  if (socket == NULL)
    return FALSE;
  *chardev = g_steal_pointer (&label);
  *path = socket;
  return TRUE;
}

char *
pvt_channel_of_qemu (const char *qmp_path, const char *port, int timeout_ms,
                     GCancellable *cancellable, GError **error)
{
  PvtQmp *qmp = pvt_qmp_open (qmp_path, timeout_ms, cancellable, error);
  g_autofree char *chardev = NULL;
  GError *failure = NULL;
  char *path = NULL;

  if (qmp == NULL)
    return NULL;
  pvt_qmp_find_channel (qmp, port, &chardev, &path, &failure);
  pvt_qmp_close (qmp);
  /* The guest was asked nothing yet. */
  if (g_error_matches (failure, PVT_CLIENT_ERROR, PVT_CLIENT_ERROR_TIMEOUT_AFTER_SENT))
    failure->code = PVT_CLIENT_ERROR_TIMEOUT_BEFORE_SENT;
  if (failure)
    g_propagate_error (error, failure);
  return path;
}
