/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Rates of top: counters that grow, wrap around, go back, and clocks that stand. */
#include "tap-main.h"

#include "host-side/cli/top-figures.h"

#define SECOND G_GUINT64_CONSTANT (1000000000)

static void
take (PvtTopState *state, guint64 ns, guint64 bytes, guint64 more)
{
  PvtDiskTotals disks[2] = { { .read_bytes = bytes, .written_bytes = 5 }, { .read_bytes = more } };
  PvtLinkTotals links[2] = { { .name = (char *) "lo", .rx_bytes = 77 * ns },
                             { .name = (char *) "eth0", .rx_bytes = bytes, .tx_bytes = more } };
  g_autoptr (GPtrArray) disk_list = g_ptr_array_new (), link_list = g_ptr_array_new ();
  PvtMetricsReport report = { .monotonic_ns = ns, .disks = disk_list, .links = link_list };
  PvtEvent event = { .metrics = &report };

  for (guint i = 0; i < 2; i++)
    {
      g_ptr_array_add (disk_list, &disks[i]);
      g_ptr_array_add (link_list, &links[i]);
    }
  pvt_top_take (state, &event);
}

static void
rates (void **state G_GNUC_UNUSED)
{
  PvtTopState top = { .busy_ms = 0 };
  const PvtTopFigures *f = &top.figures;

  take (&top, SECOND, 1000, 500);
  assert_false (f->has_io || f->has_net); /* one report is no rate */
  take (&top, 3 * SECOND, 3000, 500);
  assert_true (f->has_io && f->has_net);
  assert_true (f->read_rate == 1000 && f->write_rate == 0);
  assert_true (f->rx_rate == 1000 && f->tx_rate == 0); /* without lo */
  pvt_top_state_clear (&top);
}

/* 32 bits of a counter in the guest have wrapped, or a disk was unplugged. */
static void
counters_that_go_back (void **state G_GNUC_UNUSED)
{
  PvtTopState top = { .busy_ms = 0 };
  const PvtTopFigures *f = &top.figures;

  take (&top, SECOND, G_MAXUINT32 - 10, 0);
  take (&top, 2 * SECOND, 10, 0);
  assert_false (f->has_io || f->has_net);
  take (&top, 3 * SECOND, 2010, 0);
  assert_true (f->has_io && f->read_rate == 2000);
  assert_true (f->has_net && f->rx_rate == 2000);
  pvt_top_state_clear (&top);
}

/* What stands on other disks, and parts of disks, would count twice. */
static void
whole_disks_count_once (void **state G_GNUC_UNUSED)
{
  static const char *const names[] = { "vda", "vda1", "sda", "sda15", "nvme0n1", "nvme0n1p2", "nbd1", "nbd10", "mmcblk0",
                                       "mmcblk0p1", "dm-0", "md127", "loop3", "zram0", "ram0", "sr0", "xvda1", "mdx", "" };
  static const char *const counted[]
      = { "vda", "sda", "nvme0n1", "nbd1", "nbd10", "mmcblk0", "sr0", "xvda1", "mdx", NULL };
  g_autoptr (GHashTable) all = g_hash_table_new (g_str_hash, g_str_equal);

  for (gsize i = 0; i < G_N_ELEMENTS (names); i++)
    g_hash_table_add (all, (gpointer) names[i]);
  for (gsize i = 0; i < G_N_ELEMENTS (names); i++)
    assert_int_equal (pvt_top_counts_disk (names[i], all), g_strv_contains (counted, names[i]));
  assert_true (pvt_top_counts_disk ("vda1", NULL));
}

static void
disks_on_disks (void **state G_GNUC_UNUSED)
{
  PvtTopState top = { .busy_ms = 0 };

  for (guint64 second = 1; second <= 2; second++)
    {
      PvtDiskTotals disks[2] = { { .name = (char *) "vda", .read_bytes = 1000 * second },
                                 { .name = (char *) "dm-0", .read_bytes = 1000 * second } };
      g_autoptr (GPtrArray) list = g_ptr_array_new ();
      PvtMetricsReport report = { .monotonic_ns = second * SECOND, .disks = list };
      PvtEvent event = { .metrics = &report };

      g_ptr_array_add (list, &disks[0]);
      g_ptr_array_add (list, &disks[1]);
      pvt_top_take (&top, &event);
    }
  assert_true (top.figures.has_io && top.figures.read_rate == 1000);
  pvt_top_state_clear (&top);
}

/* A guest that was moved, or one that lies: the same time again, or an earlier one. */
static void
clocks_that_stand_or_go_back (void **state G_GNUC_UNUSED)
{
  PvtTopState top = { .busy_ms = 0 };
  const PvtTopFigures *f = &top.figures;

  take (&top, 5 * SECOND, 1, 1);
  take (&top, 5 * SECOND, 2, 2);
  assert_false (f->has_io || f->has_net);
  take (&top, SECOND, 3, 3);
  assert_false (f->has_io || f->has_net);
  take (&top, 2 * SECOND, 4, 3);
  assert_true (f->has_io && f->read_rate == 1);
  pvt_top_state_clear (&top);
}

static void
sums_that_overflow (void **state G_GNUC_UNUSED)
{
  PvtTopState top = { .busy_ms = 0 };

  take (&top, SECOND, G_MAXUINT64, 0);
  take (&top, 2 * SECOND, G_MAXUINT64, 2);
  assert_false (top.figures.has_io);
  pvt_top_state_clear (&top);
}

static void
times_of_processors (void **state G_GNUC_UNUSED)
{
  PvtTopState top = { .busy_ms = 0 };
  const PvtTopFigures *f = &top.figures;

  pvt_top_take_times (&top, 100, 1000);
  assert_false (f->has_cpu);
  pvt_top_take_times (&top, 150, 1100);
  assert_true (f->has_cpu && f->cpu == 0.5);
  pvt_top_take_times (&top, 20, 1200); /* a processor less: nothing new is known */
  assert_true (f->has_cpu && f->cpu == 0.5);
  pvt_top_take_times (&top, 1020, 1300); /* more than there was time for */
  assert_true (f->cpu == 1);
  pvt_top_state_clear (&top);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (whole_disks_count_once),
    cmocka_unit_test (disks_on_disks),
    cmocka_unit_test (rates),
    cmocka_unit_test (counters_that_go_back),
    cmocka_unit_test (clocks_that_stand_or_go_back),
    cmocka_unit_test (sums_that_overflow),
    cmocka_unit_test (times_of_processors),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
