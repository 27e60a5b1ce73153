/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* /proc/meminfo in bytes: see proc(5). */
#pragma once

#include "root.h"

typedef struct
{
  guint64 total, free, available, buffers, cached, reclaimable, shared, dirty, writeback;
  guint64 swap_total, swap_free, swap_cached;
  guint64 huge_total, huge_free; /* pages */
  guint64 huge_size;             /* bytes; 0: the kernel has none */
  gboolean available_estimated;  /* the kernel is older than 3.14 */
} PvtMeminfo;

/* FALSE when there is no MemTotal: this is not a meminfo. */
gboolean pvt_meminfo_parse (const char *text, gsize len, PvtMeminfo *info);

gboolean pvt_meminfo_read (const PvtRoot *root, PvtMeminfo *info, GError **error);
