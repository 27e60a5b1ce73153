/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Figures of a shared page under the names of answers, and whose page a file is. */
#include "tap-main.h"

#include "discover.h"
#include "exposition.h"
#include "pvt-page.h"
#include "shared-figures.h"

#include <glib/gstdio.h>
#include <string.h>

static void
free_metric (gpointer data)
{
  PvtPageMetric *metric = data;

  g_free (metric->name);
  g_free (metric->text);
  g_free (metric);
}

static PvtPageFigures *
figures_new (void)
{
  PvtPageFigures *figures = g_new0 (PvtPageFigures, 1);

  figures->boot_id = g_strdup ("b");
  figures->agent_version = g_strdup ("1");
  figures->period_ms = 1000;
  figures->monotonic_ns = G_GUINT64_CONSTANT (100000000000);
  figures->realtime_ns = G_GUINT64_CONSTANT (5500000000);
  figures->metrics = g_ptr_array_new_with_free_func (free_metric);
  return figures;
}

static PvtPageMetric *
add (PvtPageFigures *figures, const char *name, PvtPageType type)
{
  PvtPageMetric *metric = g_new0 (PvtPageMetric, 1);

  metric->name = g_strdup (name);
  metric->type = type;
  g_ptr_array_add (figures->metrics, metric);
  return metric;
}

static void
number (PvtPageFigures *figures, const char *name, guint64 value)
{
  add (figures, name, PVT_PAGE_TYPE_U64)->u64 = value;
}

static void
text (PvtPageFigures *figures, const char *name, const char *value)
{
  add (figures, name, PVT_PAGE_TYPE_TEXT)->text = g_strdup (value);
}

/* The samples without HELP and TYPE, and without those that every page gives. */
static char *
samples_of (const PvtPageFigures *figures)
{
  g_autoptr (PvtMetrics) metrics = pvt_metrics_new ();
  PvtExposed set = { metrics, NULL, NULL };
  GString *all = g_string_new (NULL), *rest = g_string_new (NULL);
  g_auto (GStrv) lines = NULL;

  pvt_shared_figures_add (metrics, figures);
  pvt_metrics_seal (metrics);
  pvt_exposition_write (all, &set, 1, "");
  lines = g_strsplit (all->str, "\n", -1);
  for (guint i = 0; lines[i]; i++)
    if (*lines[i] && *lines[i] != '#' && !g_str_has_prefix (lines[i], "node_time_seconds 5.5")
        && !g_str_has_prefix (lines[i], "pvtools_guest_frozen "))
      g_string_append_printf (rest, "%s\n", lines[i]);
  g_string_free (all, TRUE);
  return g_string_free (rest, FALSE);
}

static void
expect (const PvtPageFigures *figures, const char *wanted)
{
  g_autofree char *samples = samples_of (figures);

  assert_string_equal (samples, wanted);
}

static void
units_and_labels (void **state G_GNUC_UNUSED)
{
  g_autoptr (PvtPageFigures) figures = figures_new ();

  number (figures, "cpu.all.user-ms", 9);
  number (figures, "cpu.3.user-ms", 1500);
  number (figures, "memory.swap-free", 4096);
  number (figures, "memory.hugepages-total", 2);
  number (figures, "disks.vda.busy-ms", 1250);
  number (figures, "disks.vda.read-bytes", 512);
  number (figures, "links.eth0.100.rx-errors", 7);
  number (figures, "pressure.io.full-total-us", 2500000);
  number (figures, "kernel.oom-kills", 1);
  expect (figures, "node_cpu_seconds_total{cpu=\"3\",mode=\"user\"} 1.5\n"
                   "node_pressure_io_stalled_seconds_total 2.5\n"
                   "node_memory_SwapFree_bytes 4096\n"
                   "node_memory_HugePages_Total 2\n"
                   "node_vmstat_oom_kill 1\n"
                   "node_disk_read_bytes_total{device=\"vda\"} 512\n"
                   "node_disk_io_time_seconds_total{device=\"vda\"} 1.25\n"
                   "node_network_receive_errs_total{device=\"eth0.100\"} 7\n");
}

/* Nothing of ours by a name that a guest makes up. */
static void
what_is_no_figure_of_ours (void **state G_GNUC_UNUSED)
{
  static const char *const names[]
      = { "cpu.user-ms",  "cpu.1x.user-ms", "cpu.0123456789.user-ms", "cpu..user-ms", "memory.a.total",
          "disks.reads",  "disks.vda1.reads", "disks.loop0.reads",    "links.rx-bytes", "load.x.load1m",
          "pressure.cpu.full-total-us", "kernel.x.forks", "filesystems./.total-bytes", "nothing.total", "a.b" };
  g_autoptr (PvtPageFigures) figures = figures_new ();

  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    number (figures, names[i], 1);
  text (figures, "load.load1m", "7");
  expect (figures, "");
}

static void
estimates_are_not_the_kernels (void **state G_GNUC_UNUSED)
{
  for (guint64 estimated = 0; estimated < 2; estimated++)
    {
      g_autoptr (PvtPageFigures) figures = figures_new ();

      number (figures, "memory.available", 5);
      number (figures, "memory.available-estimated", estimated);
      expect (figures, estimated ? "" : "node_memory_MemAvailable_bytes 5\n");
    }
}

static void
add_root (PvtPageFigures *figures, guint64 read_at)
{
  number (figures, "filesystems.read-at-ns", read_at);
  text (figures, "filesystems./.source", "/dev/vda1");
  text (figures, "filesystems./.type", "ext4");
  number (figures, "filesystems./.total-bytes", 100);
  number (figures, "filesystems./.used-bytes", 40);
  number (figures, "filesystems./.available-bytes", 50);
  number (figures, "filesystems./.read-only", 1);
}

#define OF_ROOT "{device=\"/dev/vda1\",fstype=\"ext4\",mountpoint=\"/\"} "

static void
filesystems (void **state G_GNUC_UNUSED)
{
  g_autoptr (PvtPageFigures) figures = figures_new ();

  add_root (figures, figures->monotonic_ns);
  /* It does not answer, is no disk's, and is not told what it is. */
  text (figures, "filesystems./dead.mount.source", "s");
  text (figures, "filesystems./dead.mount.type", "nfs4");
  text (figures, "filesystems./dead.mount.error", "it does not answer");
  text (figures, "filesystems./sys.source", "sysfs");
  text (figures, "filesystems./sys.type", "sysfs");
  number (figures, "filesystems./what.total-bytes", 1);
  expect (figures, "node_filesystem_size_bytes" OF_ROOT "100\n"
                   "node_filesystem_free_bytes" OF_ROOT "60\n"
                   "node_filesystem_avail_bytes" OF_ROOT "50\n"
                   "node_filesystem_readonly" OF_ROOT "1\n"
                   "node_filesystem_device_error" OF_ROOT "0\n"
                   "node_filesystem_device_error{device=\"s\",fstype=\"nfs4\",mountpoint=\"/dead.mount\"} 1\n");
}

/* Frozen, looked at long ago, looked at in the future. */
static void
filesystems_of_another_time (void **state G_GNUC_UNUSED)
{
  const gint64 ages[] = { 0, G_GINT64_CONSTANT (30000000001), -1 };

  for (guint i = 0; i < G_N_ELEMENTS (ages); i++)
    {
      g_autoptr (PvtPageFigures) figures = figures_new ();

      figures->frozen = i == 0;
      add_root (figures, figures->monotonic_ns - (guint64) ages[i]);
      expect (figures, "");
    }
}

static gboolean
all (PvtFamilyId family)
{
  return family != PVT_F_LOAD15;
}

static void
what_is_missing_is_added (void **state G_GNUC_UNUSED)
{
  g_autoptr (PvtMetrics) page = pvt_metrics_new (), channel = pvt_metrics_new ();
  PvtExposed set = { page, NULL, NULL };
  GString *out = g_string_new (NULL);

  pvt_metrics_add (page, PVT_F_NET_UP, 1, "device", "a", NULL);
  pvt_metrics_add (channel, PVT_F_NET_UP, 0, "device", "b", NULL);
  pvt_metrics_add (channel, PVT_F_NET_MTU, 1500, "device", "a\"b", NULL);
  pvt_metrics_add (channel, PVT_F_LOAD15, 3, NULL);
  pvt_metrics_add (channel, PVT_F_LOAD5, 2, NULL);
  pvt_metrics_seal (channel);
  pvt_metrics_add_missing (page, channel, all);
  pvt_metrics_seal (page);
  pvt_exposition_write (out, &set, 1, "");
  assert_non_null (strstr (out->str, "node_load5 2\n"));
  assert_non_null (strstr (out->str, "node_network_up{device=\"a\"} 1\n"));
  assert_non_null (strstr (out->str, "node_network_mtu_bytes{device=\"a\\\"b\"} 1500\n"));
  assert_null (strstr (out->str, "node_load15 3"));
  assert_null (strstr (out->str, "device=\"b\""));
  assert_int_equal (page->dropped, 0);
  g_string_free (out, TRUE);
}

/* ---- whose page it is ---- */

static void
put (const char *directory, const char *name, const char *label, gsize size)
{
  g_autofree char *path = g_build_filename (directory, name, NULL), *data = g_malloc0 (size);

  memcpy (data, label, strlen (label));
  assert_true (g_file_set_contents (path, data, (gssize) size, NULL));
}

static PvtFound *
named (GPtrArray *found, const char *name)
{
  PvtFound *one = g_new0 (PvtFound, 1);

  one->name = g_strdup (name);
  one->address = g_strconcat ("unix:/", name, NULL);
  g_ptr_array_add (found, one);
  return one;
}

static void
whose_page_it_is (void **state G_GNUC_UNUSED)
{
  g_autofree char *directory = g_dir_make_tmp ("pvt-pages-XXXXXX", NULL);
  g_autoptr (GPtrArray) found = g_ptr_array_new_with_free_func ((GDestroyNotify) pvt_found_free);
  g_autoptr (GPtrArray) again = g_ptr_array_new_with_free_func ((GDestroyNotify) pvt_found_free);
  g_autofree char *lone = g_build_filename (directory, "lone", NULL);
  static const char *const names[] = { "db1.page", "lone", "other", "short", "twin" };
  PvtFound *db1 = named (found, "db1");

  named (found, "twin");
  named (found, "twin");
  put (directory, "db1.page", "", 4096);
  put (directory, "lone", "pvtools-page", 4096);
  put (directory, "other", "somebody's", 4096);
  put (directory, "short", "pvtools-page", 4095);
  put (directory, "twin", "", 4096);
  assert_true (pvt_discover_pages (directory, NULL, found, NULL));
  assert_int_equal (found->len, 4);
  assert_true (g_str_has_suffix (db1->page, "/db1.page"));
  assert_string_equal (((PvtFound *) found->pdata[3])->name, "lone");
  assert_string_equal (((PvtFound *) found->pdata[3])->page, lone);
  put (directory, "lone", "", 4096);
  assert_true (pvt_discover_pages (directory, found, again, NULL));
  assert_int_equal (again->len, 1);
  assert_true (pvt_discover_pages (directory, NULL, again, NULL));
  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    {
      g_autofree char *path = g_build_filename (directory, names[i], NULL);

      g_unlink (path);
    }
  g_rmdir (directory);
  assert_false (pvt_discover_pages (directory, NULL, again, NULL));
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (units_and_labels),
    cmocka_unit_test (what_is_no_figure_of_ours),
    cmocka_unit_test (estimates_are_not_the_kernels),
    cmocka_unit_test (filesystems),
    cmocka_unit_test (filesystems_of_another_time),
    cmocka_unit_test (what_is_missing_is_added),
    cmocka_unit_test (whose_page_it_is),
  };

  return cmocka_run_group_tests_name ("exporter-page", tests, NULL, NULL);
}
