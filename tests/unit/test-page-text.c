/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Texts in a shared page. */
#include "tap-main.h"

#include "host-side/client/page-parse.h"
#include "protocol/page/layout.h"
#include "protocol/page/writer.h"
#include "pvt-tables.h"
#include "pvt-types.h"

#define PAGE (64 * 1024)

static const PvtPageFacts facts = { "boot-1", 1000, 0, 11, 22 };

/* What a filesystem is mounted from and what it is; a text that is too long is left out. */
static void
text_comes_through (void **state G_GNUC_UNUSED)
{
  g_autofree guint8 *page = g_malloc0 (PAGE);
  g_autofree char *longest = g_strnfill (PVT_PAGE_TEXT_MAX, 'l'), *longer = g_strnfill (PVT_PAGE_TEXT_MAX + 1, 'l');
  PvtFilesystem fs = { .mountpoint = (char *) "/mnt", .source = (char *) "/dev/\x01\xc3\xa9", .type = (char *) "",
                       .error = longer, .has_total_bytes = TRUE, .total_bytes = 9 };
  g_autoptr (PvtPageFigures) figures = NULL;
  const PvtPageMetric *metric;
  PvtPageWriter writer;

  pvt_page_writer_init (&writer, page, PAGE);
  pvt_page_writer_begin (&writer);
  pvt_page_writer_add_object (&writer, "filesystems", fs.mountpoint, &pvt_filesystem_type, &fs);
  pvt_page_writer_add_text (&writer, "a", "", "long", longest);
  pvt_page_writer_show (&writer, &facts);
  figures = pvt_page_parse (page, GUINT32_FROM_LE (((PvtPageHeader *) (gpointer) page)->used), NULL);
  assert_non_null (figures);
  assert_int_equal (figures->omitted, 1);
  assert_int_equal (figures->metrics->len, 2 + 1 + 2 + 1);
  metric = pvt_page_figures_lookup (figures, "filesystems./mnt.source");
  assert_true (metric && metric->type == PVT_PAGE_TYPE_TEXT);
  assert_string_equal (metric->text, "/dev/?\xc3\xa9");
  assert_string_equal (pvt_page_figures_lookup (figures, "filesystems./mnt.type")->text, "");
  assert_string_equal (pvt_page_figures_lookup (figures, "a.long")->text, longest);
  assert_int_equal (pvt_page_figures_lookup (figures, "filesystems./mnt.total-bytes")->u64, 9);
  assert_null (pvt_page_figures_lookup (figures, "filesystems./mnt.mountpoint"));
  pvt_page_writer_finish (&writer);
}

static gsize
make_page (guint8 *page)
{
  PvtPageWriter writer;

  pvt_page_writer_init (&writer, page, PAGE);
  pvt_page_writer_begin (&writer);
  pvt_page_writer_add (&writer, "a", "", "x", PVT_PAGE_WIRE_U64, 0, 1);
  pvt_page_writer_show (&writer, &facts);
  pvt_page_writer_finish (&writer);
  return GUINT32_FROM_LE (((PvtPageHeader *) (gpointer) page)->used);
}

/* Where a text is and how long it is are the guest's words, too. */
static void
texts_are_checked (void **state G_GNUC_UNUSED)
{
  static const struct
  {
    guint32 offset, length;
    gboolean good;
  } cases[] = { { 0, 3, FALSE },  { 159, 1, FALSE }, { 160, 3, FALSE }, { 0xffffffff, 1, FALSE },
                { 1, 0, FALSE },  { 0, 0, TRUE },    { 0, 256, FALSE }, { 0, 0xffffffff, FALSE } };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree guint8 *page = g_malloc0 (PAGE);
      PvtPageMetricWire *wire = (PvtPageMetricWire *) (gpointer) (page + sizeof (PvtPageHeader));
      gsize len = make_page (page);
      /* 0 and 1: the end, and one behind it. */
      guint32 offset = cases[i].offset < 2 ? (guint32) len + cases[i].offset : cases[i].offset;
      guint64 bits = GUINT64_TO_LE (offset | (guint64) cases[i].length << 32);
      g_autofree guint8 *copy = NULL;

      wire->type = PVT_PAGE_WIRE_TEXT;
      memcpy (page + GUINT32_FROM_LE (wire->value), &bits, sizeof bits);
      copy = g_memdup2 (page, len);
      if (cases[i].good)
        {
          g_autoptr (PvtPageFigures) figures = pvt_page_parse (copy, len, NULL);

          assert_non_null (figures);
        }
      else
        assert_null (pvt_page_parse (copy, len, NULL));
    }
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (text_comes_through),
    cmocka_unit_test (texts_are_checked),
  };

  return cmocka_run_group_tests_name ("page-text", tests, NULL, NULL);
}
