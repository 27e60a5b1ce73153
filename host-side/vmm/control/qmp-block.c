/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Disks on the control socket.
 *
 * Our images are raw, and a raw image cannot be the base of an overlay that the
 * guest goes on with. So a snapshot is the other way round: the guest goes on with
 * its file, and the snapshot is a copy as of one instant, at which no disk of the
 * transaction serves a request. "format" must be "raw": who asks for an overlay is
 * refused, and who looks at query-block first is told so. */
#include "qmp-commands.h"

#include "host-side/vmm/core/copier.h"
#include "host-side/vmm/machine/machine.h"
#include "host-side/vmm/virtio/devices.h"

#include <gio/gio.h>
#include <virtio/device.h>

static JsonObject *
describe_disk (const char *name, const struct blk_info *info)
{
  JsonObject *entry = json_object_new (), *inserted = json_object_new ();
  JsonObject *image = json_object_new ();

  json_object_set_string_member (image, "filename", info->path);
  json_object_set_string_member (image, "format", "raw");
  json_object_set_int_member (image, "virtual-size", (gint64) info->size);
  json_object_set_string_member (inserted, "file", info->path);
  json_object_set_string_member (inserted, "node-name", name);
  json_object_set_string_member (inserted, "drv", "raw");
  json_object_set_boolean_member (inserted, "ro", info->readonly);
  /* Names of QMP's extensions begin with two underscores. */
  json_object_set_string_member (inserted, "__pvtools_snapshot-copy", "raw");
  json_object_set_object_member (inserted, "image", image);
  json_object_set_string_member (entry, "device", name);
  json_object_set_string_member (entry, "type", "unknown");
  json_object_set_boolean_member (entry, "removable", FALSE);
  json_object_set_boolean_member (entry, "locked", FALSE);
  json_object_set_object_member (entry, "inserted", inserted);
  return entry;
}

/* The @index'th disk; NULL behind the last. */
static struct vdev *
disk_at (const struct machine *machine, guint index)
{
  for (unsigned i = 0; i < machine->n_devices; i++)
    if (machine->devices[i]->id == VIRTIO_ID_BLOCK && index-- == 0)
      return machine->devices[i];
  return NULL;
}

JsonNode *
qmp_query_block (QmpContext *context, JsonObject *arguments, GError **error)
{
  JsonArray *array = json_array_new ();
  struct vdev *disk;

  for (guint i = 0; (disk = disk_at (context->machine, i)); i++)
    {
      g_autofree char *name = g_strdup_printf ("drive%u", i);
      struct blk_info info;

      blk_describe (disk, &info);
      json_array_add_object_element (array, describe_disk (name, &info));
    }
  return qmp_take_array (array);
}

/* By "device" or "node-name", which are one here. */
static struct vdev *
find_disk (QmpContext *context, JsonObject *arguments, GError **error)
{
  gboolean node = arguments && json_object_has_member (arguments, "node-name");
  const char *wanted = qmp_argument (arguments, node ? "node-name" : "device", error);
  struct vdev *disk = NULL;

  if (wanted == NULL)
    return NULL;
  for (guint i = 0; (disk = disk_at (context->machine, i)); i++)
    {
      g_autofree char *name = g_strdup_printf ("drive%u", i);

      if (strcmp (name, wanted) == 0)
        return disk;
    }
  g_set_error (error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND, "Cannot find device='%s'", wanted);
  return NULL;
}

static void
fail (GError **error, const char *what, int ret)
{
  g_set_error (error, G_IO_ERROR, g_io_error_from_errno (-ret), "%s: %s", what, strerror (-ret));
}

JsonNode *
qmp_block_resize (QmpContext *context, JsonObject *arguments, GError **error)
{
  struct vdev *disk = find_disk (context, arguments, error);
  JsonNode *size = arguments ? json_object_get_member (arguments, "size") : NULL;
  int ret;

  if (disk == NULL)
    return NULL;
  if (size == NULL || json_node_get_value_type (size) != G_TYPE_INT64 || json_node_get_int (size) < 0)
    {
      g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT, "Parameter 'size' is missing");
      return NULL;
    }
  ret = blk_resize (disk, (uint64_t) json_node_get_int (size));
  if (ret == -EINVAL)
    g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
                         "a disk grows, by multiples of 512 bytes");
  else if (ret < 0)
    fail (error, "block_resize", ret);
  return ret < 0 ? NULL : qmp_nothing ();
}

/* ---- snapshots ---- */

typedef struct
{
  guint n;
  struct vdev *disks[COPIES_MAX];
  struct copy copies[COPIES_MAX];
} Plan;

static gboolean
is_given_as (JsonObject *data, const char *name, const char *value)
{
  return g_strcmp0 (qmp_argument (data, name, NULL), value) == 0;
}

static gboolean
plan_copy (QmpContext *context, Plan *plan, JsonObject *data, GError **error)
{
  struct vdev *disk = find_disk (context, data, error);
  const char *path = disk ? qmp_argument (data, "snapshot-file", error) : NULL;
  struct blk_info info;

  if (path == NULL)
    return FALSE;
  if (!is_given_as (data, "format", "raw")
      || (json_object_has_member (data, "mode") && !is_given_as (data, "mode", "absolute-paths")))
    {
      g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_NOT_SUPPORTED,
                           "a snapshot is a copy here, not an overlay: 'format' must be 'raw'");
      return FALSE;
    }
  for (guint i = 0; i < plan->n; i++)
    if (plan->disks[i] == disk)
      {
        g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT, "a disk is named twice");
        return FALSE;
      }
  blk_describe (disk, &info);
  plan->disks[plan->n] = disk;
  plan->copies[plan->n++] = (struct copy){ info.fd, info.size, path };
  return TRUE;
}

/* While no disk of the plan does anything. */
static JsonNode *
make_copies (QmpContext *context, const Plan *plan, GError **error)
{
  unsigned failed;
  int ret;

  if (context->machine->copier == NULL)
    {
      g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_NOT_SUPPORTED, "disks cannot be copied here");
      return NULL;
    }
  for (guint i = 0; i < plan->n; i++)
    vdev_hold (plan->disks[i]);
  ret = copier_copy (context->machine->copier, plan->copies, plan->n, &failed);
  for (guint i = 0; i < plan->n; i++)
    vdev_release (plan->disks[i]);
  if (ret == 0)
    return qmp_nothing ();
  fail (error, plan->copies[failed].path, ret);
  return NULL;
}

JsonNode *
qmp_snapshot (QmpContext *context, JsonObject *arguments, GError **error)
{
  Plan plan = { 0 };

  return plan_copy (context, &plan, arguments, error) ? make_copies (context, &plan, error) : NULL;
}

static gboolean
plan_action (QmpContext *context, Plan *plan, JsonNode *node, GError **error)
{
  JsonObject *action = JSON_NODE_HOLDS_OBJECT (node) ? json_node_get_object (node) : NULL;
  JsonNode *data = action ? json_object_get_member (action, "data") : NULL;

  if (action && is_given_as (action, "type", "blockdev-snapshot-sync") && data
      && JSON_NODE_HOLDS_OBJECT (data) && plan->n < COPIES_MAX)
    return plan_copy (context, plan, json_node_get_object (data), error);
  g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
                       "only actions of type 'blockdev-snapshot-sync' are known");
  return FALSE;
}

JsonNode *
qmp_transaction (QmpContext *context, JsonObject *arguments, GError **error)
{
  JsonNode *list = arguments ? json_object_get_member (arguments, "actions") : NULL;
  JsonArray *actions = list && JSON_NODE_HOLDS_ARRAY (list) ? json_node_get_array (list) : NULL;
  Plan plan = { 0 };

  if (actions == NULL || json_array_get_length (actions) == 0)
    {
      g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT, "Parameter 'actions' is missing");
      return NULL;
    }
  for (guint i = 0; i < json_array_get_length (actions); i++)
    if (!plan_action (context, &plan, json_array_get_element (actions, i), error))
      return NULL;
  return make_copies (context, &plan, error);
}
