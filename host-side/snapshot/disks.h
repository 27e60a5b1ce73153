/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Snapshots of all disks of a QEMU in one transaction: each goes on in a new
 * overlay, and what it had until then stays as it is in its file. */
#pragma once

#include "qmp.h"

typedef struct
{
  char *device;  /* QEMU's name of the drive, or of its node */
  gboolean node; /* the latter */
  char *file;    /* what is the snapshot from now on */
  char *overlay; /* where the guest writes from now on */
} PvtSnapshotDisk;

/* The writable disks of a QEMU, each with the name of an overlay in @directory
 * that does not exist yet. An error when there is none, or when one exists. */
GPtrArray *pvt_snapshot_disks (PvtQmp *qmp, const char *directory, const char *label,
                               GError **error);

/* All of them at one instant, or none. Files that a refused transaction made are
 * removed. */
gboolean pvt_snapshot_take (PvtQmp *qmp, GPtrArray *disks, GError **error);
