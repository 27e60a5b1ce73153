/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Block devices and where they are plugged in, from sysfs. */
#pragma once

#include "root.h"

/* What carries a disk; the names are the host's. */
typedef enum
{
  PVT_BUS_UNKNOWN,
  PVT_BUS_VIRTIO,
  PVT_BUS_SCSI,
  PVT_BUS_SATA,
  PVT_BUS_IDE,
  PVT_BUS_NVME,
  PVT_BUS_USB,
  PVT_BUS_MMC,
  PVT_BUS_XEN,
} PvtBus;

/*
 * Where a disk is, in the terms hypervisors address disks by: for virtio-blk
 * and NVMe the PCI function is the disk's own; for SCSI, SATA and IDE it is the
 * controller's, and bus, target and unit find the disk behind it.
 */
typedef struct
{
  PvtBus kind;
  int pci[4]; /* domain, bus, slot, function; all -1: not on PCI */
  int bus, target, unit;
  char *serial; /* or NULL */
  char *node;   /* /dev/... */
} PvtDiskPlace;

typedef struct
{
  char *name; /* the kernel's, such as vda1 or cciss!c0d0 */
  char *node; /* /dev/... */
  gboolean partition;
  GPtrArray *depends; /* nodes it is made of */
  char *alias;        /* /dev/mapper/... or NULL */
} PvtBlockdev;

/* What a sysfs device path says, all but serial and node. The unit behind an
 * ATA controller needs a look into sysfs and is left 0. Pure. */
void pvt_blockdev_parse_path (const char *path, PvtDiskPlace *place);

/* The kernel's name of a device number; FALSE when there is none such. */
gboolean pvt_blockdev_name (const PvtRoot *root, guint major, guint minor, char *name, gsize size);

/* Appends the disks that a device lies on: itself, or those below a stack of
 * device-mapper, md and the like; each disk once. */
void pvt_blockdev_places (const PvtRoot *root, const char *name, GPtrArray *places);

/* The names of the devices that one is made of, sorted; empty for a plain disk or
 * a partition. The caller frees with g_strfreev(). */
char **pvt_blockdev_slaves (const PvtRoot *root, const char *name);

/* An array that frees its PvtDiskPlaces. */
GPtrArray *pvt_disk_places_new (void);

/* The names of all devices of the btrfs that has this one among them; at least
 * itself. The caller frees. */
char **pvt_btrfs_devices (const PvtRoot *root, const char *name);

/* All disks that have a size, and their partitions; the caller unrefs. */
GPtrArray *pvt_blockdevs_list (const PvtRoot *root, GError **error);
