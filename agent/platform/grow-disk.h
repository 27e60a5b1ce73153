/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A disk's size and its partition table, for growing. */
#pragma once

#include "grow-stack.h"
#include "partition-table.h"

/* Lets the kernel ask the disk for its size, where it does not notice itself. */
gboolean pvt_disk_rescan (const PvtRoot *root, const char *name, GError **error);

/*
 * What growing the partition takes, with the disk and the kernel of one mind
 * about where it lies. Errors about the table are PVT_TABLE_ERROR.
 */
PvtTablePlan *pvt_partition_plan (const PvtRoot *root, const PvtStackDevice *disk,
                                  const char *disk_name, const PvtStackDevice *partition,
                                  GError **error);

/* Writes the table and tells the kernel. */
gboolean pvt_partition_grow (const PvtRoot *root, const PvtStackDevice *disk, const char *disk_name,
                             const PvtStackDevice *partition, GError **error);
