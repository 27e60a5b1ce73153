/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "report.h"

#include <sys/wait.h>

static void
add_time (JsonObject *object, const char *name, gint64 ns)
{
  if (ns)
    json_object_set_int_member (object, name, ns);
}

static JsonArray *
describe_disks (const PvtSnapshotOfGuest *snapshot)
{
  JsonArray *list = json_array_new ();

  for (guint i = 0; i < snapshot->disks->len; i++)
    {
      const PvtSnapshotDisk *disk = snapshot->disks->pdata[i];
      JsonObject *entry = json_object_new ();

      json_object_set_string_member (entry, "disk", disk->device);
      json_object_set_boolean_member (entry, "taken", snapshot->taken);
      if (pvt_snapshot_disk_snapshot (disk))
        json_object_set_string_member (entry, "snapshot", pvt_snapshot_disk_snapshot (disk));
      if (!disk->copies)
        json_object_set_string_member (entry, "overlay", disk->made);
      json_object_set_boolean_member (entry, "inside-the-freeze",
                                      snapshot->taken && snapshot->guest->held == PVT_HELD_PROVEN);
      json_array_add_object_element (list, entry);
    }
  return list;
}

static const PvtSnapshotOfGuest *
find_snapshot (GPtrArray *snapshots, const PvtHeldGuest *guest)
{
  for (guint i = 0; snapshots && i < snapshots->len; i++)
    if (((const PvtSnapshotOfGuest *) snapshots->pdata[i])->guest == guest)
      return snapshots->pdata[i];
  return NULL;
}

static JsonObject *
describe_guest (const PvtHeldGuest *guest, GPtrArray *snapshots)
{
  const PvtSnapshotOfGuest *snapshot = find_snapshot (snapshots, guest);
  JsonObject *object = json_object_new ();

  json_object_set_string_member (object, "guest", guest->address);
  json_object_set_string_member (object, "verdict", pvt_held_text (guest->held));
  json_object_set_int_member (object, "filesystems", guest->n_filesystems);
  if (guest->generation)
    json_object_set_int_member (object, "freeze", (gint64) guest->generation);
  /* All on one clock, the guest's CLOCK_BOOTTIME in ns: the order is the proof. */
  add_time (object, "frozen-at", guest->frozen_at);
  add_time (object, "seen-frozen-before", guest->before);
  add_time (object, "seen-frozen-after", guest->after);
  add_time (object, "thaw-began", guest->thaw_began);
  json_object_set_boolean_member (object, "thawed", !guest->stuck);
  if (guest->trouble)
    json_object_set_string_member (object, "trouble", guest->trouble);
  if (snapshot && snapshot->disks)
    json_object_set_array_member (object, "disks", describe_disks (snapshot));
  return object;
}

JsonNode *
pvt_report_json (const PvtGroup *group, GPtrArray *snapshots, int command_status)
{
  JsonNode *node = json_node_new (JSON_NODE_OBJECT);
  JsonObject *object = json_object_new ();
  JsonArray *guests = json_array_new ();

  for (guint i = 0; i < group->guests->len; i++)
    json_array_add_object_element (guests, describe_guest (group->guests->pdata[i], snapshots));
  json_object_set_string_member (object, "verdict", pvt_held_text (pvt_group_held (group)));
  if (snapshots == NULL && WIFEXITED (command_status))
    json_object_set_int_member (object, "command-exit", WEXITSTATUS (command_status));
  if (snapshots == NULL && WIFSIGNALED (command_status))
    json_object_set_int_member (object, "command-signal", WTERMSIG (command_status));
  json_object_set_array_member (object, "guests", guests);
  json_node_take_object (node, object);
  return node;
}

static double
seconds (gint64 ns)
{
  return (double) ns / 1e9;
}

char *
pvt_report_line (const PvtHeldGuest *guest)
{
  GString *text = g_string_new (NULL);

  g_string_append_printf (text, "%s: %s", guest->address, pvt_held_text (guest->held));
  if (guest->n_filesystems)
    g_string_append_printf (text, ", %u filesystem%s", guest->n_filesystems,
                            guest->n_filesystems == 1 ? "" : "s");
  if (guest->held == PVT_HELD_PROVEN)
    g_string_append_printf (text,
                            " held %.3f s\n  on the guest's clock: frozen at %.3f s, snapshot between "
                            "%.3f s and %.3f s, thaw from %.3f s",
                            seconds (guest->thaw_began - guest->frozen_at), seconds (guest->frozen_at),
                            seconds (guest->before), seconds (guest->after),
                            seconds (guest->thaw_began));
  else if (guest->held == PVT_HELD_UNPROVEN)
    g_string_append (text, "\n  its agent cannot tell whether it stayed so all the time");
  if (guest->trouble)
    g_string_append_printf (text, "\n  %s", guest->trouble);
  if (guest->stuck)
    g_string_append (text, guest->leases
                               ? "\n  it could not be thawed from here; it thaws by itself within 10 s"
                               : "\n  it could not be thawed from here, and may stay frozen");
  return g_string_free (text, FALSE);
}
