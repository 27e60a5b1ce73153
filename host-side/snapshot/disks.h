/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Snapshots of all disks of a QEMU in one transaction: each goes on in a new
 * overlay, and what it had until then stays as it is in its file. Under
 * pvtools-vmm, whose images are raw, it is the other way round: the new file is a
 * copy as of that instant, and the guest goes on in its own. */
#pragma once

#include "qmp.h"

typedef struct
{
  char *device;        /* QEMU's name of the drive, or of its node */
  gboolean node;       /* the latter */
  gboolean copies;     /* what is made is the snapshot, not an overlay */
  const char *format;  /* of what is made */
  char *file;          /* the disk's until then */
  char *made;          /* what the transaction makes */
} PvtSnapshotDisk;

/* Which of the two is the snapshot, and where the guest writes afterwards; NULL
 * when QEMU does not tell the file's name. */
const char *pvt_snapshot_disk_snapshot (const PvtSnapshotDisk *disk);
const char *pvt_snapshot_disk_active (const PvtSnapshotDisk *disk);

/* The writable disks of a QEMU, each with the name of a file in @directory that
 * does not exist yet. An error when there is none, or when one exists. */
GPtrArray *pvt_snapshot_disks (PvtQmp *qmp, const char *directory, const char *label,
                               GError **error);

/* All of them at one instant, or none. Files that a refused transaction made are
 * removed. */
gboolean pvt_snapshot_take (PvtQmp *qmp, GPtrArray *disks, GError **error);
