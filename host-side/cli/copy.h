/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Files and trees to and from a guest, over the extended channel or, plain files
 * only, over qemu-ga's commands. */
#pragma once

#include "cli.h"
#include "host-side/client/extended.h"

typedef struct
{
  PvtExtended *extended; /* NULL: client is used */
  PvtClient *client;
  gboolean recursive, resume, progress;
  /* counts for the end */
  guint files;
  guint64 bytes;
} PvtCopy;

/* One file of this machine to a path in the guest. */
gboolean pvt_copy_send_file (PvtCopy *copy, const char *from, const char *to, GError **error);

/* One file of the guest into the directory @dir of this machine as @name. */
gboolean pvt_copy_fetch_file (PvtCopy *copy, const char *from, int dir, const char *name,
                              GError **error);

/* Trees. */
gboolean pvt_copy_send_tree (PvtCopy *copy, const char *from, const char *to, GError **error);
gboolean pvt_copy_fetch_tree (PvtCopy *copy, const char *from, int dir, const char *name,
                              GError **error);

/* How far a file is, on a terminal; @done == @total: it is finished. */
void pvt_copy_progress (const PvtCopy *copy, const char *name, guint64 done, guint64 total);

gboolean pvt_copy_fail (GError **error, const char *what, const char *path);
