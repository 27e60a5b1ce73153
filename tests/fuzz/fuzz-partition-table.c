/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Partition tables of disks that somebody else wrote. The first bytes say what
 * disk it is, the rest is its beginning; checksums are put right, or nothing
 * behind them would ever be reached.
 */
#include "fuzz.h"

#include "agent/platform/grow-lvm.h"
#include "agent/platform/partition-table.h"

#define HEADER 4
#define IMAGE (256 * 1024)
#define MAX_TABLE (64 * 1024)

typedef struct
{
  guint8 *data;
  PvtTableDisk table;
} Image;

static gboolean
read_image (gpointer user_data, guint64 lba, guint32 count, guint8 *buf, GError **error)
{
  const Image *image = user_data;
  guint64 offset = lba * image->table.sector, len = (guint64)count * image->table.sector;

  g_assert (lba < image->table.sectors && count <= image->table.sectors - lba);
  memset (buf, 0, len);
  if (offset < IMAGE)
    memcpy (buf, image->data + offset, MIN (len, IMAGE - offset));
  return TRUE;
}

static guint32
get32 (const guint8 *p)
{
  return p[0] | (guint32)p[1] << 8 | (guint32)p[2] << 16 | (guint32)p[3] << 24;
}

static void
put32 (guint8 *p, guint32 value)
{
  for (int i = 0; i < 4; i++)
    p[i] = (guint8)(value >> 8 * i);
}

static void
mend_checksums (Image *image)
{
  guint8 *header = image->data + image->table.sector;
  guint64 lba = get32 (header + 72) | (guint64)get32 (header + 76) << 32;
  guint64 len = (guint64)get32 (header + 80) * get32 (header + 84);

  image->data[510] = 0x55;
  image->data[511] = 0xaa;
  memcpy (header, "EFI PART", 8);
  if (len <= MAX_TABLE && lba < IMAGE / image->table.sector
      && lba * image->table.sector + len <= IMAGE)
    put32 (header + 88, pvt_table_crc32 (image->data + lba * image->table.sector, len));
  put32 (header + 16, 0);
  if (get32 (header + 12) <= image->table.sector)
    put32 (header + 16, pvt_table_crc32 (header, get32 (header + 12)));
}

/* What is planned lies on the disk, and once it is done there is nothing more to do. */
static void
check_plan (Image *image, const PvtTablePlan *plan, guint number)
{
  g_autoptr (PvtTablePlan) again = NULL;
  guint64 size = image->table.sectors * image->table.sector;

  g_assert (plan->after >= plan->before && plan->start + plan->after <= size);
  g_assert ((plan->writes->len == 0) == (plan->after == plan->before));
  for (guint i = 0; i < plan->writes->len; i++)
    {
      const PvtTableWrite *write = plan->writes->pdata[i];

      g_assert (write->len <= size && write->offset <= size - write->len);
      if (write->offset < IMAGE)
        memcpy (image->data + write->offset, write->data, MIN (write->len, IMAGE - write->offset));
    }
  again = pvt_table_plan_growth (&image->table, number, NULL);
  g_assert (again && again->after == plan->after && again->writes->len == 0);
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  Image image = { NULL, { 0 } };
  g_autoptr (PvtTablePlan) plan = NULL;
  g_autofree char *text = NULL;
  PvtLvmPv pv;
  guint number;

  if (size < HEADER)
    return 0;
  image.data = g_malloc0 (IMAGE);
  image.table = (PvtTableDisk){ 512u << (data[0] & 3), ((guint64)data[1] << 8 | data[2]) + 1,
                                read_image, &image };
  image.table.sectors <<= data[0] >> 4;
  number = data[3] % 8;
  memcpy (image.data, data + HEADER, MIN (size - HEADER, IMAGE));
  if (data[0] & 4)
    mend_checksums (&image);
  plan = pvt_table_plan_growth (&image.table, number, NULL);
  if (plan)
    check_plan (&image, plan, number);
  text = g_strndup ((const char *)data, size);
  if (pvt_lvm_parse (text, &pv))
    pvt_lvm_pv_target (&pv, G_MAXINT64);
  g_free (image.data);
  return 0;
}
