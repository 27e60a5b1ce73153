/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Telling disks which blocks are unused: FITRIM, see fstrim(8). */
#pragma once

#include "mountinfo.h"

typedef struct
{
  char *mountpoint;
  guint64 trimmed; /* bytes */
  guint64 minimum; /* the shortest range that was trimmed, bytes */
  char *error;     /* why not; NULL: it was */
} PvtTrimResult;

/* Trims every writable filesystem on a block device once, ranges of @minimum
 * bytes and more. *@cancelled ends it between two. The caller unrefs the array. */
GPtrArray *pvt_trim (const PvtRoot *root, guint64 minimum, const gint *cancelled, GError **error);
