/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "partition-table-private.h"

#include <string.h>

#define HEADER_MIN 92
#define RESERVED 16384 /* at least this much is kept for entries */
#define MAX_ENTRIES 4096
#define MAX_ENTRY_SIZE 4096
#define MAX_TABLE (1024 * 1024)

/* A primary GPT that has been checked. */
typedef struct
{
  guint8 *header; /* a sector */
  guint8 *entries;
  guint32 header_size, n_entries, entry_size;
  guint32 sectors; /* that the entries take */
  guint64 entries_lba, first_usable, last_usable;
} Gpt;

static void
gpt_clear (Gpt *gpt)
{
  g_free (gpt->header);
  g_free (gpt->entries);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Gpt, gpt_clear)

static void
gpt_seal (const Gpt *gpt, guint8 *header)
{
  pvt_table_put32 (header + 88,
                   pvt_table_crc32 (gpt->entries, (gsize)gpt->n_entries * gpt->entry_size));
  pvt_table_put32 (header + 16, 0);
  pvt_table_put32 (header + 16, pvt_table_crc32 (header, gpt->header_size));
}

static gboolean
gpt_check_header (const PvtTableDisk *disk, Gpt *gpt, GError **error)
{
  guint8 *h = gpt->header;
  guint32 crc = pvt_table_get32 (h + 16), actual;

  gpt->header_size = pvt_table_get32 (h + 12);
  if (memcmp (h, "EFI PART", 8) != 0 || gpt->header_size < HEADER_MIN
      || gpt->header_size > disk->sector || pvt_table_get64 (h + 24) != 1)
    return pvt_table_refuse (error, PVT_TABLE_ERROR_DAMAGED, "the primary GPT header is damaged");
  pvt_table_put32 (h + 16, 0);
  actual = pvt_table_crc32 (h, gpt->header_size);
  pvt_table_put32 (h + 16, crc);
  if (crc != actual)
    return pvt_table_refuse (error, PVT_TABLE_ERROR_DAMAGED,
                             "the primary GPT header is damaged: its checksum is wrong");
  gpt->first_usable = pvt_table_get64 (h + 40);
  gpt->last_usable = pvt_table_get64 (h + 48);
  gpt->entries_lba = pvt_table_get64 (h + 72);
  gpt->n_entries = pvt_table_get32 (h + 80);
  gpt->entry_size = pvt_table_get32 (h + 84);
  if (gpt->n_entries == 0 || gpt->n_entries > MAX_ENTRIES || gpt->entry_size < 128
      || gpt->entry_size > MAX_ENTRY_SIZE || (gpt->entry_size & (gpt->entry_size - 1)) != 0
      || gpt->n_entries * gpt->entry_size > MAX_TABLE)
    return pvt_table_refuse (error, PVT_TABLE_ERROR_UNSUPPORTED,
                             "a GPT with %u entries of %u bytes is not grown", gpt->n_entries,
                             gpt->entry_size);
  gpt->sectors = (gpt->n_entries * gpt->entry_size + disk->sector - 1) / disk->sector;
  if (gpt->entries_lba < 2 || gpt->first_usable > gpt->last_usable
      || gpt->last_usable >= disk->sectors || gpt->entries_lba >= gpt->first_usable
      || gpt->first_usable - gpt->entries_lba < gpt->sectors)
    return pvt_table_refuse (error, PVT_TABLE_ERROR_DAMAGED,
                             "the GPT does not fit the disk: usable sectors %" G_GUINT64_FORMAT
                             " to %" G_GUINT64_FORMAT " of %" G_GUINT64_FORMAT,
                             gpt->first_usable, gpt->last_usable, disk->sectors);
  return TRUE;
}

static gboolean
gpt_load (const PvtTableDisk *disk, Gpt *gpt, GError **error)
{
  gpt->header = g_malloc (disk->sector);
  if (!disk->read (disk->user_data, 1, 1, gpt->header, error)
      || !gpt_check_header (disk, gpt, error))
    return FALSE;
  gpt->entries = g_malloc ((gsize)gpt->sectors * disk->sector);
  if (!disk->read (disk->user_data, gpt->entries_lba, gpt->sectors, gpt->entries, error))
    return FALSE;
  if (pvt_table_get32 (gpt->header + 88)
      != pvt_table_crc32 (gpt->entries, (gsize)gpt->n_entries * gpt->entry_size))
    return pvt_table_refuse (error, PVT_TABLE_ERROR_DAMAGED,
                             "the primary GPT is damaged: the checksum of its entries is wrong");
  return TRUE;
}

static guint8 *
gpt_entry (const Gpt *gpt, guint number)
{
  return gpt->entries + (gsize)(number - 1) * gpt->entry_size;
}

static gboolean
gpt_is_used (const guint8 *entry)
{
  static const guint8 unused[16];

  return memcmp (entry, unused, sizeof unused) != 0;
}

static gboolean
gpt_find (const Gpt *gpt, PvtTablePlace *place, GError **error)
{
  if (place->number < 1 || place->number > gpt->n_entries
      || !gpt_is_used (gpt_entry (gpt, place->number)))
    return pvt_table_refuse (error, PVT_TABLE_ERROR_DAMAGED, "the GPT has no partition %u",
                             place->number);
  place->first = pvt_table_get64 (gpt_entry (gpt, place->number) + 32);
  place->last = pvt_table_get64 (gpt_entry (gpt, place->number) + 40);
  for (guint i = 1; i <= gpt->n_entries; i++)
    {
      const guint8 *entry = gpt_entry (gpt, i);
      guint64 first = pvt_table_get64 (entry + 32), last = pvt_table_get64 (entry + 40);

      if (!gpt_is_used (entry))
        continue;
      if (first < gpt->first_usable || last < first || last > gpt->last_usable)
        return pvt_table_refuse (error, PVT_TABLE_ERROR_DAMAGED,
                                 "partition %u does not lie in the usable part of the disk", i);
      if (!pvt_table_look_at_other (place, i, first, last, error))
        return FALSE;
    }
  return pvt_table_check_is_last (place, error);
}

/* The backup: entries, then the header in the disk's last sector. */
static void
gpt_write_backup (const PvtTableDisk *disk, const Gpt *gpt, guint32 reserve, PvtTablePlan *plan)
{
  gsize len = ((gsize)reserve + 1) * disk->sector;
  guint64 first = disk->sectors - 1 - reserve;
  guint8 *data = g_malloc0 (len), *header = data + (gsize)reserve * disk->sector;

  memcpy (data, gpt->entries, (gsize)gpt->sectors * disk->sector);
  memcpy (header, gpt->header, disk->sector);
  pvt_table_put64 (header + 24, disk->sectors - 1);
  pvt_table_put64 (header + 32, 1);
  pvt_table_put64 (header + 72, first);
  gpt_seal (gpt, header);
  pvt_table_write (plan, first * disk->sector, data, len);
}

/* Header and entries stand together as a rule and are then one write: the time
 * that the primary table does not hold together is the shortest possible. */
static void
gpt_write_primary (const PvtTableDisk *disk, const Gpt *gpt, PvtTablePlan *plan)
{
  gsize len = (gsize)gpt->sectors * disk->sector;
  guint8 *data;

  if (gpt->entries_lba != 2)
    {
      pvt_table_write (plan, gpt->entries_lba * disk->sector, g_memdup2 (gpt->entries, len), len);
      pvt_table_write (plan, disk->sector, g_memdup2 (gpt->header, disk->sector), disk->sector);
      return;
    }
  data = g_malloc (disk->sector + len);
  memcpy (data, gpt->header, disk->sector);
  memcpy (data + disk->sector, gpt->entries, len);
  pvt_table_write (plan, disk->sector, data, disk->sector + len);
}

/* The MBR before a GPT says how long the disk is. */
static void
gpt_write_protective (const PvtTableDisk *disk, guint8 *sector, guint number, PvtTablePlan *plan)
{
  guint8 *entry = pvt_table_mbr_entry (sector, number);
  guint32 size = (guint32)MIN (disk->sectors - 1, PVT_MBR_MAX_LBA);

  if (pvt_table_get32 (entry + 8) != 1 || pvt_table_get32 (entry + 12) == size)
    return;
  pvt_table_put_chs (entry + 5, size);
  pvt_table_put32 (entry + 12, size);
  pvt_table_write (plan, 0, g_memdup2 (sector, disk->sector), disk->sector);
}

gboolean
pvt_table_plan_gpt (const PvtTableDisk *disk, guint8 *sector, guint protective, guint number,
                    PvtTablePlan *plan, GError **error)
{
  g_auto (Gpt) gpt = { 0 };
  PvtTablePlace place = { .number = number };
  guint32 reserve;
  guint64 usable, last;

  if (!gpt_load (disk, &gpt, error) || !gpt_find (&gpt, &place, error))
    return FALSE;
  reserve = MAX (gpt.sectors, RESERVED / disk->sector);
  usable = disk->sectors > reserve + 2 ? disk->sectors - 2 - reserve : 0;
  last = MAX (pvt_table_aligned_end (disk, usable), place.last);
  plan->kind = PVT_TABLE_GPT;
  pvt_table_set_lengths (plan, disk, &place, last);
  if (last == place.last)
    return TRUE;
  pvt_table_put64 (gpt_entry (&gpt, number) + 40, last);
  pvt_table_put64 (gpt.header + 32, disk->sectors - 1);
  pvt_table_put64 (gpt.header + 48, usable);
  gpt_seal (&gpt, gpt.header);
  gpt_write_backup (disk, &gpt, reserve, plan);
  gpt_write_primary (disk, &gpt, plan);
  gpt_write_protective (disk, sector, protective, plan);
  return TRUE;
}
