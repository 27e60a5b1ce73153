/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Memory blocks: /sys/devices/system/memory, see the kernel's memory-hotplug.rst. */
#pragma once

#include "root.h"

typedef struct
{
  guint64 index;
  gboolean online;
  gboolean removable;
} PvtMemblock;

/* All blocks by index; empty when the kernel has no memory hot-plug. */
GArray *pvt_memblocks_read (const PvtRoot *root, GError **error);

/* Bytes in a block. */
gboolean pvt_memblock_size (const PvtRoot *root, guint64 *size, GError **error);

/* Takes a block online or offline; 0 when it is so already. -ENOENT: there is no
 * such block, -EOPNOTSUPP: the kernel cannot, else -errno of the attempt. */
int pvt_memblock_switch (const PvtRoot *root, guint64 index, gboolean online);
