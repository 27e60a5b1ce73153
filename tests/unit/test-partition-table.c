/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Growing the last partition of GPTs and MBRs that are built here byte by byte. */
#include "tap-main.h"

#include "agent/platform/grow-lvm.h"
#include "agent/platform/partition-table.h"

#define MIB (1024 * 1024)

/* A disk in memory; it is longer than the table on it says. */
typedef struct
{
  guint8 *data;
  PvtTableDisk table;
} Image;

static gboolean
read_image (gpointer user_data, guint64 lba, guint32 count, guint8 *buf, GError **error)
{
  const Image *image = user_data;

  assert_true (lba < image->table.sectors && count <= image->table.sectors - lba);
  memcpy (buf, image->data + lba * image->table.sector, (gsize)count * image->table.sector);
  return TRUE;
}

static void
image_init (Image *image, guint32 sector, guint64 bytes)
{
  image->data = g_malloc0 (bytes);
  image->table = (PvtTableDisk){ sector, bytes / sector, read_image, image };
}

static void
image_clear (Image *image)
{
  g_free (image->data);
}

static void
put (guint8 *p, guint64 value, guint bytes)
{
  for (guint i = 0; i < bytes; i++)
    p[i] = (guint8)(value >> 8 * i);
}

static guint64
get (const guint8 *p, guint bytes)
{
  guint64 value = 0;

  for (guint i = 0; i < bytes; i++)
    value |= (guint64)p[i] << 8 * i;
  return value;
}

static guint8 *
sector_of (const Image *image, guint64 lba)
{
  return image->data + lba * image->table.sector;
}

static void
put_mbr_entry (Image *image, guint number, guint8 type, guint32 first, guint32 count)
{
  guint8 *entry = image->data + 446 + 16 * (number - 1);

  entry[4] = type;
  put (entry + 8, first, 4);
  put (entry + 12, count, 4);
  image->data[510] = 0x55;
  image->data[511] = 0xaa;
}

static guint8 *
gpt_entry (const Image *image, guint number)
{
  return sector_of (image, 2) + 128 * (number - 1);
}

static void
seal (const Image *image, guint8 *header, const guint8 *entries)
{
  put (header + 88, pvt_table_crc32 (entries, 128 * 128), 4);
  put (header + 16, 0, 4);
  put (header + 16, pvt_table_crc32 (header, 92), 4);
}

/* The table that a disk of @sectors sectors has. */
static void
put_gpt (Image *image, guint64 sectors)
{
  guint8 *header = sector_of (image, 1), *backup = sector_of (image, sectors - 1);
  guint64 reserve = 16384 / image->table.sector;

  put_mbr_entry (image, 1, 0xee, 1, (guint32)(sectors - 1));
  memcpy (header, "EFI PART\0\0\1\0\x5c\0\0\0", 16);
  put (header + 24, 1, 8);
  put (header + 32, sectors - 1, 8);
  put (header + 40, 2 + reserve, 8);
  put (header + 48, sectors - 2 - reserve, 8);
  memset (header + 56, 0x77, 16);
  put (header + 72, 2, 8);
  put (header + 80, 128, 4);
  put (header + 84, 128, 4);
  seal (image, header, sector_of (image, 2));
  memcpy (backup, header, image->table.sector);
  put (backup + 24, sectors - 1, 8);
  put (backup + 32, 1, 8);
  put (backup + 72, sectors - 1 - reserve, 8);
  seal (image, backup, sector_of (image, 2));
  memcpy (sector_of (image, sectors - 1 - reserve), sector_of (image, 2), 16384);
}

static void
put_gpt_entry (Image *image, guint number, guint64 first, guint64 last)
{
  guint8 *entry = gpt_entry (image, number);

  memset (entry, 0x11, 32);
  put (entry + 32, first, 8);
  put (entry + 40, last, 8);
}

/* 8 MiB as the table has it, 16 MiB as the disk is; partition 1 behind a small one. */
static void
common_gpt (Image *image, guint32 sector)
{
  guint32 mib = MIB / sector;

  image_init (image, sector, 16 * MIB);
  put_gpt_entry (image, 1, 2 * mib, 7 * mib - 1);
  put_gpt_entry (image, 14, mib, 2 * mib - 1);
  put_gpt (image, 8 * mib);
}

static void
apply (Image *image, const PvtTablePlan *plan, guint n)
{
  for (guint i = 0; i < n; i++)
    {
      const PvtTableWrite *write = plan->writes->pdata[i];

      assert_true (write->len % image->table.sector == 0
                   && write->offset % image->table.sector == 0);
      assert_true (write->offset + write->len <= image->table.sectors * image->table.sector);
      memcpy (image->data + write->offset, write->data, write->len);
    }
}

static gboolean
header_is_valid (const Image *image, guint64 lba)
{
  g_autofree guint8 *header = g_memdup2 (sector_of (image, lba), image->table.sector);
  guint64 crc = get (header + 16, 4), entries = get (header + 72, 8);

  put (header + 16, 0, 4);
  return memcmp (header, "EFI PART", 8) == 0 && pvt_table_crc32 (header, 92) == crc
         && get (header + 24, 8) == lba
         && pvt_table_crc32 (sector_of (image, entries), 16384) == get (header + 88, 4);
}

static void
assert_refused (Image *image, guint number, PvtTableError code, const char *word)
{
  g_autoptr (GError) error = NULL;
  PvtTablePlan *plan = pvt_table_plan_growth (&image->table, number, &error);

  if (plan)
    fail_msg ("planned where '%s' was expected", word);
  if (!g_error_matches (error, PVT_TABLE_ERROR, (gint)code) || !strstr (error->message, word))
    fail_msg ("%d, %s", error->code, error->message);
}

static PvtTablePlan *
assert_planned (Image *image, guint number)
{
  g_autoptr (GError) error = NULL;
  PvtTablePlan *plan = pvt_table_plan_growth (&image->table, number, &error);

  if (plan == NULL)
    fail_msg ("%s", error->message);
  return plan;
}

static void
crc_is_the_one_of_ieee (void **state G_GNUC_UNUSED)
{
  assert_int_equal (pvt_table_crc32 ((const guint8 *)"123456789", 9), 0xcbf43926u);
  assert_int_equal (pvt_table_crc32 (NULL, 0), 0);
}

static void
gpt_of (guint32 sector)
{
  guint32 mib = MIB / sector, reserve = 16384 / sector;
  guint64 end = 16 * mib - 1;
  g_autoptr (PvtTablePlan) plan = NULL, again = NULL;
  Image image;

  common_gpt (&image, sector);
  plan = assert_planned (&image, 1);
  assert_int_equal (plan->kind, PVT_TABLE_GPT);
  assert_int_equal (plan->start, 2 * MIB);
  assert_int_equal (plan->before, 5 * MIB);
  assert_int_equal (plan->after, 13 * MIB);
  assert_int_equal (plan->writes->len, 3);
  apply (&image, plan, plan->writes->len);
  assert_true (header_is_valid (&image, 1) && header_is_valid (&image, end));
  assert_int_equal (get (sector_of (&image, 1) + 32, 8), end);
  assert_int_equal (get (sector_of (&image, end) + 32, 8), 1);
  assert_int_equal (get (sector_of (&image, 1) + 48, 8), end - 1 - reserve);
  assert_int_equal (get (sector_of (&image, end) + 72, 8), end - reserve);
  assert_int_equal (get (gpt_entry (&image, 1) + 40, 8), 15 * mib - 1);
  assert_memory_equal (sector_of (&image, 2), sector_of (&image, end - reserve), 16384);
  assert_memory_equal (sector_of (&image, 1) + 56, "\x77\x77\x77\x77", 4);
  assert_int_equal (get (image.data + 446 + 12, 4), end);
  /* What was done is not done again. */
  again = assert_planned (&image, 1);
  assert_true (again->writes->len == 0 && again->after == again->before);
  image_clear (&image);
}

static void
gpt_grows (void **state G_GNUC_UNUSED)
{
  gpt_of (512);
  gpt_of (4096);
}

/* Torn at any sector: at least one table must hold together all the time. */
static void
gpt_survives_a_crash_anywhere (void **state G_GNUC_UNUSED)
{
  g_autoptr (PvtTablePlan) plan = NULL;
  guint64 end = 16 * MIB / 512 - 1;
  guint steps = 0;
  Image image;

  common_gpt (&image, 512);
  plan = assert_planned (&image, 1);
  for (guint i = 0; i < plan->writes->len; i++)
    {
      const PvtTableWrite *write = plan->writes->pdata[i];

      for (gsize done = 0; done < write->len; done += 512)
        {
          memcpy (image.data + write->offset + done, write->data + done, 512);
          assert_true (header_is_valid (&image, 1) || header_is_valid (&image, end));
          steps++;
        }
    }
  assert_int_equal (steps, 33 + 33 + 1);
  image_clear (&image);
}

static void
gpt_nothing_to_do (void **state G_GNUC_UNUSED)
{
  g_autoptr (PvtTablePlan) plan = NULL;
  Image image;

  image_init (&image, 512, 8 * MIB + 4096);
  /* Up to the last usable sector, which no MiB ends at. */
  put_gpt_entry (&image, 1, 2048, 8 * MIB / 512 - 34);
  put_gpt (&image, 8 * MIB / 512);
  plan = assert_planned (&image, 1);
  assert_true (plan->writes->len == 0 && plan->after == plan->before);
  image_clear (&image);
}

static void
gpt_with_entries_elsewhere (void **state G_GNUC_UNUSED)
{
  g_autoptr (PvtTablePlan) plan = NULL;
  guint8 *header;
  Image image;

  common_gpt (&image, 512);
  header = sector_of (&image, 1);
  memmove (sector_of (&image, 100), sector_of (&image, 2), 16384);
  put (header + 72, 100, 8);
  put (header + 40, 132, 8);
  seal (&image, header, sector_of (&image, 100));
  plan = assert_planned (&image, 1);
  assert_int_equal (plan->writes->len, 4);
  apply (&image, plan, 4);
  assert_true (header_is_valid (&image, 1) && header_is_valid (&image, 16 * MIB / 512 - 1));
  image_clear (&image);
}

static void
gpt_not_last (void **state G_GNUC_UNUSED)
{
  Image image;

  common_gpt (&image, 512);
  assert_refused (&image, 14, PVT_TABLE_ERROR_NOT_LAST,
                  "partition 14 is not the last one: partition 1 stands behind it");
  assert_refused (&image, 2, PVT_TABLE_ERROR_DAMAGED, "no partition 2");
  assert_refused (&image, 129, PVT_TABLE_ERROR_DAMAGED, "no partition 129");
  assert_refused (&image, 0, PVT_TABLE_ERROR_UNSUPPORTED, "not grown");
  image_clear (&image);
}

/* Any byte of header and entries that is wrong is found out. */
static void
gpt_damaged_anywhere (void **state G_GNUC_UNUSED)
{
  Image image;

  common_gpt (&image, 512);
  for (guint i = 0; i < 92; i++)
    {
      sector_of (&image, 1)[i] ^= 0x40;
      assert_refused (&image, 1, PVT_TABLE_ERROR_DAMAGED, "damaged");
      sector_of (&image, 1)[i] ^= 0x40;
    }
  for (guint i = 0; i < 16384; i += 37)
    {
      sector_of (&image, 2)[i] ^= 0x40;
      assert_refused (&image, 1, PVT_TABLE_ERROR_DAMAGED, "checksum of its entries");
      sector_of (&image, 2)[i] ^= 0x40;
    }
  image_clear (&image);
}

/* Checksums are right, what they are of is not. */
static void
gpt_nonsense (void **state G_GNUC_UNUSED)
{
  static const struct
  {
    guint offset, bytes;
    guint64 value;
    PvtTableError code;
  } cases[] = {
    { 72, 8, 0, PVT_TABLE_ERROR_DAMAGED },
    { 72, 8, 3, PVT_TABLE_ERROR_DAMAGED },
    { 72, 8, G_MAXUINT64, PVT_TABLE_ERROR_DAMAGED },
    { 40, 8, 33, PVT_TABLE_ERROR_DAMAGED },
    { 40, 8, G_MAXUINT64, PVT_TABLE_ERROR_DAMAGED },
    { 48, 8, 32768, PVT_TABLE_ERROR_DAMAGED },
    { 48, 8, G_MAXUINT64, PVT_TABLE_ERROR_DAMAGED },
    { 80, 4, 0, PVT_TABLE_ERROR_UNSUPPORTED },
    { 80, 4, 0xffffffff, PVT_TABLE_ERROR_UNSUPPORTED },
    { 84, 4, 0, PVT_TABLE_ERROR_UNSUPPORTED },
    { 84, 4, 129, PVT_TABLE_ERROR_UNSUPPORTED },
    { 84, 4, 0x80000000, PVT_TABLE_ERROR_UNSUPPORTED },
    { 12, 4, 513, PVT_TABLE_ERROR_DAMAGED },
    { 12, 4, 91, PVT_TABLE_ERROR_DAMAGED },
    { 24, 8, 2, PVT_TABLE_ERROR_DAMAGED },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      Image image;
      guint8 *header;

      common_gpt (&image, 512);
      header = sector_of (&image, 1);
      put (header + cases[i].offset, cases[i].value, cases[i].bytes);
      seal (&image, header, sector_of (&image, 2));
      assert_refused (&image, 1, cases[i].code, "GPT");
      image_clear (&image);
    }
}

static void
assert_entry_refused (guint64 first, guint64 last, const char *word)
{
  Image image;

  common_gpt (&image, 512);
  put_gpt_entry (&image, 2, first, last);
  seal (&image, sector_of (&image, 1), sector_of (&image, 2));
  assert_refused (&image, 1, PVT_TABLE_ERROR_DAMAGED, word);
  image_clear (&image);
}

static void
gpt_entries_nonsense (void **state G_GNUC_UNUSED)
{
  assert_entry_refused (5000, 4999, "usable part");
  assert_entry_refused (0, 40, "usable part");
  assert_entry_refused (15000, 16 * MIB / 512, "usable part");
  assert_entry_refused (15000, G_MAXUINT64, "usable part");
  assert_entry_refused (5000, 6000, "overlap");
  assert_entry_refused (2048, 15000, "overlap");
}

static void
gpt_of_a_longer_disk (void **state G_GNUC_UNUSED)
{
  Image image;

  common_gpt (&image, 512);
  image.table.sectors = 6 * MIB / 512;
  assert_refused (&image, 1, PVT_TABLE_ERROR_DAMAGED, "does not fit the disk");
  image_clear (&image);
}

static void
hybrid_mbr (void **state G_GNUC_UNUSED)
{
  Image image;

  common_gpt (&image, 512);
  put_mbr_entry (&image, 2, 0x83, 4096, 4096);
  assert_refused (&image, 1, PVT_TABLE_ERROR_UNSUPPORTED, "hybrid");
  image_clear (&image);
}

static void
mbr_grows (void **state G_GNUC_UNUSED)
{
  g_autoptr (PvtTablePlan) plan = NULL, again = NULL;
  Image image;

  image_init (&image, 512, 16 * MIB + 512);
  memset (image.data, 0x90, 446);
  put_mbr_entry (&image, 2, 0x83, 2048, 2048);
  put_mbr_entry (&image, 3, 0x8e, 4096, 4096);
  plan = assert_planned (&image, 3);
  assert_int_equal (plan->kind, PVT_TABLE_MBR);
  assert_int_equal (plan->start, 2 * MIB);
  assert_int_equal (plan->before, 2 * MIB);
  assert_int_equal (plan->after, 14 * MIB);
  assert_false (plan->at_limit);
  assert_int_equal (plan->writes->len, 1);
  apply (&image, plan, 1);
  assert_int_equal (get (image.data + 446 + 32 + 12, 4), 14 * MIB / 512);
  /* Sector 32767: cylinder 2, head 10, sector 8. */
  assert_memory_equal (image.data + 446 + 32 + 5, "\x0a\x08\x02", 3);
  assert_int_equal (image.data[445], 0x90);
  again = assert_planned (&image, 3);
  assert_int_equal (again->writes->len, 0);
  assert_refused (&image, 2, PVT_TABLE_ERROR_NOT_LAST, "partition 3 stands behind it");
  image_clear (&image);
}

static void
mbr_refused (void **state G_GNUC_UNUSED)
{
  Image image;

  image_init (&image, 512, 16 * MIB);
  assert_refused (&image, 1, PVT_TABLE_ERROR_UNSUPPORTED, "neither a GPT nor an MBR");
  put_mbr_entry (&image, 1, 0x83, 2048, 2048);
  put_mbr_entry (&image, 2, 0x05, 4096, 4096);
  assert_refused (&image, 5, PVT_TABLE_ERROR_UNSUPPORTED, "logical");
  assert_refused (&image, 2, PVT_TABLE_ERROR_UNSUPPORTED, "extended");
  assert_refused (&image, 1, PVT_TABLE_ERROR_NOT_LAST, "partition 2 stands behind it");
  assert_refused (&image, 3, PVT_TABLE_ERROR_DAMAGED, "no partition 3");
  put_mbr_entry (&image, 2, 0x83, 3000, 4096);
  assert_refused (&image, 1, PVT_TABLE_ERROR_DAMAGED, "overlap");
  put_mbr_entry (&image, 2, 0x83, 0xffffffff, 0xffffffff);
  assert_refused (&image, 1, PVT_TABLE_ERROR_DAMAGED, "does not lie on the disk");
  put_mbr_entry (&image, 2, 0x83, 0, 100);
  assert_refused (&image, 1, PVT_TABLE_ERROR_DAMAGED, "does not lie on the disk");
  image_clear (&image);
}

/* Only its first sector is ever read. */
static void
mbr_ends_at_two_tib (void **state G_GNUC_UNUSED)
{
  g_autoptr (PvtTablePlan) plan = NULL, again = NULL;
  Image image;

  image_init (&image, 512, MIB);
  image.table.sectors = G_GUINT64_CONSTANT (6) << 31;
  put_mbr_entry (&image, 1, 0x83, 2048, 0x7fffffff);
  plan = assert_planned (&image, 1);
  assert_true (plan->at_limit);
  assert_int_equal ((plan->start + plan->after) / 512, G_GUINT64_CONSTANT (1) << 32);
  apply (&image, plan, 1);
  assert_memory_equal (image.data + 446 + 5, "\xfe\xff\xff", 3);
  again = assert_planned (&image, 1);
  assert_true (again->at_limit && again->writes->len == 0);
  image_clear (&image);
}

static void
disks_of_odd_shape (void **state G_GNUC_UNUSED)
{
  static const guint32 sectors[] = { 0, 256, 513, 8192 };
  Image image;

  common_gpt (&image, 512);
  for (guint i = 0; i < G_N_ELEMENTS (sectors); i++)
    {
      image.table.sector = sectors[i];
      assert_refused (&image, 1, PVT_TABLE_ERROR_UNSUPPORTED, "not grown");
    }
  image.table.sector = 512;
  image.table.sectors = 10;
  assert_refused (&image, 1, PVT_TABLE_ERROR_UNSUPPORTED, "not grown");
  image.table.sectors = G_MAXUINT64;
  assert_refused (&image, 1, PVT_TABLE_ERROR_UNSUPPORTED, "not grown");
  image_clear (&image);
}

static void
lvm_answers (void **state G_GNUC_UNUSED)
{
  PvtLvmPv pv;

  assert_true (pvt_lvm_parse ("  264241152 268435456 1048576 4194304 0\n", &pv));
  assert_int_equal (pv.pv_size, 264241152);
  assert_int_equal (pv.vg_free, 0);
  /* One MiB before the extents; what is left over is no extent. */
  assert_int_equal (pvt_lvm_pv_target (&pv, 268435456), 264241152);
  assert_int_equal (pvt_lvm_pv_target (&pv, 268435456 + 5 * MIB), 260 * MIB);
  assert_int_equal (pvt_lvm_pv_target (&pv, 1000), 264241152);
  assert_false (pvt_lvm_parse ("", &pv));
  assert_false (pvt_lvm_parse ("1 2 3 4", &pv));
  assert_false (pvt_lvm_parse ("1 2 3 0 5", &pv));
  assert_false (pvt_lvm_parse ("1 2 3 4x 5", &pv));
  assert_false (pvt_lvm_parse ("1 2 3 99999999999999999999 5", &pv));
  assert_false (pvt_lvm_parse ("WARNING: 1 2 3 4 5", &pv));
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (crc_is_the_one_of_ieee),
    cmocka_unit_test (gpt_grows),
    cmocka_unit_test (gpt_survives_a_crash_anywhere),
    cmocka_unit_test (gpt_nothing_to_do),
    cmocka_unit_test (gpt_with_entries_elsewhere),
    cmocka_unit_test (gpt_not_last),
    cmocka_unit_test (gpt_damaged_anywhere),
    cmocka_unit_test (gpt_nonsense),
    cmocka_unit_test (gpt_entries_nonsense),
    cmocka_unit_test (gpt_of_a_longer_disk),
    cmocka_unit_test (hybrid_mbr),
    cmocka_unit_test (mbr_grows),
    cmocka_unit_test (mbr_refused),
    cmocka_unit_test (mbr_ends_at_two_tib),
    cmocka_unit_test (disks_of_odd_shape),
    cmocka_unit_test (lvm_answers),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
