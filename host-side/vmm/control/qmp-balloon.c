/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qmp-balloon.h"

#include "host-side/vmm/machine/machine.h"
#include "host-side/vmm/virtio/balloon-device.h"

#include <gio/gio.h>
#include <virtio/device.h>

#define STATS "guest-stats"
#define INTERVAL "guest-stats-polling-interval"

static struct vdev *
find (QmpContext *context)
{
  for (unsigned i = 0; i < context->machine->n_devices; i++)
    if (context->machine->devices[i]->id == VIRTIO_ID_BALLOON)
      return context->machine->devices[i];
  return NULL;
}

static struct vdev *
need (QmpContext *context, GError **error)
{
  struct vdev *balloon = find (context);

  if (balloon == NULL)
    g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND, "No balloon device has been activated");
  return balloon;
}

JsonNode *
qmp_balloon (QmpContext *context, JsonObject *arguments, GError **error)
{
  struct vdev *balloon = need (context, error);
  JsonNode *value = arguments ? json_object_get_member (arguments, "value") : NULL;

  if (balloon == NULL)
    return NULL;
  if (value == NULL || json_node_get_value_type (value) != G_TYPE_INT64 || json_node_get_int (value) <= 0)
    {
      g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
                           "Parameter 'value' expects a size in bytes");
      return NULL;
    }
  balloon_set_target (balloon, (uint64_t) json_node_get_int (value));
  return qmp_nothing ();
}

JsonNode *
qmp_query_balloon (QmpContext *context, JsonObject *arguments, GError **error)
{
  struct vdev *balloon = need (context, error);
  JsonObject *object;

  if (balloon == NULL)
    return NULL;
  object = json_object_new ();
  json_object_set_int_member (object, "actual", (gint64) balloon_actual (balloon));
  return qmp_take_object (object);
}

/* ---- the object ---- */

static void
add_entry (JsonArray *array, const char *name, const char *type)
{
  JsonObject *entry = json_object_new ();

  json_object_set_string_member (entry, "name", name);
  json_object_set_string_member (entry, "type", type);
  json_array_add_object_element (array, entry);
}

void
qmp_balloon_list (QmpContext *context, const char *path, JsonArray *array)
{
  if (find (context) == NULL)
    return;
  if (strcmp (path, QMP_PERIPHERAL) == 0)
    add_entry (array, "balloon0", "child<virtio-balloon>");
  else if (strcmp (path, QMP_PERIPHERAL "/balloon0") == 0)
    {
      add_entry (array, STATS, "guest statistics");
      add_entry (array, INTERVAL, "int");
    }
}

/* What a guest does not tell is -1, as it comes from QEMU when read as a signed number. */
static JsonNode *
describe (struct vdev *balloon)
{
  JsonObject *object = json_object_new (), *values = json_object_new ();
  struct balloon_stats stats;

  balloon_describe (balloon, &stats);
  for (unsigned i = 0; i < BALLOON_STATS; i++)
    json_object_set_int_member (values, balloon_stat_name (i), (gint64) stats.value[i]);
  json_object_set_object_member (object, "stats", values);
  json_object_set_int_member (object, "last-update", stats.updated);
  return qmp_take_object (object);
}

static struct vdev *
at (QmpContext *context, const char *path)
{
  return strcmp (path, QMP_PERIPHERAL "/balloon0") == 0 ? find (context) : NULL;
}

JsonNode *
qmp_balloon_get (QmpContext *context, const char *path, const char *property)
{
  struct vdev *balloon = at (context, path);

  if (balloon && strcmp (property, STATS) == 0)
    return describe (balloon);
  if (balloon && strcmp (property, INTERVAL) == 0)
    return json_node_init_int (json_node_alloc (), (gint64) balloon_interval (balloon));
  return NULL;
}

gboolean
qmp_balloon_set (QmpContext *context, const char *path, const char *property, JsonNode *value,
                 GError **error)
{
  struct vdev *balloon = strcmp (property, INTERVAL) == 0 ? at (context, path) : NULL;

  if (balloon == NULL)
    g_set_error (error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND, "%s has no property '%s' to be set", path,
                 property);
  else if (value == NULL || json_node_get_value_type (value) != G_TYPE_INT64
           || json_node_get_int (value) < 0
           || balloon_set_interval (balloon, (uint64_t) json_node_get_int (value)) < 0)
    g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
                 "Parameter 'value' expects seconds from 0 to %u", BALLOON_INTERVAL_MAX);
  else
    return TRUE;
  return FALSE;
}
