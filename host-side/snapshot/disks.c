/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "disks.h"

#include "host-side/client/json-tree.h"
#include "pvt-error.h"

#include <string.h>
#include <unistd.h>

static void
free_disk (gpointer data)
{
  PvtSnapshotDisk *disk = data;

  g_free (disk->device);
  g_free (disk->file);
  g_free (disk->made);
  g_free (disk);
}

static JsonObject *
object_member (JsonObject *object, const char *name)
{
  JsonNode *member = object ? json_object_get_member (object, name) : NULL;

  return member && JSON_NODE_HOLDS_OBJECT (member) ? json_node_get_object (member) : NULL;
}

static gboolean
is_read_only (JsonObject *inserted)
{
  JsonNode *member = json_object_get_member (inserted, "ro");

  return member == NULL || json_node_get_value_type (member) != G_TYPE_BOOLEAN
         || json_node_get_boolean (member);
}

/* Names of drives may have what file names must not. */
static char *
name_of (const char *directory, const char *label, const char *device, const char *format)
{
  g_autofree char *safe = g_strdup (device);
  g_autofree char *name = NULL;

  g_strcanon (safe, G_CSET_a_2_z G_CSET_A_2_Z G_CSET_DIGITS "-._", '_');
  name = g_strdup_printf ("%s-%s.%s", label, safe, format);
  return g_build_filename (directory, name, NULL);
}

/* QEMU names a node without a file name of its own by its JSON: the file that it
 * is in is told then. The caller frees; NULL for NULL. */
static char *
plain_name (const char *name)
{
  g_autoptr (JsonNode) node = NULL;
  const char *inner;

  if (name == NULL || !g_str_has_prefix (name, "json:"))
    return g_strdup (name);
  name += strlen ("json:");
  node = pvt_json_tree_new ((PvtSlice){ name, strlen (name) }, NULL);
  inner = node ? pvt_json_string (object_member (json_node_get_object (node), "file"), "filename") : NULL;
  return g_strdup (inner ? inner : name);
}

/* NULL for what is no writable disk. */
static PvtSnapshotDisk *
describe (JsonObject *entry, const char *directory, const char *label)
{
  JsonObject *inserted = object_member (entry, "inserted");
  const char *device = pvt_json_string (entry, "device");
  const char *node = pvt_json_string (inserted, "node-name");
  const char *file = pvt_json_string (object_member (inserted, "image"), "filename");
  PvtSnapshotDisk *disk;

  if (inserted == NULL || is_read_only (inserted))
    return NULL;
  if ((device == NULL || *device == '\0') && node == NULL)
    return NULL;
  disk = g_new0 (PvtSnapshotDisk, 1);
  disk->node = device == NULL || *device == '\0';
  disk->device = g_strdup (disk->node ? node : device);
  disk->file = plain_name (file ? file : pvt_json_string (inserted, "file"));
  /* pvtools-vmm says so of each disk; QEMU knows no such thing. */
  disk->copies = g_strcmp0 (pvt_json_string (inserted, "__pvtools_snapshot-copy"), "raw") == 0;
  disk->format = disk->copies ? "raw" : "qcow2";
  disk->made = name_of (directory, label, disk->device, disk->format);
  return disk;
}

const char *
pvt_snapshot_disk_snapshot (const PvtSnapshotDisk *disk)
{
  return disk->copies ? disk->made : disk->file;
}

const char *
pvt_snapshot_disk_active (const PvtSnapshotDisk *disk)
{
  return disk->copies ? disk->file : disk->made;
}

GPtrArray *
pvt_snapshot_disks (PvtQmp *qmp, const char *directory, const char *label, GError **error)
{
  g_autoptr (JsonNode) list = pvt_qmp_execute (qmp, "query-block", NULL, error);
  g_autoptr (GPtrArray) disks = g_ptr_array_new_with_free_func (free_disk);
  JsonArray *items;

  if (list == NULL)
    return NULL;
  items = JSON_NODE_HOLDS_ARRAY (list) ? json_node_get_array (list) : NULL;
  for (guint i = 0; items && i < json_array_get_length (items); i++)
    {
      JsonNode *item = json_array_get_element (items, i);
      PvtSnapshotDisk *disk = JSON_NODE_HOLDS_OBJECT (item)
                                  ? describe (json_node_get_object (item), directory, label)
                                  : NULL;

      if (disk == NULL)
        continue;
      g_ptr_array_add (disks, disk);
      if (access (disk->made, F_OK) == 0)
        {
          g_set_error (error, PVT_CLIENT_ERROR, PVT_CLIENT_ERROR_FAILED, "%s exists already",
                       disk->made);
          return NULL;
        }
    }
  if (disks->len > 0)
    return g_steal_pointer (&disks);
  g_set_error_literal (error, PVT_CLIENT_ERROR, PVT_CLIENT_ERROR_FAILED,
                       "this QEMU has no writable disk");
  return NULL;
}

static JsonObject *
make_transaction (GPtrArray *disks)
{
  JsonObject *arguments = json_object_new ();
  JsonArray *actions = json_array_new ();

  for (guint i = 0; i < disks->len; i++)
    {
      const PvtSnapshotDisk *disk = disks->pdata[i];
      JsonObject *action = json_object_new (), *data = json_object_new ();

      json_object_set_string_member (data, disk->node ? "node-name" : "device", disk->device);
      json_object_set_string_member (data, "snapshot-file", disk->made);
      json_object_set_string_member (data, "format", disk->format);
      json_object_set_string_member (action, "type", "blockdev-snapshot-sync");
      json_object_set_object_member (action, "data", data);
      json_array_add_object_element (actions, action);
    }
  json_object_set_array_member (arguments, "actions", actions);
  return arguments;
}

gboolean
pvt_snapshot_take (PvtQmp *qmp, GPtrArray *disks, GError **error)
{
  g_autoptr (JsonObject) arguments = make_transaction (disks);
  GError *failure = NULL;
  g_autoptr (JsonNode) done = pvt_qmp_execute (qmp, "transaction", arguments, &failure);

  if (done)
    return TRUE;
  /* Only a refusal says that QEMU does not use them. */
  for (guint i = 0; i < disks->len
                    && g_error_matches (failure, PVT_CLIENT_ERROR, PVT_CLIENT_ERROR_FAILED); i++)
    unlink (((PvtSnapshotDisk *) disks->pdata[i])->made);
  g_propagate_error (error, failure);
  return FALSE;
}
