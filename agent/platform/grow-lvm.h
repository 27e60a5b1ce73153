/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* LVM through its own program: its metadata is nobody else's to write. */
#pragma once

#include <glib.h>

typedef struct
{
  guint64 pv_size;     /* bytes the volume group can use of the physical volume */
  guint64 device_size; /* bytes of its device */
  guint64 pe_start;    /* where its extents begin */
  guint64 extent_size;
  guint64 vg_free; /* bytes free in the whole volume group */
} PvtLvmPv;

/* @node: of a physical volume. */
gboolean pvt_lvm_look (const char *node, PvtLvmPv *pv, GError **error);

/* What its output says, pure: five blank-separated numbers. */
gboolean pvt_lvm_parse (const char *text, PvtLvmPv *pv);

/* What the physical volume comes to on a device of that many bytes. */
guint64 pvt_lvm_pv_target (const PvtLvmPv *pv, guint64 device_size);

gboolean pvt_lvm_grow_pv (const char *node, GError **error);
/* By all free extents of its volume group. */
gboolean pvt_lvm_grow_lv (const char *node, GError **error);
