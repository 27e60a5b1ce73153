/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Growing mounted filesystems by the kernel's own calls. */
#pragma once

#include "root.h"

/* A mounted filesystem, open. */
typedef struct
{
  const PvtRoot *root;
  const char *type;
  const char *mountpoint;
  const char *node;  /* of its device */
  guint64 device_id; /* st_rdev of the node */
  int fd;            /* of the mountpoint */
  guint64 size;      /* bytes it has */
  guint64 unit;      /* its block size */
  guint64 btrfs_devid;
  guint32 xfs_ag_blocks; /* of an allocation group */
  guint32 xfs_imaxpct;
} PvtGrowFs;

gboolean pvt_grow_fs_known (const char *type);

/* Fills @fs, which keeps the texts given; FALSE with @error and nothing open. */
gboolean pvt_grow_fs_open (PvtGrowFs *fs, const PvtRoot *root, const char *type,
                           const char *mountpoint, const char *node, GError **error);
void pvt_grow_fs_close (PvtGrowFs *fs);

/* What it comes to on a device of that many bytes, never less than it has. FALSE
 * when the kernel is known to refuse it. */
gboolean pvt_grow_fs_target (const PvtGrowFs *fs, guint64 device_size, guint64 *target,
                             GError **error);

/* Grows to fill a device of that many bytes, and reads its size again. */
gboolean pvt_grow_fs_resize (PvtGrowFs *fs, guint64 device_size, GError **error);
