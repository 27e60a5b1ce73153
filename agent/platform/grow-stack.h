/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a block device lies on, as far as growing it goes. */
#pragma once

#include "root.h"

typedef enum
{
  PVT_STACK_DISK,
  PVT_STACK_PARTITION,
  PVT_STACK_LV, /* a plain logical volume of LVM */
} PvtStackKind;

/* Names are the kernel's, such as vda1 or dm-0. */
typedef struct
{
  PvtStackKind kind;
  guint64 size;  /* in bytes, as the kernel has it now */
  char *node;    /* /dev/...; of a logical volume /dev/mapper/... */
  char **below;  /* the disk of a partition, the physical volumes of a volume; names */
  guint number;  /* of a partition */
  guint64 start; /* of a partition, in bytes */
} PvtStackDevice;

/* NULL with an error that says what kind of device it is when it cannot be grown. */
PvtStackDevice *pvt_stack_look (const PvtRoot *root, const char *name, GError **error);
void pvt_stack_free (PvtStackDevice *device);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (PvtStackDevice, pvt_stack_free)

/* The size of a device in bytes, again. */
gboolean pvt_stack_size (const PvtRoot *root, const char *name, guint64 *size, GError **error);

/* The kernel's name of a block device's node; FALSE when it is none. */
gboolean pvt_stack_name (const PvtRoot *root, const char *node, char *name, gsize size,
                         GError **error);
