/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What became of a group and its snapshots, for people and for programs. */
#pragma once

#include "disks.h"
#include "group.h"

/* A guest's snapshots; NULL disks: it has none. */
typedef struct
{
  const PvtHeldGuest *guest;
  GPtrArray *disks; /* PvtSnapshotDisk */
  gboolean taken;
} PvtSnapshotOfGuest;

/* Object with a member for each guest; the caller unrefs. @snapshots NULL: a
 * command was run in their place, which ended with @command_status. */
JsonNode *pvt_report_json (const PvtGroup *group, GPtrArray *snapshots, int command_status);

/* One line about a guest's freeze; the caller frees. */
char *pvt_report_line (const PvtHeldGuest *guest);
