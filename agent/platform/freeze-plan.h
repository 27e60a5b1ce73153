/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which filesystems a freeze holds still, and in which order.
 *
 * Each superblock counts once, however many mounts show it (bind mounts, btrfs
 * subvolumes). Last mounted goes first, and a filesystem on a loop device goes
 * before the one that its file is on, even through device-mapper and md: the
 * other way round its own flush would wait for ever. Those of one tier do not
 * lie on each other and may be frozen at the same time.
 */
#pragma once

#include "mountinfo.h"

typedef struct
{
  guint major, minor;
  char *type;
  guint tier; /* 0: nothing planned lies on it; it comes after all lower tiers */
  GPtrArray *mounts; /* of this superblock, borrowed from the list of mounts; directories'
                        mountpoints cannot be told from files' here, so all are tried */
} PvtFreezeTarget;

/*
 * @mounts: all mounts. @only: mountpoints to take, NULL for all; one that is
 * not mounted is passed over. The caller unrefs the array of PvtFreezeTarget,
 * in the order of freezing, tier by tier; @mounts must outlive it.
 */
GPtrArray *pvt_freeze_plan (const PvtRoot *root, GPtrArray *mounts, char *const *only);

/*
 * Opens the filesystem through the first of its mounts that leads there; a
 * mountpoint may be hidden under another mount. -1 with @error when none does.
 * Blocks when the path leads through a dead network mount.
 */
int pvt_freeze_open (const PvtFreezeTarget *target, const char **mountpoint, GError **error);
