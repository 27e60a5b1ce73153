/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tap-main.h"

#include "discovery-json.h"
#include "exposition.h"
#include "figures.h"
#include "libvirt-names.h"
#include "procfs.h"
#include "pvt-error.h"
#include "targets.h"

#include <math.h>

G_DEFINE_QUARK (pvt-client-error-quark, pvt_client_error)

static char *
text_of (PvtMetrics *metrics, const char *guest, const char *prefix)
{
  PvtExposed set = { metrics, guest, guest };
  GString *text = g_string_new (NULL);

  pvt_metrics_seal (metrics);
  pvt_exposition_write (text, &set, 1, prefix);
  return g_string_free (text, FALSE);
}

static void
expect (PvtMetrics *metrics, const char *wanted)
{
  g_autofree char *text = text_of (metrics, NULL, "");

  assert_string_equal (text, wanted);
}

#define LOAD1_HEAD "# HELP node_load1 Load average over 1 minute.\n# TYPE node_load1 gauge\n"
#define UP_HEAD "# HELP node_network_up 1 when the interface's operstate is up.\n# TYPE node_network_up gauge\n"

static void
label_values_are_escaped (void **state G_GNUC_UNUSED)
{
  g_autoptr (PvtMetrics) metrics = pvt_metrics_new ();

  pvt_metrics_add (metrics, PVT_F_NET_UP, 1, "device", "a\"b\\c\nd", NULL);
  pvt_metrics_add (metrics, PVT_F_NET_UP, 0, "device", "\x1b[2J\x7f\xff\xc2\x9b", NULL);
  pvt_metrics_add (metrics, PVT_F_NET_UP, 0, "device", "", "absent", NULL, NULL);
  pvt_metrics_add (metrics, PVT_F_NET_UP, 1, "device", "\xc3\xa4", NULL);
  expect (metrics, UP_HEAD "node_network_up{device=\"a\\\"b\\\\c\\nd\"} 1\n"
                           "node_network_up{device=\"\xef\xbf\xbd[2J\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"} 0\n"
                           "node_network_up{device=\"\"} 0\n"
                           "node_network_up{device=\"\xc3\xa4\"} 1\n");
}

/* One label more in front, and escapes stay what they are. */
static void
names_of_libvirt (void **state G_GNUC_UNUSED)
{
  g_autoptr (PvtMetrics) metrics = pvt_metrics_new ();
  g_autofree char *text = NULL;

  pvt_metrics_add (metrics, PVT_F_CPU, 3, "cpu", "0", "mode", "user", NULL);
  pvt_metrics_add (metrics, PVT_F_CPU, 9, "cpu", "0", "mode", "idle", NULL);
  pvt_metrics_add (metrics, PVT_F_MEMORY_MemTotal, 200, NULL);
  pvt_metrics_add (metrics, PVT_F_MEMORY_MemAvailable, 50, NULL);
  pvt_metrics_add (metrics, PVT_F_DISK_READS, 7, "device", "a\"b", NULL);
  pvt_libvirt_names_add (metrics);
  pvt_libvirt_names_add_state (metrics, PVT_HEALTH_PANICKED);
  text = text_of (metrics, "db1", "");
  assert_non_null (strstr (text, "\nlibvirt_domain_info_virtual_cpus{domain=\"db1\"} 1\n"));
  assert_non_null (strstr (text, "\nlibvirt_domain_info_cpu_time_seconds_total{domain=\"db1\"} 3\n"));
  assert_non_null (strstr (text, "\nlibvirt_domain_memory_stats_used_percent{domain=\"db1\"} 75\n"));
  assert_non_null (strstr (text, "\nlibvirt_domain_block_stats_read_requests_total{domain=\"db1\",target_device=\"a\\\"b\"} 7\n"));
  assert_non_null (strstr (text, "\nlibvirt_domain_info_vstate{domain=\"db1\"} 6\n"));
  assert_non_null (strstr (text, "\nnode_disk_reads_completed_total{guest=\"db1\",device=\"a\\\"b\"} 7\n"));
}

static void
long_labels_are_cut_between_characters (void **state G_GNUC_UNUSED)
{
  g_autofree char *value = g_strnfill (PVT_METRICS_MAX_LABEL + 10, 'x');
  g_autoptr (GString) out = g_string_new (NULL);

  pvt_label_escape (out, value);
  assert_int_equal (out->len, PVT_METRICS_MAX_LABEL);
  /* A character of two bytes that the limit would split. */
  memcpy (value + PVT_METRICS_MAX_LABEL - 1, "\xc3\xa4", 2);
  g_string_truncate (out, 0);
  pvt_label_escape (out, value);
  assert_int_equal (out->len, PVT_METRICS_MAX_LABEL - 1);
  assert_true (g_utf8_validate (out->str, -1, NULL));
}

static void
impossible_values_are_dropped (void **state G_GNUC_UNUSED)
{
  g_autoptr (PvtMetrics) metrics = pvt_metrics_new ();

  pvt_metrics_add (metrics, PVT_F_LOAD1, NAN, NULL);
  pvt_metrics_add (metrics, PVT_F_LOAD5, INFINITY, NULL);
  pvt_metrics_add (metrics, PVT_F_LOAD15, -INFINITY, NULL);
  pvt_metrics_add (metrics, PVT_F_INTR, -1, NULL);
  pvt_metrics_add (metrics, PVT_F_VMSTAT_pgfault, -1, NULL);
  assert_int_equal (metrics->dropped, 5);
  pvt_metrics_add (metrics, PVT_F_LOAD1, -0.5, NULL); /* a gauge may be */
  expect (metrics, LOAD1_HEAD "node_load1 -0.5\n");
}

static void
a_series_comes_once_and_families_stay_whole (void **state G_GNUC_UNUSED)
{
  g_autoptr (PvtMetrics) metrics = pvt_metrics_new ();
  double value;

  pvt_metrics_add (metrics, PVT_F_NET_UP, 1, "device", "b", NULL);
  pvt_metrics_add (metrics, PVT_F_LOAD1, 1, NULL);
  pvt_metrics_add (metrics, PVT_F_NET_UP, 1, "device", "a", NULL);
  pvt_metrics_add (metrics, PVT_F_NET_UP, 0, "device", "b", NULL);
  pvt_metrics_add (metrics, PVT_F_LOAD1, 2, NULL);
  assert_int_equal (metrics->dropped, 2);
  expect (metrics, LOAD1_HEAD "node_load1 1\n" UP_HEAD "node_network_up{device=\"b\"} 1\n"
                              "node_network_up{device=\"a\"} 1\n");
  assert_true (pvt_metrics_get (metrics, PVT_F_LOAD1, &value));
  assert_true (value == 1);
  assert_false (pvt_metrics_get (metrics, PVT_F_LOAD5, &value));
}

static void
several_guests_make_one_family (void **state G_GNUC_UNUSED)
{
  g_autoptr (PvtMetrics) a = pvt_metrics_new ();
  g_autoptr (PvtMetrics) b = pvt_metrics_new ();
  PvtExposed sets[] = { { a, "a\"", NULL }, { b, "b", NULL } };
  g_autoptr (GString) text = g_string_new (NULL);

  pvt_metrics_add (a, PVT_F_LOAD1, 1, NULL);
  pvt_metrics_add (a, PVT_F_NET_UP, 1, "device", "x", NULL);
  pvt_metrics_add (b, PVT_F_LOAD1, 2, NULL);
  pvt_metrics_seal (a);
  pvt_metrics_seal (b);
  pvt_exposition_write (text, sets, 2, "");
  assert_string_equal (text->str, LOAD1_HEAD "node_load1{guest=\"a\\\"\"} 1\nnode_load1{guest=\"b\"} 2\n"
                                  UP_HEAD "node_network_up{guest=\"a\\\"\",device=\"x\"} 1\n");
}

static void
the_prefix_spares_our_own_names (void **state G_GNUC_UNUSED)
{
  g_autoptr (PvtMetrics) metrics = pvt_metrics_new ();
  g_autofree char *text = NULL;

  pvt_metrics_add (metrics, PVT_F_LOAD1, 1, NULL);
  pvt_metrics_add (metrics, PVT_F_UP, 1, NULL);
  text = text_of (metrics, NULL, "pvtools_");
  assert_non_null (strstr (text, "# TYPE pvtools_node_load1 gauge\npvtools_node_load1 1\n"));
  assert_non_null (strstr (text, "\npvtools_guest_up 1\n"));
}

static void
what_a_guest_can_add_is_bounded (void **state G_GNUC_UNUSED)
{
  g_autoptr (PvtMetrics) metrics = pvt_metrics_new ();
  g_autofree char *value = g_strnfill (PVT_METRICS_MAX_LABEL, 'x');
  char name[16];

  for (guint i = 0; i < PVT_METRICS_MAX_SAMPLES + 100; i++)
    {
      g_snprintf (name, sizeof name, "%u", i);
      pvt_metrics_add (metrics, PVT_F_NET_UP, 1, "device", name, NULL);
    }
  assert_int_equal (metrics->samples->len,
                    PVT_METRICS_MAX_SAMPLES - PVT_METRICS_RESERVED_SAMPLES);
  assert_int_equal (metrics->dropped, 100 + PVT_METRICS_RESERVED_SAMPLES);
  pvt_metrics_open_reserve (metrics);
  pvt_metrics_add (metrics, PVT_F_UP, 1, NULL);
  assert_int_equal (metrics->samples->len,
                    PVT_METRICS_MAX_SAMPLES - PVT_METRICS_RESERVED_SAMPLES + 1);
  pvt_metrics_unref (metrics);
  metrics = pvt_metrics_new ();
  for (guint i = 0; i < 4000; i++)
    {
      g_snprintf (name, sizeof name, "%u", i);
      pvt_metrics_add (metrics, PVT_F_NET_UP, 1, "device", name, "v", value, NULL);
    }
  assert_true (metrics->labels->len <= PVT_METRICS_MAX_LABEL_BYTES);
  assert_true (metrics->dropped > 0);
  pvt_metrics_open_reserve (metrics);
  pvt_metrics_add (metrics, PVT_F_UP, 1, "reason", "x", NULL);
  pvt_metrics_seal (metrics);
  assert_int_equal (metrics->first[PVT_F_UP + 1] - metrics->first[PVT_F_UP], 1);
}

static void
numbers_read_back (void **state G_GNUC_UNUSED)
{
  static const struct
  {
    double value;
    const char *text;
  } rows[] = { { 0, "0" },     { 1, "1" },          { -3, "-3" },
               { 0.1, "0.1" }, { 1e300, "1e+300" }, { 9007199254740991.0, "9007199254740991" } };
  static const double others[] = { 1.0 / 3, 1e-320, 1795234866.123456, 18446744073709551615.0 };
  g_autoptr (GString) out = g_string_new (NULL);

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_string_truncate (out, 0);
      pvt_exposition_number (out, rows[i].value);
      assert_string_equal (out->str, rows[i].text);
    }
  for (guint i = 0; i < G_N_ELEMENTS (others); i++)
    {
      g_string_truncate (out, 0);
      pvt_exposition_number (out, others[i]);
      assert_true (g_ascii_strtod (out->str, NULL) == others[i]);
    }
}

static void
histograms_add_up (void **state G_GNUC_UNUSED)
{
  static const double bounds[] = { 0.5, 1 };
  static const guint64 counts[] = { 2, 0, 1 };
  g_autoptr (PvtMetrics) metrics = pvt_metrics_new ();
  g_autofree char *text = NULL;

  pvt_metrics_add_histogram (metrics, PVT_F_DURATION, bounds, counts, 2, 3.25);
  text = text_of (metrics, NULL, "");
  assert_non_null (strstr (text, "_bucket{le=\"0.5\"} 2\n"));
  assert_non_null (strstr (text, "_bucket{le=\"1\"} 2\n"));
  assert_non_null (strstr (text, "_bucket{le=\"+Inf\"} 3\n"));
  assert_non_null (strstr (text, "_sum 3.25\n"));
  assert_non_null (strstr (text, "_count 3\n"));
}

static void
names_are_families_once (void **state G_GNUC_UNUSED)
{
  g_autoptr (GHashTable) seen = g_hash_table_new (g_str_hash, g_str_equal);

  for (guint i = 0; i < PVT_N_FAMILIES; i++)
    {
      const PvtFamily *family = &pvt_families[i];

      assert_true (g_hash_table_add (seen, (gpointer) family->name));
      assert_null (strpbrk (family->help, "\\\n"));
      assert_int_equal (family->type == PVT_COUNTER, g_str_has_suffix (family->name, "_total"));
    }
}

static void
parse (PvtMetrics *metrics, PvtProcfsParser parser, const char *text)
{
  parser (metrics, text, strlen (text));
}

static void
expect_line (const char *text, const char *line)
{
  g_autofree char *wanted = g_strconcat ("\n", line, "\n", NULL);

  if (strstr (text, wanted) == NULL)
    fail_msg ("no line '%s' in:\n%s", line, text);
}

static void
proc_files (void **state G_GNUC_UNUSED)
{
  g_autoptr (PvtMetrics) metrics = pvt_metrics_new ();
  g_autofree char *text = NULL;

  parse (metrics, pvt_procfs_stat, "cpu  9 9 9 9\ncpu0 150 0 25 1000 5 0 1 2 3 4 99\ncpux 1\ncpu1 7\n"
                                   "intr 77 1 2\nctxt 5\nbtime 1700000000\nprocesses -3\n");
  parse (metrics, pvt_procfs_meminfo, "MemTotal:  1000 kB\nActive(anon): 5 kB\nNew_key: 4 kB\n"
                                      "HugePages_Total:   3\nMemFree 7 kB\n: 3\nBuffers: x\n");
  parse (metrics, pvt_procfs_vmstat, "nr_free_pages 7\npgfault 12\npswpin -1\n");
  parse (metrics, pvt_procfs_loadavg, "0.50 nan 0.25 1/100 1\n");
  parse (metrics, pvt_procfs_diskstats, " 254 0 vda 1 2 3 4 5 6 7 8 9 10 11\n254 1 vda1 1 2 3 4 5 6 7 8 9 "
                                        "10 11\n7 0 loop0 1 2 3 4 5 6 7 8 9 10 11\nrubbish\n");
  parse (metrics, pvt_procfs_net_dev, "Inter-| Receive\n face |bytes\n  eth0:10 2 3 4 5 6 7 8 9 10 11 12 13 "
                                      "14 15 16\n short: 1 2\n");
  parse (metrics, pvt_procfs_file_nr, "1024\t0\t99999\n");
  parse (metrics, pvt_procfs_pressure_io, "some avg10=0.00 avg60=0.00 avg300=0.00 total=1500000\n"
                                          "full avg10=0.00 total=x\n");
  text = text_of (metrics, NULL, "");
  expect_line (text, "node_cpu_seconds_total{cpu=\"0\",mode=\"user\"} 1.5");
  expect_line (text, "node_cpu_seconds_total{cpu=\"0\",mode=\"steal\"} 0.02");
  expect_line (text, "node_cpu_guest_seconds_total{cpu=\"0\",mode=\"nice\"} 0.04");
  assert_null (strstr (text, "cpu=\"x\""));
  expect_line (text, "node_intr_total 77");
  expect_line (text, "node_boot_time_seconds 1700000000");
  assert_null (strstr (text, "node_forks_total"));
  expect_line (text, "node_memory_MemTotal_bytes 1024000");
  expect_line (text, "node_memory_Active_anon_bytes 5120");
  expect_line (text, "node_memory_HugePages_Total 3");
  assert_null (strstr (text, "New_key"));
  assert_null (strstr (text, "MemFree"));
  expect_line (text, "node_vmstat_pgfault 12");
  assert_null (strstr (text, "pswpin"));
  expect_line (text, "node_load1 0.5");
  assert_null (strstr (text, "node_load5"));
  expect_line (text, "node_disk_read_bytes_total{device=\"vda\"} 1536");
  expect_line (text, "node_disk_io_time_seconds_total{device=\"vda\"} 0.01");
  assert_null (strstr (text, "vda1"));
  assert_null (strstr (text, "loop0"));
  assert_null (strstr (text, "discards"));
  expect_line (text, "node_network_receive_bytes_total{device=\"eth0\"} 10");
  expect_line (text, "node_network_transmit_drop_total{device=\"eth0\"} 12");
  assert_null (strstr (text, "short"));
  expect_line (text, "node_filefd_maximum 99999");
  expect_line (text, "node_pressure_io_waiting_seconds_total 1.5");
  assert_null (strstr (text, "stalled"));
}

static void
mounts_that_cannot_be_written (void **state G_GNUC_UNUSED)
{
  static const char mounts[] = "/dev/a / ext4 rw,relatime 0 0\n/dev/b /my\\040disk ext4 ro,x 0 0\n"
                               "/dev/c /r ext4 rotate 0 0\nshort\n/dev/d / ext4 ro 0 0\n";
  gboolean readonly = FALSE;

  assert_true (pvt_procfs_mount_is_readonly (mounts, strlen (mounts), "/my disk", &readonly));
  assert_true (readonly);
  assert_true (pvt_procfs_mount_is_readonly (mounts, strlen (mounts), "/r", &readonly));
  assert_false (readonly);
  assert_true (pvt_procfs_mount_is_readonly (mounts, strlen (mounts), "/", &readonly));
  assert_true (readonly); /* the later one is on top */
  assert_false (pvt_procfs_mount_is_readonly (mounts, strlen (mounts), "/none", &readonly));
}

static void
what_node_exporter_leaves_out (void **state G_GNUC_UNUSED)
{
  static const char *const disks[] = { "vda", "sdaa", "nvme0n1", "dm-0", "md127", "sr0", "mmcblk0" };
  static const char *const others[]
      = { "vda1", "sdaa12", "xvda1", "nvme0n1p1", "mmcblk0p2", "loop0", "ram15", "zram0", "fd0", "" };

  for (guint i = 0; i < G_N_ELEMENTS (disks); i++)
    assert_true (pvt_figures_wants_disk (disks[i]));
  for (guint i = 0; i < G_N_ELEMENTS (others); i++)
    assert_false (pvt_figures_wants_disk (others[i]));
  assert_true (pvt_figures_wants_filesystem ("ext4", "/"));
  assert_true (pvt_figures_wants_filesystem ("overlay", "/"));
  assert_true (pvt_figures_wants_filesystem ("ext4", "/system"));
  assert_false (pvt_figures_wants_filesystem ("overlay", "/x"));
  assert_false (pvt_figures_wants_filesystem ("tmpfs", "/sys/x"));
  assert_false (pvt_figures_wants_filesystem ("tracefs", "/x"));
}

static void
only_allowed_addresses (void **state G_GNUC_UNUSED)
{
  static const char *const patterns[] = { "unix:/run/vm/*.sock", "vsock:*:9999", NULL };
  static const char *const good[] = { "unix:/run/vm/a.sock", "vsock:3:9999" };
  static const char *const bad[]
      = { "unix:/run/vm/x/a.sock", "unix:/run/vm/../a.sock",   "unix:/run/vm/.a.sock", "/run/vm/a.sock",
          "unix:/run/docker.sock", "vsock:3:22",               "unix:/run/vm/a\n.sock", "qemu:/run/vm/a.sock",
          "unix:/run/vm/..",       "unix:/run/vm/a.sock.sock/" };

  for (guint i = 0; i < G_N_ELEMENTS (good); i++)
    assert_true (pvt_target_is_allowed (patterns, good[i]));
  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    assert_false (pvt_target_is_allowed (patterns, bad[i]));
  assert_false (pvt_target_is_allowed (NULL, good[0]));
  /* Even where the pattern takes anything. */
  assert_false (pvt_target_is_allowed ((const char *const[]){ "unix:/run/*/*", NULL }, "unix:/run/../x"));
}

static void
discovery_for_prometheus (void **state G_GNUC_UNUSED)
{
  g_autoptr (GPtrArray) found
      = g_ptr_array_new_with_free_func ((GDestroyNotify) pvt_found_free);
  PvtFound *one = g_new0 (PvtFound, 1);
  g_autofree char *none = pvt_discovery_json (found, "h:1");
  g_autofree char *json = NULL;

  assert_string_equal (none, "[]");
  *one = (PvtFound){ g_strdup ("unix:/a\"b"), g_strdup ("db1"), NULL, g_strdup ("sockets") };
  g_ptr_array_add (found, one);
  json = pvt_discovery_json (found, "h:1");
  assert_string_equal (json, "[{\"targets\":[\"h:1\"],\"labels\":{\"__metrics_path__\":\"/guest\","
                             "\"__param_target\":\"unix:/a\\\"b\",\"instance\":\"db1\","
                             "\"__meta_pvtools_source\":\"sockets\"}}]");
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (names_of_libvirt),
    cmocka_unit_test (label_values_are_escaped),
    cmocka_unit_test (long_labels_are_cut_between_characters),
    cmocka_unit_test (impossible_values_are_dropped),
    cmocka_unit_test (a_series_comes_once_and_families_stay_whole),
    cmocka_unit_test (several_guests_make_one_family),
    cmocka_unit_test (the_prefix_spares_our_own_names),
    cmocka_unit_test (what_a_guest_can_add_is_bounded),
    cmocka_unit_test (numbers_read_back),
    cmocka_unit_test (histograms_add_up),
    cmocka_unit_test (names_are_families_once),
    cmocka_unit_test (proc_files),
    cmocka_unit_test (mounts_that_cannot_be_written),
    cmocka_unit_test (what_node_exporter_leaves_out),
    cmocka_unit_test (only_allowed_addresses),
    cmocka_unit_test (discovery_for_prometheus),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
