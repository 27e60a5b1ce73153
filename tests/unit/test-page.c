/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The shared page: what one side writes the other reads, and nothing else. */
#include "tap-main.h"

#include "fake-root.h"

#include "agent/platform/shared-page.h"
#include "host-side/client/page-parse.h"
#include "protocol/page/layout.h"
#include "protocol/page/writer.h"
#include "pvt-tables.h"
#include "pvt-types.h"

#include <fcntl.h>
#include <sys/mman.h>

#define PAGE (64 * 1024)

static const PvtPageFacts facts = { "boot-1", 1000, PVT_PAGE_IS_FROZEN, 11, 22 };

static PvtPageHeader *
header_of (gpointer page)
{
  return page;
}

/* What a reader makes of a page in memory. */
static PvtPageFigures *
parse (gconstpointer page, GError **error)
{
  return pvt_page_parse (page, GUINT32_FROM_LE (((const PvtPageHeader *) page)->used), error);
}

static guint64
value_of (const PvtPageFigures *figures, const char *name)
{
  const PvtPageMetric *metric = pvt_page_figures_lookup (figures, name);

  assert_non_null (metric);
  return metric->u64;
}

/* ---- both sides ---- */

static void
figures_come_through (void **state G_GNUC_UNUSED)
{
  g_autofree guint8 *page = g_malloc0 (PAGE);
  PvtLinkTotals link = { .name = (char *) "eth0.100", .rx_bytes = G_MAXINT64, .tx_errors = 7 };
  PvtCpuTotals cpu = { .has_cpu = TRUE, .cpu = 3, .user_ms = 5 };
  PvtPressureLine line = { .has_some_avg10 = TRUE, .some_avg10 = 0.25 };
  PvtPressure pressure = { .io = &line };
  g_autoptr (PvtPageFigures) figures = NULL;
  const PvtPageMetric *metric;
  PvtPageWriter writer;

  pvt_page_writer_init (&writer, page, PAGE);
  pvt_page_writer_begin (&writer);
  pvt_page_writer_add_object (&writer, "links", link.name, &pvt_link_totals_type, &link);
  pvt_page_writer_add_object (&writer, "cpu", "3", &pvt_cpu_totals_type, &cpu);
  pvt_page_writer_add_object (&writer, "pressure", "", &pvt_pressure_type, &pressure);
  pvt_page_writer_add (&writer, "filesystems", "/a\n\xff", "x-bytes", PVT_PAGE_WIRE_I64,
                       PVT_PAGE_WIRE_BYTES, (guint64) -2);
  pvt_page_writer_show (&writer, &facts);
  figures = parse (page, NULL);
  assert_non_null (figures);
  assert_string_equal (figures->boot_id, "boot-1");
  assert_string_equal (figures->agent_version, PVT_VERSION);
  assert_true (figures->frozen && !figures->ended);
  assert_int_equal (figures->period_ms, 1000);
  assert_int_equal (figures->updates, 1);
  assert_int_equal (figures->monotonic_ns, 11);
  assert_int_equal (figures->realtime_ns, 22);
  assert_int_equal (figures->metrics->len, 8 + 8 + 1 + 1);
  assert_true (value_of (figures, "links.eth0.100.rx-bytes") == G_MAXINT64);
  assert_int_equal (value_of (figures, "links.eth0.100.tx-errors"), 7);
  assert_int_equal (value_of (figures, "cpu.3.user-ms"), 5);
  assert_null (pvt_page_figures_lookup (figures, "cpu.3.cpu"));
  metric = pvt_page_figures_lookup (figures, "pressure.io.some-avg10");
  assert_true (metric && metric->type == PVT_PAGE_TYPE_F64 && metric->unit == PVT_PAGE_UNIT_SHARE);
  assert_true (pvt_page_metric_get_value (metric) == 0.25);
  metric = pvt_page_figures_lookup (figures, "filesystems./a?\xef\xbf\xbd.x-bytes");
  assert_true (metric && metric->type == PVT_PAGE_TYPE_I64 && metric->i64 == -2);
  pvt_page_writer_finish (&writer);
}

/* A device's memory is slow to write: what is the same is left alone. */
static void
only_changes_are_written (void **state G_GNUC_UNUSED)
{
  g_autofree guint8 *page = g_malloc0 (PAGE);
  gsize value, same = sizeof (PvtPageHeader) + sizeof (PvtPageMetricWire) * 2;
  PvtPageWriter writer;

  pvt_page_writer_init (&writer, page, PAGE);
  for (guint64 round = 1; round <= 3; round++)
    {
      pvt_page_writer_begin (&writer);
      pvt_page_writer_add (&writer, "a", "", "same", PVT_PAGE_WIRE_U64, PVT_PAGE_WIRE_COUNT, 42);
      pvt_page_writer_add (&writer, "a", "", "new", PVT_PAGE_WIRE_U64, PVT_PAGE_WIRE_COUNT, round);
      if (round == 3)
        page[same] = 0xee;
      pvt_page_writer_show (&writer, &facts);
      assert_int_equal (GUINT32_FROM_LE (header_of (page)->sequence), round * 2);
    }
  assert_int_equal (page[same], 0xee);
  value = GUINT32_FROM_LE (((PvtPageMetricWire *) (page + sizeof (PvtPageHeader)))[1].value);
  assert_int_equal (page[value], 3);
  pvt_page_writer_finish (&writer);
}

static void
what_does_not_fit_is_counted (void **state G_GNUC_UNUSED)
{
  g_autofree guint8 *page = g_malloc0 (PVT_PAGE_BYTES_MAX + 64);
  g_autofree char *field = g_strnfill (PVT_PAGE_NAME_MAX - 2, 'f');
  g_autofree char *longer = g_strnfill (PVT_PAGE_NAME_MAX - 1, 'f');
  PvtPageWriter writer;

  for (guint small = 0; small < 2; small++)
    {
      g_autoptr (PvtPageFigures) figures = NULL;

      memset (page, 0xa5, PVT_PAGE_BYTES_MAX + 64);
      pvt_page_writer_init (&writer, page, small ? PVT_PAGE_BYTES_MIN : PVT_PAGE_BYTES_MAX + 64);
      pvt_page_writer_begin (&writer);
      pvt_page_writer_add (&writer, "a", "", field, PVT_PAGE_WIRE_U64, 0, 1);
      pvt_page_writer_add (&writer, "a", "", longer, PVT_PAGE_WIRE_U64, 0, 1);
      for (guint i = 1; i < PVT_PAGE_METRICS_MAX + 5; i++)
        {
          g_autofree char *name = g_strdup_printf ("%x", i);

          pvt_page_writer_add (&writer, "a", "", name, PVT_PAGE_WIRE_U64, 0, i);
        }
      pvt_page_writer_show (&writer, &facts);
      figures = parse (page, NULL);
      assert_non_null (figures);
      assert_int_equal (figures->metrics->len + figures->omitted, PVT_PAGE_METRICS_MAX + 6);
      if (small)
        assert_in_range (figures->metrics->len, 100, PVT_PAGE_BYTES_MIN / 24);
      else
        assert_int_equal (figures->metrics->len, PVT_PAGE_METRICS_MAX);
      assert_int_equal (page[small ? PVT_PAGE_BYTES_MIN : PVT_PAGE_BYTES_MAX], 0xa5);
      pvt_page_writer_finish (&writer);
    }
}

/* ---- a hostile guest ---- */

static gsize
make_page (guint8 *page)
{
  PvtPageWriter writer;

  pvt_page_writer_init (&writer, page, PAGE);
  pvt_page_writer_begin (&writer);
  pvt_page_writer_add (&writer, "a", "", "x", PVT_PAGE_WIRE_U64, 0, 1);
  pvt_page_writer_add (&writer, "a", "b", "y", PVT_PAGE_WIRE_F64, 0, 0);
  pvt_page_writer_show (&writer, &facts);
  pvt_page_writer_finish (&writer);
  return GUINT32_FROM_LE (header_of (page)->used);
}

static void
refused (const guint8 *page, gsize len, PvtClientError code)
{
  g_autoptr (GError) error = NULL;

  assert_null (pvt_page_parse (page, len, &error));
  assert_true (g_error_matches (error, PVT_CLIENT_ERROR, (gint) code));
}

static void
broken_layouts_are_refused (void **state G_GNUC_UNUSED)
{
  const gsize metrics = sizeof (PvtPageHeader);
  const struct
  {
    gsize at;
    guint bytes;
    guint64 value;
    PvtClientError code;
  } cases[] = {
    { 0, 1, 'P', PVT_CLIENT_ERROR_PROTOCOL },
    { offsetof (PvtPageHeader, version), 4, 0, PVT_CLIENT_ERROR_NOT_CONNECTED },
    { offsetof (PvtPageHeader, version), 4, 2, PVT_CLIENT_ERROR_UNSUPPORTED },
    { offsetof (PvtPageHeader, header_size), 4, 159, PVT_CLIENT_ERROR_PROTOCOL },
    { offsetof (PvtPageHeader, used), 4, 159, PVT_CLIENT_ERROR_PROTOCOL },
    { offsetof (PvtPageHeader, used), 4, PVT_PAGE_BYTES_MAX + 1, PVT_CLIENT_ERROR_PROTOCOL },
    { offsetof (PvtPageHeader, n_metrics), 4, 4, PVT_CLIENT_ERROR_PROTOCOL },
    { offsetof (PvtPageHeader, n_metrics), 4, 0x10000001, PVT_CLIENT_ERROR_PROTOCOL },
    { offsetof (PvtPageHeader, metrics), 4, 159, PVT_CLIENT_ERROR_PROTOCOL },
    { offsetof (PvtPageHeader, metrics), 4, 0xfffffff0, PVT_CLIENT_ERROR_PROTOCOL },
    { offsetof (PvtPageHeader, metric_size), 4, 15, PVT_CLIENT_ERROR_PROTOCOL },
    { offsetof (PvtPageHeader, metric_size), 4, 0x80000000, PVT_CLIENT_ERROR_PROTOCOL },
    { metrics + offsetof (PvtPageMetricWire, name), 4, 0, PVT_CLIENT_ERROR_PROTOCOL },
    { metrics + offsetof (PvtPageMetricWire, name), 4, 0xffffffff, PVT_CLIENT_ERROR_PROTOCOL },
    { metrics + offsetof (PvtPageMetricWire, name_length), 2, 0, PVT_CLIENT_ERROR_PROTOCOL },
    { metrics + offsetof (PvtPageMetricWire, name_length), 2, 0xffff, PVT_CLIENT_ERROR_PROTOCOL },
    { metrics + offsetof (PvtPageMetricWire, value), 4, 164, PVT_CLIENT_ERROR_PROTOCOL },
    { metrics + offsetof (PvtPageMetricWire, value), 4, 0xfffffff8, PVT_CLIENT_ERROR_PROTOCOL },
    /* Not a number, where the second figure is. */
    { metrics + 2 * sizeof (PvtPageMetricWire) + 8, 8, 0x7ff8000000000000, PVT_CLIENT_ERROR_PROTOCOL },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree guint8 *page = g_malloc0 (PAGE);
      gsize len = make_page (page);
      guint64 value = GUINT64_TO_LE (cases[i].value);
      g_autofree guint8 *copy = NULL;

      memcpy (page + cases[i].at, &value, cases[i].bytes);
      /* Exactly as long, so that a sanitizer sees what is read behind it. */
      copy = g_memdup2 (page, len);
      refused (copy, len, cases[i].code);
    }
}

static void
names_are_checked (void **state G_GNUC_UNUSED)
{
  static const char *const bad[] = { "a",    ".",    "a.",     ".x",        "a..x",  "A.x",
                                     "a.X",  "a b.x", "a.\n.x", "a.\x1b[.x", "a.\xff.x", "a.\xe2\x80.x" };
  static const char *const good[] = { "a.x", "a.b.x", "a.eth0.100.x-y", "a./mnt/\xc3\xa9 b.x", "1.2" };

  for (gsize i = 0; i < G_N_ELEMENTS (bad) + G_N_ELEMENTS (good); i++)
    {
      gboolean is_bad = i < G_N_ELEMENTS (bad);
      const char *name = is_bad ? bad[i] : good[i - G_N_ELEMENTS (bad)];
      g_autofree guint8 *page = g_malloc0 (PAGE);
      PvtPageMetricWire *wire = (PvtPageMetricWire *) (gpointer) (page + sizeof (PvtPageHeader));
      gsize len = make_page (page);

      memcpy (page + len, name, strlen (name));
      wire->name = GUINT32_TO_LE ((guint32) len);
      wire->name_length = GUINT16_TO_LE ((guint16) strlen (name));
      len += strlen (name);
      header_of (page)->used = GUINT32_TO_LE ((guint32) len);
      if (is_bad)
        refused (page, len, PVT_CLIENT_ERROR_PROTOCOL);
      else
        {
          g_autoptr (PvtPageFigures) figures = pvt_page_parse (page, len, NULL);

          assert_non_null (figures);
          assert_int_equal (value_of (figures, name), 1);
        }
    }
}

static void
doubles_and_strangers (void **state G_GNUC_UNUSED)
{
  g_autofree guint8 *page = g_malloc0 (PAGE);
  PvtPageMetricWire *wire = (PvtPageMetricWire *) (gpointer) (page + sizeof (PvtPageHeader));
  gsize len = make_page (page);
  g_autoptr (PvtPageFigures) figures = NULL;

  /* A kind that a later version may have is left out and counted. */
  wire[1].type = 5;
  figures = pvt_page_parse (page, len, NULL);
  assert_non_null (figures);
  assert_int_equal (figures->metrics->len, 1);
  assert_int_equal (figures->unknown, 1);
  wire[1] = wire[0];
  refused (page, len, PVT_CLIENT_ERROR_PROTOCOL);
}

/* ---- the file ---- */

static char *
new_file (void)
{
  g_autofree char *full = make_way ("page");

  assert_true (pvt_page_prepare (full, PAGE, NULL));
  return g_steal_pointer (&full);
}

static gpointer
map_file (const char *path)
{
  int fd = open (path, O_RDWR | O_CLOEXEC);
  gpointer data = mmap (NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

  assert_true (data != MAP_FAILED);
  close (fd);
  return data;
}

static int
fails_with (const char *path)
{
  g_autoptr (PvtPage) page = pvt_page_new (path);
  g_autoptr (GError) error = NULL;

  assert_null (pvt_page_read (page, &error));
  assert_true (error->domain == PVT_CLIENT_ERROR);
  return error->code;
}

static void
files_that_are_no_pages (void **state G_GNUC_UNUSED)
{
  g_autofree char *path = new_file (), *none = full_path ("none"), *text = full_path ("text");
  gpointer data = map_file (path);

  assert_int_equal (fails_with (none), PVT_CLIENT_ERROR_NOT_CONNECTED);
  assert_int_equal (fails_with (directory), PVT_CLIENT_ERROR_NOT_CONNECTED);
  assert_int_equal (fails_with ("/dev/null"), PVT_CLIENT_ERROR_NOT_CONNECTED);
  put ("text", "short");
  assert_int_equal (fails_with (text), PVT_CLIENT_ERROR_PROTOCOL);
  assert_int_equal (fails_with (path), PVT_CLIENT_ERROR_NOT_CONNECTED);
  make_page (data);
  header_of (data)->used = GUINT32_TO_LE (PVT_PAGE_BYTES_MAX);
  assert_int_equal (fails_with (path), PVT_CLIENT_ERROR_PROTOCOL);
  munmap (data, PAGE);
}

static void
pages_are_prepared (void **state G_GNUC_UNUSED)
{
  static const guint64 bad[] = { 0, 2048, 4097, 3 * 4096, G_GUINT64_CONSTANT (1) << 31 };
  g_autofree char *path = new_file ();
  g_autoptr (PvtPage) page = pvt_page_new (path);
  g_autoptr (PvtPageFigures) figures = NULL;
  gpointer data = map_file (path);

  for (gsize i = 0; i < G_N_ELEMENTS (bad); i++)
    assert_false (pvt_page_prepare (path, bad[i], NULL));
  make_page (data);
  /* What a running guest has there stays. */
  assert_true (pvt_page_prepare (path, PVT_PAGE_BYTES_MIN, NULL));
  figures = pvt_page_read (page, NULL);
  assert_non_null (figures);
  assert_int_equal (figures->retries, 0);
  assert_int_equal (figures->unchanged_ms, 0);
  munmap (data, PAGE);
}

/* An agent that was killed in the middle of an update, and the next one. */
static void
half_an_update (void **state G_GNUC_UNUSED)
{
  g_autofree char *path = new_file ();
  g_autoptr (PvtPage) page = pvt_page_new (path);
  g_autoptr (PvtPageFigures) figures = NULL;
  gpointer data = map_file (path);

  make_page (data);
  header_of (data)->sequence = GUINT32_TO_LE (7);
  assert_int_equal (fails_with (path), PVT_CLIENT_ERROR_BUSY);
  make_page (data);
  assert_int_equal (GUINT32_FROM_LE (header_of (data)->sequence), 8);
  figures = pvt_page_read (page, NULL);
  assert_non_null (figures);
  munmap (data, PAGE);
}

static void
stale_figures (void **state G_GNUC_UNUSED)
{
  PvtPageFigures figures = { .period_ms = 1000, .unchanged_ms = 3000 };

  assert_false (pvt_page_figures_is_stale (&figures));
  figures.unchanged_ms++;
  assert_true (pvt_page_figures_is_stale (&figures));
  figures.unchanged_ms = 0;
  figures.ended = TRUE;
  assert_true (pvt_page_figures_is_stale (&figures));
}

/* ---- a writer whose processor is taken away in the middle ---- */

#define TORN_METRICS 400
#define TORN_PAUSE_US 200

typedef struct
{
  gpointer data;
  gint stop;
} Tearer;

static void
add_same (PvtPageWriter *writer, guint64 n)
{
  pvt_page_writer_begin (writer);
  for (guint i = 0; i < TORN_METRICS; i++)
    {
      char field[16];

      g_snprintf (field, sizeof field, "%u", i);
      pvt_page_writer_add (writer, "n", "", field, PVT_PAGE_WIRE_U64, 0, n);
    }
  pvt_page_writer_show (writer, &facts);
}

/* The next update as the writer does it, but slowly: half of it is there for a while. */
static void
update_slowly (PvtPageHeader *header, guint64 n)
{
  guint64 *values = (guint64 *) (gpointer) ((guint8 *) (header + 1)
                                            + TORN_METRICS * sizeof (PvtPageMetricWire));

  g_atomic_int_inc ((gint *) &header->sequence);
  for (guint i = 0; i < TORN_METRICS; i++)
    {
      if (i == TORN_METRICS / 2)
        g_usleep (TORN_PAUSE_US);
      __atomic_store_n (&values[i], GUINT64_TO_LE (n), __ATOMIC_RELAXED);
    }
  __atomic_store_n (&header->updates, GUINT64_TO_LE (n), __ATOMIC_RELAXED);
  g_atomic_int_inc ((gint *) &header->sequence);
  g_usleep (TORN_PAUSE_US);
}

/* All figures of an update are the same number. */
static gpointer
tear (gpointer user)
{
  Tearer *tearer = user;
  PvtPageWriter writer;

  pvt_page_writer_init (&writer, tearer->data, PAGE);
  add_same (&writer, 1);
  for (guint64 n = 2; !g_atomic_int_get (&tearer->stop); n++)
    update_slowly (tearer->data, n);
  pvt_page_writer_finish (&writer);
  return NULL;
}

static void
no_torn_figures (void **state G_GNUC_UNUSED)
{
  g_autofree char *path = new_file ();
  g_autoptr (PvtPage) page = pvt_page_new (path);
  Tearer tearer = { .data = map_file (path) };
  GThread *thread = g_thread_new ("tear", tear, &tearer);
  guint retries = 0;

  for (guint whole = 0; whole < 300;)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (PvtPageFigures) figures = pvt_page_read (page, &error);

      if (figures == NULL)
        {
          /* Not written yet, or always just being written. */
          assert_true (g_error_matches (error, PVT_CLIENT_ERROR, PVT_CLIENT_ERROR_BUSY)
                       || g_error_matches (error, PVT_CLIENT_ERROR, PVT_CLIENT_ERROR_NOT_CONNECTED));
          continue;
        }
      assert_int_equal (figures->metrics->len, TORN_METRICS);
      for (guint i = 0; i < TORN_METRICS; i++)
        assert_int_equal (((PvtPageMetric *) figures->metrics->pdata[i])->u64, figures->updates);
      retries += figures->retries;
      whole++;
    }
  g_atomic_int_set (&tearer.stop, 1);
  g_thread_join (thread);
  munmap (tearer.data, PAGE);
  print_message ("# %u copies were thrown away\n", retries);
}

/* ---- the guest's device ---- */

#define DEVICES "sys/bus/pci/devices/"

static void
put_device (const char *address, const char *id, gsize size, const char *label)
{
  g_autofree char *vendor = g_strconcat (DEVICES, address, "/vendor", NULL);
  g_autofree char *device = g_strconcat (DEVICES, address, "/device", NULL);
  g_autofree char *enable = g_strconcat (DEVICES, address, "/enable", NULL);
  g_autofree char *bar = g_strconcat (DEVICES, address, "/resource2", NULL);
  g_autofree char *full = full_path (bar);

  put (vendor, "0x1af4\n");
  put (device, id);
  put (enable, "0\n");
  put (bar, label);
  assert_int_equal (truncate (full, (off_t) size), 0);
}

static void
only_our_memory_is_used (void **state G_GNUC_UNUSED)
{
  g_autoptr (GError) error = NULL;
  PvtSharedPage page, other;
  char enable[8];

  assert_true (pvt_shared_page_open (root, NULL, &page, NULL));
  assert_null (page.data);
  put_device ("0000:00:01.0", "0x1041\n", PAGE, PVT_PAGE_MAGIC);
  put_device ("0000:00:02.0", "0x1110\n", PAGE, "somebody's");
  assert_true (pvt_shared_page_open (root, NULL, &page, NULL));
  assert_null (page.data);
  put_device ("0000:00:03.0", "0x1110\n", 1 << 20, PVT_PAGE_MAGIC);
  assert_true (pvt_shared_page_open (root, NULL, &page, NULL));
  assert_string_equal (page.address, "0000:00:03.0");
  assert_int_equal (page.size, PVT_PAGE_BYTES_MAX);
  assert_true (pvt_root_read (root, DEVICES "0000:00:03.0/enable", enable, sizeof enable, NULL) > 0);
  assert_int_equal (enable[0], '1');
  /* Of two agents one writes, until it ends. */
  assert_false (pvt_shared_page_open (root, NULL, &other, NULL));
  pvt_shared_page_close (&page);
  /* Whoever names it means it. */
  assert_true (pvt_shared_page_open (root, "0000:00:02.0", &page, NULL));
  assert_int_equal (page.size, PAGE);
  pvt_shared_page_close (&page);
  put_device ("0000:00:04.0", "0x1110\n", PVT_PAGE_BYTES_MIN - 1, PVT_PAGE_MAGIC);
  assert_false (pvt_shared_page_open (root, "0000:00:04.0", &page, &error));
  assert_non_null (strstr (error->message, "0000:00:04.0"));
  assert_false (pvt_shared_page_open (root, "0000:00:01.0", &page, NULL));
  assert_false (pvt_shared_page_open (root, "0000:00:09.0", &page, NULL));
  assert_false (pvt_shared_page_open (root, "../devices/0000:00:03.0", &page, NULL));
}

static int
setup (void **state G_GNUC_UNUSED)
{
  return open_root ();
}

#define in_a_root(test) cmocka_unit_test_setup_teardown (test, setup, remove_root)

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (figures_come_through),
    cmocka_unit_test (only_changes_are_written),
    cmocka_unit_test (what_does_not_fit_is_counted),
    cmocka_unit_test (broken_layouts_are_refused),
    cmocka_unit_test (names_are_checked),
    cmocka_unit_test (doubles_and_strangers),
    in_a_root (files_that_are_no_pages),
    in_a_root (pages_are_prepared),
    in_a_root (half_an_update),
    cmocka_unit_test (stale_figures),
    in_a_root (no_torn_figures),
    in_a_root (only_our_memory_is_used),
  };

  return cmocka_run_group_tests_name ("page", tests, NULL, NULL);
}
