/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the two kinds of table share; for partition-table.c and partition-gpt.c. */
#pragma once

#include "partition-table.h"

#define PVT_MBR_MAX_LBA 0xffffffffu

/* What the partition's place among the others means for growing it. */
typedef struct
{
  guint number;        /* of the partition to grow */
  guint64 first, last; /* its sectors */
  guint behind;        /* the nearest one behind it, 0 for none */
  guint64 behind_first;
} PvtTablePlace;

/* Numbers in tables are little-endian and lie anywhere. */
static inline guint32
pvt_table_get32 (const guint8 *p)
{
  return p[0] | (guint32)p[1] << 8 | (guint32)p[2] << 16 | (guint32)p[3] << 24;
}

static inline guint64
pvt_table_get64 (const guint8 *p)
{
  return pvt_table_get32 (p) | (guint64)pvt_table_get32 (p + 4) << 32;
}

static inline void
pvt_table_put32 (guint8 *p, guint32 value)
{
  for (int i = 0; i < 4; i++)
    p[i] = (guint8)(value >> 8 * i);
}

static inline void
pvt_table_put64 (guint8 *p, guint64 value)
{
  pvt_table_put32 (p, (guint32)value);
  pvt_table_put32 (p + 4, (guint32)(value >> 32));
}

/* Sets the error; FALSE, to return it at once. */
gboolean pvt_table_refuse (GError **error, PvtTableError code, const char *format, ...)
    G_GNUC_PRINTF (3, 4);

/* Takes @data. */
void pvt_table_write (PvtTablePlan *plan, guint64 offset, guint8 *data, gsize len);

/* The last sector, up to @limit, that a partition ends well at. */
guint64 pvt_table_aligned_end (const PvtTableDisk *disk, guint64 limit);

void pvt_table_set_lengths (PvtTablePlan *plan, const PvtTableDisk *disk,
                            const PvtTablePlace *place, guint64 new_last);

/* FALSE when that other partition overlaps the one to grow. */
gboolean pvt_table_look_at_other (PvtTablePlace *place, guint number, guint64 first, guint64 last,
                                  GError **error);
gboolean pvt_table_check_is_last (const PvtTablePlace *place, GError **error);

/* Entry @number, from 1, of the MBR in @sector. */
guint8 *pvt_table_mbr_entry (guint8 *sector, guint number);

/* Cylinder, head and sector as all tools count them; the largest where they end. */
void pvt_table_put_chs (guint8 *p, guint64 lba);

/* @protective: number of the entry in the MBR @sector that stands for the GPT. */
gboolean pvt_table_plan_gpt (const PvtTableDisk *disk, guint8 *sector, guint protective,
                             guint number, PvtTablePlan *plan, GError **error);
