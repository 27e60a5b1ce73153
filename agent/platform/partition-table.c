/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "partition-table-private.h"

#include <string.h>

#define MBR_ENTRIES 446
#define MBR_ENTRY_SIZE 16
#define TYPE_PROTECTIVE 0xee

/* Ends are put on whole MiB: every sector size and RAID stripe divides them. */
#define ALIGNMENT (1024 * 1024)

G_DEFINE_QUARK (pvt - table - error - quark, pvt_table_error)

guint32
pvt_table_crc32 (const guint8 *data, gsize len)
{
  guint32 crc = ~0u;

  for (gsize i = 0; i < len; i++)
    {
      crc ^= data[i];
      for (int bit = 0; bit < 8; bit++)
        crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
    }
  return ~crc;
}

gboolean
pvt_table_refuse (GError **error, PvtTableError code, const char *format, ...)
{
  va_list args;

  va_start (args, format);
  if (error)
    *error = g_error_new_valist (PVT_TABLE_ERROR, (gint)code, format, args);
  va_end (args);
  return FALSE;
}

static void
free_write (gpointer data)
{
  PvtTableWrite *write = data;

  g_free (write->data);
  g_free (write);
}

void
pvt_table_plan_free (PvtTablePlan *plan)
{
  g_ptr_array_unref (plan->writes);
  g_free (plan);
}

void
pvt_table_write (PvtTablePlan *plan, guint64 offset, guint8 *data, gsize len)
{
  PvtTableWrite *write = g_new (PvtTableWrite, 1);

  *write = (PvtTableWrite){ offset, data, len };
  g_ptr_array_add (plan->writes, write);
}

guint64
pvt_table_aligned_end (const PvtTableDisk *disk, guint64 limit)
{
  guint64 unit = ALIGNMENT / disk->sector;

  return limit < unit ? 0 : (limit + 1) / unit * unit - 1;
}

void
pvt_table_set_lengths (PvtTablePlan *plan, const PvtTableDisk *disk, const PvtTablePlace *place,
                       guint64 new_last)
{
  plan->start = place->first * disk->sector;
  plan->before = (place->last - place->first + 1) * disk->sector;
  plan->after = (new_last - place->first + 1) * disk->sector;
}

gboolean
pvt_table_look_at_other (PvtTablePlace *place, guint number, guint64 first, guint64 last,
                         GError **error)
{
  if (number == place->number)
    return TRUE;
  if (first <= place->last && last >= place->first)
    return pvt_table_refuse (error, PVT_TABLE_ERROR_DAMAGED, "partitions %u and %u overlap",
                             place->number, number);
  if (first > place->last && (place->behind == 0 || first < place->behind_first))
    {
      place->behind = number;
      place->behind_first = first;
    }
  return TRUE;
}

gboolean
pvt_table_check_is_last (const PvtTablePlace *place, GError **error)
{
  return place->behind == 0
         || pvt_table_refuse (error, PVT_TABLE_ERROR_NOT_LAST,
                              "partition %u is not the last one: partition %u stands behind it",
                              place->number, place->behind);
}

guint8 *
pvt_table_mbr_entry (guint8 *sector, guint number)
{
  return sector + MBR_ENTRIES + MBR_ENTRY_SIZE * (number - 1);
}

static gboolean
mbr_is_extended (guint8 type)
{
  return type == 0x05 || type == 0x0f || type == 0x85;
}

void
pvt_table_put_chs (guint8 *p, guint64 lba)
{
  guint64 cylinder = lba / (255 * 63);

  if (cylinder > 1023)
    {
      memcpy (p, "\xfe\xff\xff", 3);
      return;
    }
  p[0] = (guint8)(lba / 63 % 255);
  p[1] = (guint8)((lba % 63 + 1) | (cylinder >> 8 << 6));
  p[2] = (guint8)cylinder;
}

static gboolean
mbr_find (const PvtTableDisk *disk, guint8 *sector, PvtTablePlace *place, GError **error)
{
  const guint8 *own;

  if (place->number > 4)
    return pvt_table_refuse (
        error, PVT_TABLE_ERROR_UNSUPPORTED,
        "partition %u is a logical one inside an extended partition of an MBR; those "
        "are not grown",
        place->number);
  own = pvt_table_mbr_entry (sector, place->number);
  if (own[4] == 0 || pvt_table_get32 (own + 12) == 0)
    return pvt_table_refuse (error, PVT_TABLE_ERROR_DAMAGED, "the MBR has no partition %u",
                             place->number);
  if (mbr_is_extended (own[4]))
    return pvt_table_refuse (error, PVT_TABLE_ERROR_UNSUPPORTED,
                             "partition %u is an extended one; those are not grown", place->number);
  place->first = pvt_table_get32 (own + 8);
  place->last = place->first + pvt_table_get32 (own + 12) - 1;
  for (guint i = 1; i <= 4; i++)
    {
      const guint8 *entry = pvt_table_mbr_entry (sector, i);
      guint64 first = pvt_table_get32 (entry + 8), count = pvt_table_get32 (entry + 12);

      if (entry[4] == 0 || count == 0)
        continue;
      if (first == 0 || first + count > disk->sectors)
        return pvt_table_refuse (error, PVT_TABLE_ERROR_DAMAGED,
                                 "partition %u does not lie on the disk", i);
      if (!pvt_table_look_at_other (place, i, first, first + count - 1, error))
        return FALSE;
    }
  return pvt_table_check_is_last (place, error);
}

static gboolean
mbr_plan (const PvtTableDisk *disk, guint8 *sector, guint number, PvtTablePlan *plan,
          GError **error)
{
  PvtTablePlace place = { .number = number };
  guint64 limit = MIN (disk->sectors - 1, PVT_MBR_MAX_LBA), last;
  guint8 *entry;

  if (!mbr_find (disk, sector, &place, error))
    return FALSE;
  plan->kind = PVT_TABLE_MBR;
  plan->at_limit = disk->sectors - 1 > PVT_MBR_MAX_LBA;
  last = MAX (pvt_table_aligned_end (disk, limit), place.last);
  pvt_table_set_lengths (plan, disk, &place, last);
  if (last == place.last)
    return TRUE;
  entry = pvt_table_mbr_entry (sector, number);
  pvt_table_put_chs (entry + 5, last);
  pvt_table_put32 (entry + 12, (guint32)(last - place.first + 1));
  pvt_table_write (plan, 0, g_memdup2 (sector, disk->sector), disk->sector);
  return TRUE;
}

/* The number of the MBR's protective entry, 0 for none; FALSE when other
 * partitions stand beside it: two tables would have to be kept the same. */
static gboolean
find_protective (guint8 *sector, guint *number, GError **error)
{
  guint others = 0;

  *number = 0;
  for (guint i = 1; i <= 4; i++)
    {
      guint8 type = pvt_table_mbr_entry (sector, i)[4];

      if (type == TYPE_PROTECTIVE && *number == 0)
        *number = i;
      else if (type != 0)
        others++;
    }
  return *number == 0 || others == 0
         || pvt_table_refuse (error, PVT_TABLE_ERROR_UNSUPPORTED,
                              "the disk has a hybrid MBR beside its GPT; that is not grown");
}

PvtTablePlan *
pvt_table_plan_growth (const PvtTableDisk *disk, guint number, GError **error)
{
  g_autoptr (PvtTablePlan) plan = g_new0 (PvtTablePlan, 1);
  g_autofree guint8 *sector = NULL;
  guint protective;
  gboolean ok;

  plan->writes = g_ptr_array_new_with_free_func (free_write);
  if (disk->sector < 512 || disk->sector > 4096 || (disk->sector & (disk->sector - 1)) != 0
      || disk->sectors < 64 || disk->sectors > G_MAXINT64 / disk->sector || number == 0)
    {
      pvt_table_refuse (error, PVT_TABLE_ERROR_UNSUPPORTED,
                        "a disk of %" G_GUINT64_FORMAT " sectors of %u bytes is not grown",
                        disk->sectors, disk->sector);
      return NULL;
    }
  sector = g_malloc (disk->sector);
  if (!disk->read (disk->user_data, 0, 1, sector, error))
    return NULL;
  if (sector[510] != 0x55 || sector[511] != 0xaa)
    {
      pvt_table_refuse (error, PVT_TABLE_ERROR_UNSUPPORTED, "there is neither a GPT nor an MBR");
      return NULL;
    }
  if (!find_protective (sector, &protective, error))
    return NULL;
  ok = protective ? pvt_table_plan_gpt (disk, sector, protective, number, plan, error)
                  : mbr_plan (disk, sector, number, plan, error);
  return ok ? g_steal_pointer (&plan) : NULL;
}
