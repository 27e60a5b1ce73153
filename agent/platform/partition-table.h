/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * GPT and MBR partition tables: reading them, and what has to be written to
 * grow a disk's last partition to its end. Pure: sectors come from a callback
 * and the writes are only planned. See the UEFI specification, chapter 5.
 */
#pragma once

#include <glib.h>

typedef enum
{
  PVT_TABLE_MBR,
  PVT_TABLE_GPT,
} PvtTableKind;

#define PVT_TABLE_ERROR (pvt_table_error_quark ())
GQuark pvt_table_error_quark (void);

typedef enum
{
  PVT_TABLE_ERROR_DAMAGED,     /* breaks the rules; nothing is touched */
  PVT_TABLE_ERROR_UNSUPPORTED, /* no table, or one that is not grown here */
  PVT_TABLE_ERROR_NOT_LAST,    /* another partition stands behind it */
} PvtTableError;

/* A disk as its table sees it. */
typedef struct
{
  guint32 sector;  /* bytes of a logical sector: 512 to 4096 */
  guint64 sectors; /* how many there are */
  /* Reads @count whole sectors from @lba; FALSE with @error. Only asked for
   * sectors that are on the disk. */
  gboolean (*read) (gpointer user_data, guint64 lba, guint32 count, guint8 *buf, GError **error);
  gpointer user_data;
} PvtTableDisk;

/* Bytes to put on the disk; both whole sectors. */
typedef struct
{
  guint64 offset;
  guint8 *data;
  gsize len;
} PvtTableWrite;

typedef struct
{
  PvtTableKind kind;
  guint64 start;         /* of the partition, in bytes */
  guint64 before, after; /* its length in bytes; after is never smaller */
  gboolean at_limit;     /* MBR ends here, the disk does not */
  GPtrArray *writes;     /* of PvtTableWrite, none when it does not grow */
} PvtTablePlan;

/*
 * What growing partition @number (from 1) takes. Each write must be on the disk
 * before the next begins: the backup GPT comes first, so that at any moment one
 * of the two tables is valid. Old data is only ever overwritten by its like.
 */
PvtTablePlan *pvt_table_plan_growth (const PvtTableDisk *disk, guint number, GError **error);
void pvt_table_plan_free (PvtTablePlan *plan);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (PvtTablePlan, pvt_table_plan_free)

/* As GPT has it: the CRC-32 of IEEE 802.3. */
guint32 pvt_table_crc32 (const guint8 *data, gsize len);
