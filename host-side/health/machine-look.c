/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "machine-look.h"

#include <string.h>

/* Seconds between figures that the balloon's driver is asked for. */
#define BALLOON_SECONDS 2

static JsonObject *
as_object (JsonNode *node)
{
  return node && JSON_NODE_HOLDS_OBJECT (node) ? json_node_get_object (node) : NULL;
}

static JsonArray *
as_array (JsonNode *node)
{
  return node && JSON_NODE_HOLDS_ARRAY (node) ? json_node_get_array (node) : NULL;
}

static gboolean
member_bool (JsonObject *object, const char *name, gboolean *value)
{
  JsonNode *member = object ? json_object_get_member (object, name) : NULL;

  if (member == NULL || json_node_get_value_type (member) != G_TYPE_BOOLEAN)
    return FALSE;
  *value = json_node_get_boolean (member);
  return TRUE;
}

static gint64
node_int (JsonNode *node)
{
  return node && JSON_NODE_HOLDS_VALUE (node) && json_node_get_value_type (node) == G_TYPE_INT64
             ? json_node_get_int (node)
             : 0;
}

char *
pvt_look_status (PvtQmp *qmp)
{
  g_autoptr (JsonNode) node = pvt_qmp_execute (qmp, "query-status", NULL, NULL);
  const char *status = pvt_json_string (as_object (node), "status");

  return g_strdup (status ? status : "");
}

gboolean
pvt_look_status_means (const char *status, PvtHealthInputKind *kind)
{
  /* RunState of QEMU's qapi/run-state.json */
  static const struct
  {
    const char *status;
    PvtHealthInputKind kind;
  } meanings[] = {
    { "running", PVT_HEALTH_IN_RUNNING },       { "paused", PVT_HEALTH_IN_STOPPED },
    { "suspended", PVT_HEALTH_IN_STOPPED },     { "prelaunch", PVT_HEALTH_IN_STOPPED },
    { "inmigrate", PVT_HEALTH_IN_STOPPED },     { "postmigrate", PVT_HEALTH_IN_STOPPED },
    { "finish-migrate", PVT_HEALTH_IN_STOPPED },{ "restore-vm", PVT_HEALTH_IN_STOPPED },
    { "save-vm", PVT_HEALTH_IN_STOPPED },       { "debug", PVT_HEALTH_IN_STOPPED },
    { "io-error", PVT_HEALTH_IN_STOPPED },      { "colo", PVT_HEALTH_IN_STOPPED },
    { "shutdown", PVT_HEALTH_IN_SHUTDOWN },     { "guest-panicked", PVT_HEALTH_IN_PANICKED },
    { "watchdog", PVT_HEALTH_IN_WATCHDOG },     { "internal-error", PVT_HEALTH_IN_BROKEN },
  };

  for (guint i = 0; i < G_N_ELEMENTS (meanings); i++)
    if (g_strcmp0 (status, meanings[i].status) == 0)
      {
        *kind = meanings[i].kind;
        return TRUE;
      }
  return FALSE;
}

gboolean
pvt_look_port (PvtQmp *qmp, const char *chardev, gboolean *open, gboolean *connected)
{
  g_autoptr (JsonNode) list = pvt_qmp_execute (qmp, "query-chardev", NULL, NULL);
  JsonArray *items = as_array (list);

  for (guint i = 0; items && i < json_array_get_length (items); i++)
    {
      JsonObject *item = as_object (json_array_get_element (items, i));
      const char *filename = pvt_json_string (item, "filename");

      if (g_strcmp0 (pvt_json_string (item, "label"), chardev) != 0)
        continue;
      *connected = filename && !g_str_has_prefix (filename, "disconnected:");
      return member_bool (item, "frontend-open", open);
    }
  return FALSE;
}

gboolean
pvt_look_is_migrating (const char *status)
{
  /* MigrationStatus of QEMU's qapi/migration.json: those that are no end */
  static const char *const under_way[]
      = { "setup",  "cancelling",     "active", "postcopy-active", "postcopy-paused",
          "device", "pre-switchover", "colo",   "postcopy-recover", "wait-unplug", NULL };

  return status && g_strv_contains (under_way, status);
}

gboolean
pvt_look_migrating (PvtQmp *qmp)
{
  g_autoptr (JsonNode) node = pvt_qmp_execute (qmp, "query-migrate", NULL, NULL);

  return pvt_look_is_migrating (pvt_json_string (as_object (node), "status"));
}

gboolean
pvt_look_cpus (PvtQmp *qmp, PvtCpuSample *sample)
{
  g_autoptr (JsonObject) arguments = json_object_new ();
  g_autoptr (JsonNode) node = NULL;
  const char *text;

  /* QMP itself has no command for registers; the human monitor's text is parsed
   * with limits, and what is not understood is not known. */
  json_object_set_string_member (arguments, "command-line", "info registers -a");
  node = pvt_qmp_execute (qmp, "human-monitor-command", arguments, NULL);
  if (node == NULL || json_node_get_value_type (node) != G_TYPE_STRING)
    return FALSE;
  text = json_node_get_string (node);
  return pvt_cpu_sample_parse (text, strlen (text), sample);
}

/* ---- balloon ---- */

static JsonNode *
qom (PvtQmp *qmp, const char *command, const char *path, const char *property, gint64 value)
{
  g_autoptr (JsonObject) arguments = json_object_new ();

  json_object_set_string_member (arguments, "path", path);
  if (property)
    json_object_set_string_member (arguments, "property", property);
  if (value)
    json_object_set_int_member (arguments, "value", value);
  return pvt_qmp_execute (qmp, command, arguments, NULL);
}

static char *
find_in (PvtQmp *qmp, const char *container)
{
  g_autoptr (JsonNode) list = qom (qmp, "qom-list", container, NULL, 0);
  JsonArray *items = as_array (list);

  for (guint i = 0; items && i < json_array_get_length (items); i++)
    {
      JsonObject *item = as_object (json_array_get_element (items, i));
      const char *type = pvt_json_string (item, "type"), *name = pvt_json_string (item, "name");

      if (type && name && g_str_has_prefix (type, "child<virtio-balloon"))
        return g_strdup_printf ("%s/%s", container, name);
    }
  return NULL;
}

char *
pvt_look_find_balloon (PvtQmp *qmp)
{
  static const char period[] = "guest-stats-polling-interval";
  char *path = find_in (qmp, "/machine/peripheral");
  g_autoptr (JsonNode) old = NULL;

  if (path == NULL)
    path = find_in (qmp, "/machine/peripheral-anon");
  if (path == NULL)
    return NULL;
  old = qom (qmp, "qom-get", path, period, 0);
  /* One that somebody has asked already is left as it is. */
  if (node_int (old) == 0)
    {
      g_autoptr (JsonNode) set = qom (qmp, "qom-set", path, period, BALLOON_SECONDS);

      if (set == NULL)
        g_clear_pointer (&path, g_free);
    }
  return path;
}

gint64
pvt_look_balloon (PvtQmp *qmp, const char *path)
{
  g_autoptr (JsonNode) node = qom (qmp, "qom-get", path, "guest-stats", 0);
  JsonObject *stats = as_object (node);

  return stats ? node_int (json_object_get_member (stats, "last-update")) : 0;
}
