/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The readers on a fake root, with text as real systems have it. */
#include "tap-main.h"
#include "fake-root.h"

#include "agent/platform/blockdev.h"
#include "agent/platform/bounds.h"
#include "agent/platform/counters.h"
#include "agent/platform/cpus.h"
#include "agent/platform/diskstats.h"
#include "agent/platform/exec-group.h"
#include "agent/platform/meminfo.h"
#include "agent/platform/memblocks.h"
#include "agent/platform/netlink.h"
#include "agent/platform/nvme-smart.h"
#include "agent/platform/osrelease.h"
#include "agent/platform/pressure.h"
#include "agent/platform/resolv.h"
#include "agent/platform/stat.h"
#include "agent/platform/logins.h"
#include "agent/platform/session-file.h"
#include "agent/platform/udev-data.h"
#include "agent/platform/users.h"

#include <unistd.h>
#include <utmp.h>

static int
make_root (void **state G_GNUC_UNUSED)
{
  return open_root ();
}

static void
cpu_times (void **state G_GNUC_UNUSED)
{
  g_autoptr (GArray) cpus = NULL;
  const PvtCpuTimes *t;

  put ("proc/stat", "cpu  1 2 3 4 5 6 7 8 9 10\n"
                    "cpu0 1 2 3 4\n"
                    "cpu5 10 20 30 40 50 60 70 80 90 100 110\n"
                    "cpux 1 2 3 4\ncpu99999999 1 2 3 4\ncpu1 nonsense\n"
                    "intr 5 cpu7 1 2 3 4\n");
  cpus = pvt_stat_read (root, NULL);
  assert_int_equal (cpus->len, 3);
  t = &g_array_index (cpus, PvtCpuTimes, 0);
  assert_int_equal (t->cpu, -1);
  assert_int_equal (t->ticks[PVT_CPU_GUEST_NICE], 10);
  t = &g_array_index (cpus, PvtCpuTimes, 1);
  assert_int_equal (t->n_fields, 4);
  t = &g_array_index (cpus, PvtCpuTimes, 2);
  assert_int_equal (t->cpu, 5);
  assert_int_equal (t->n_fields, 10);
}

static void
memory (void **state G_GNUC_UNUSED)
{
  PvtMeminfo info;

  put ("proc/meminfo", "MemTotal: 1000 kB\nMemFree: 100 kB\nMemAvailable: 600 kB\nBuffers: 10 kB\n"
                       "Cached: 400 kB\nSwapCached: 1 kB\nActive(anon): 5 kB\nSwapTotal: 50 kB\n"
                       "SwapFree: 40 kB\nHugePages_Total: 3\nHugepagesize: 2048 kB\nOdd\nX: y kB\n");
  assert_true (pvt_meminfo_read (root, &info, NULL));
  assert_int_equal (info.total, 1000 * 1024);
  assert_int_equal (info.available, 600 * 1024);
  assert_false (info.available_estimated);
  assert_int_equal (info.huge_total, 3);
  assert_int_equal (info.huge_size, 2048 * 1024);
  /* Linux 3.10 has no MemAvailable. */
  put ("proc/meminfo", "MemTotal: 1000 kB\nMemFree: 100 kB\nBuffers: 10 kB\nCached: 400 kB\n"
                       "Shmem: 50 kB\nSReclaimable: 20 kB\n");
  assert_true (pvt_meminfo_read (root, &info, NULL));
  assert_true (info.available_estimated);
  assert_int_equal (info.available, 480 * 1024);
  put ("proc/meminfo", "nothing here\n");
  assert_false (pvt_meminfo_read (root, &info, NULL));
}

static void
counters (void **state G_GNUC_UNUSED)
{
  static const char *const wanted[] = { "pgfault", NULL };
  g_autoptr (GArray) memory = NULL;
  g_autoptr (GArray) some = g_array_new (FALSE, FALSE, sizeof (PvtNamedValue));
  guint64 allocated, maximum;
  PvtStatCounters stat;

  put ("proc/stat", "cpu  1 2 3 4\nintr 77 1 2 3\nctxt 5\nbtime 1700000000\nprocesses x\n"
                    "procs_running 2\n");
  assert_true (pvt_stat_counters_read (root, &stat));
  assert_int_equal (stat.present, 1 << PVT_STAT_INTR | 1 << PVT_STAT_CTXT | 1 << PVT_STAT_BTIME
                                      | 1 << PVT_STAT_RUNNING);
  assert_int_equal (stat.fields[PVT_STAT_INTR], 77);
  assert_int_equal (stat.fields[PVT_STAT_BTIME], 1700000000);
  put ("proc/meminfo", "MemTotal: 1000 kB\nHugePages_Total: 3\nActive(anon): 5 kB\nOdd\nX: y kB\n"
                       "Huge: 18446744073709551615 kB\n: 4\nA_name_longer_than_any_of_the_kernel: 1\n");
  memory = pvt_meminfo_values_read (root);
  assert_int_equal (memory->len, 4);
  assert_string_equal (g_array_index (memory, PvtNamedValue, 2).name, "Active(anon)");
  assert_int_equal (g_array_index (memory, PvtNamedValue, 0).value, 1000 * 1024);
  assert_int_equal (g_array_index (memory, PvtNamedValue, 1).value, 3);
  assert_true (g_array_index (memory, PvtNamedValue, 3).value == G_MAXINT64);
  pvt_named_values_parse ("a 1\npgfault 2\n", 14, wanted, some);
  assert_int_equal (some->len, 1);
  put ("proc/sys/fs/file-nr", "1024\t0\t99999\n");
  assert_true (pvt_file_handles_read (root, &allocated, &maximum));
  assert_int_equal (allocated, 1024);
  assert_int_equal (maximum, 99999);
  put ("proc/sys/fs/file-nr", "1024 0\n");
  assert_false (pvt_file_handles_read (root, &allocated, &maximum));
}

static void
pressure (void **state G_GNUC_UNUSED)
{
  PvtPressureFile file;

  put ("proc/pressure/io", "some avg10=1.50 avg60=0.25 avg300=0.00 total=12345\n"
                           "full avg10=0.10 avg60=0.00 avg300=0.00 total=99\n");
  assert_true (pvt_pressure_read (root, "io", &file));
  assert_true (file.some.present && file.full.present);
  assert_true (file.some.avg10 == 1.5);
  assert_int_equal (file.some.total_us, 12345);
  put ("proc/pressure/cpu", "some avg10=x avg60=0 avg300=0 total=1\n");
  assert_false (pvt_pressure_read (root, "cpu", &file));
  assert_false (pvt_pressure_read (root, "irq", &file));
}

static void
disk_counters (void **state G_GNUC_UNUSED)
{
  g_autoptr (GArray) disks = NULL;
  const PvtDiskCounters *d;

  put ("proc/diskstats",
       "   8       0 sda 1 2 3 4 5 6 7 8 9 10 11\n"                       /* before 4.18 */
       " 254       0 vda 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17\n"     /* since 5.5 */
       "   8       1 sda1 1 2 3 4\n"                                      /* 2.6 partitions */
       "   x y z\n");
  disks = pvt_diskstats_read (root, NULL);
  assert_int_equal (disks->len, 2);
  d = &g_array_index (disks, PvtDiskCounters, 0);
  assert_string_equal (d->name, "sda");
  assert_int_equal (d->n_fields, 11);
  d = &g_array_index (disks, PvtDiskCounters, 1);
  assert_int_equal (d->n_fields, 17);
  assert_int_equal (d->fields[PVT_DISK_FLUSH_TICKS], 17);
}

static void
processors (void **state G_GNUC_UNUSED)
{
  static const char *const bad[] = { "3-1", "1,,2", "-", "a", "0-99999999", "1-2-3", "1 2" };
  guint8 bits[PVT_MAX_CPUS / 8];
  g_autoptr (GArray) cpus = NULL;

  put ("sys/devices/system/cpu/present", "0-2,5\n");
  put ("sys/devices/system/cpu/online", "0,2,5\n");
  put ("sys/devices/system/cpu/cpu1/online", "0\n");
  put ("sys/devices/system/cpu/cpu2/online", "1\n");
  cpus = pvt_cpus_read (root, NULL);
  assert_int_equal (cpus->len, 4);
  assert_true (g_array_index (cpus, PvtCpu, 0).online);
  assert_false (g_array_index (cpus, PvtCpu, 0).can_offline);
  assert_false (g_array_index (cpus, PvtCpu, 1).online);
  assert_true (g_array_index (cpus, PvtCpu, 1).can_offline);
  assert_int_equal (g_array_index (cpus, PvtCpu, 3).number, 5);
  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    assert_false (pvt_cpulist_parse (bad[i], strlen (bad[i]), bits));
}

/* More names than one system call returns, and none twice. */
static void
many_memory_blocks (void **state G_GNUC_UNUSED)
{
  g_autoptr (GArray) blocks = NULL;

  for (guint i = 0; i < 500; i++)
    {
      g_autofree char *path = g_strdup_printf ("sys/devices/system/memory/memory%u/state", 1000 + i);

      put (path, i % 2 ? "online\n" : "offline\n");
    }
  blocks = pvt_memblocks_read (root, NULL);
  assert_true (blocks->len >= 500);
  for (guint i = 0; i < 500; i++)
    {
      const PvtMemblock *block = &g_array_index (blocks, PvtMemblock, blocks->len - 500 + i);

      assert_int_equal (block->index, 1000 + i);
      assert_int_equal (block->online, i % 2);
    }
}

static void
memory_blocks (void **state G_GNUC_UNUSED)
{
  g_autoptr (GArray) blocks = NULL;
  guint64 size;

  put ("sys/devices/system/memory/block_size_bytes", "8000000\n");
  put ("sys/devices/system/memory/memory10/state", "offline\n");
  put ("sys/devices/system/memory/memory10/removable", "1\n");
  put ("sys/devices/system/memory/memory2/state", "online\n");
  put ("sys/devices/system/memory/memory2/removable", "0\n");
  put ("sys/devices/system/memory/memoryx/state", "online\n");
  blocks = pvt_memblocks_read (root, NULL);
  assert_int_equal (blocks->len, 2);
  assert_int_equal (g_array_index (blocks, PvtMemblock, 0).index, 2);
  assert_true (g_array_index (blocks, PvtMemblock, 0).online);
  assert_false (g_array_index (blocks, PvtMemblock, 0).removable);
  assert_true (g_array_index (blocks, PvtMemblock, 1).removable);
  assert_true (pvt_memblock_size (root, &size, NULL));
  assert_int_equal (size, 0x8000000);
}

static void
resolver (void **state G_GNUC_UNUSED)
{
  PvtResolv resolv;

  put ("etc/resolv.conf", "# x\nnameserver 127.0.0.53\nsearch a.example\tb.example\noptions y\n");
  put ("run/systemd/resolve/resolv.conf", "nameserver 192.0.2.1\nnameserver 2001:db8::1\n");
  pvt_resolv_read (root, &resolv);
  assert_int_equal (resolv.servers->len, 2);
  assert_string_equal (resolv.servers->pdata[1], "2001:db8::1");
  pvt_resolv_clear (&resolv);
  put ("etc/resolv.conf", "nameserver 192.0.2.7\nsearch a b\nsearch c\n");
  pvt_resolv_read (root, &resolv);
  assert_string_equal (resolv.servers->pdata[0], "192.0.2.7");
  assert_int_equal (resolv.search->len, 1);
  pvt_resolv_clear (&resolv);
}

static void
expect_release (const char *text, const char *key, const char *wanted)
{
  g_autofree char *value = pvt_osrelease_get (text, strlen (text), key);

  if (wanted == NULL)
    assert_null (value);
  else
    assert_string_equal (value, wanted);
}

static void
os_release (void **state G_GNUC_UNUSED)
{
  static const char text[] = "NAME=\"A \\\"quoted\\\" one\"\nID=debian\nID_LIKE='x y'\n#VERSION=no\n"
                             "VERSION=\nPRETTY_NAME=one\nPRETTY_NAME=\"two\" \nEMPTY";

  expect_release (text, "NAME", "A \"quoted\" one");
  expect_release (text, "ID", "debian");
  expect_release (text, "ID_LIKE", "x y");
  expect_release (text, "VERSION", "");
  expect_release (text, "PRETTY_NAME", "two");
  expect_release (text, "EMPTY", NULL);
  expect_release (text, "VARIANT", NULL);
}

static void
users (void **state G_GNUC_UNUSED)
{
  struct utmp records[4];
  g_autoptr (GArray) found = g_array_new (FALSE, FALSE, sizeof (PvtUser));

  memset (records, 0, sizeof records);
  for (guint i = 0; i < 4; i++)
    {
      records[i].ut_type = i == 3 ? DEAD_PROCESS : USER_PROCESS;
      strcpy (records[i].ut_user, i == 1 ? "bob" : "alice");
      records[i].ut_tv.tv_sec = (int) (1000 - i * 100);
      records[i].ut_tv.tv_usec = 500000;
    }
  /* A name that fills its field has no NUL. */
  memset (records[1].ut_user, 'b', sizeof records[1].ut_user);
  pvt_utmp_parse (records, sizeof records - 3, found);
  assert_int_equal (found->len, 2);
  assert_string_equal (g_array_index (found, PvtUser, 0).name, "alice");
  assert_true (g_array_index (found, PvtUser, 0).login_time == 800.5);
  assert_int_equal (strlen (g_array_index (found, PvtUser, 1).name), UT_NAMESIZE);
}

static void
session_file (void **state G_GNUC_UNUSED)
{
  static const char text[] = "# This is private data. Do not parse.\nUID=1000\nUSER=seed\nACTIVE=1\nSTATE=active\n"
                             "TYPE=tty\nCLASS=user-early\nREALTIME=1700000000000000";
  static const char *const without[] = { "USER=x\nCLASS=user\nSTATE=active\n", "UID=\n", "UID=-1\n", "UID=4294967296\n",
                                         "XUID=1\n", "" };
  static const char *const no_logins[] = { "UID=0\nCLASS=greeter\nSTATE=active\n", "UID=0\nCLASS=user\nSTATE=closing\n",
                                           "UID=0\nCLASS=user\n", "UID=0\nSTATE=active\n" };
  PvtSessionFile session;

  assert_true (pvt_session_file_parse (text, sizeof text - 1, &session));
  assert_int_equal (session.uid, 1000);
  assert_string_equal (session.user, "seed");
  assert_true (session.is_login);
  assert_true (session.start_us == G_GUINT64_CONSTANT (1700000000000000));
  for (guint i = 0; i < G_N_ELEMENTS (without); i++)
    assert_false (pvt_session_file_parse (without[i], strlen (without[i]), &session));
  for (guint i = 0; i < G_N_ELEMENTS (no_logins); i++)
    {
      assert_true (pvt_session_file_parse (no_logins[i], strlen (no_logins[i]), &session));
      assert_false (session.is_login);
    }
}

static void
udev_data (void **state G_GNUC_UNUSED)
{
  static const char text[] = "S:disk/by-id/ata-QM00001\nI:123\nE:ID_SERIAL_SHORT=short\nE:ID_SERIAL=QEMU_QM00001\nE:EMPTY=";
  g_autofree char *serial = pvt_udev_data_property (text, sizeof text - 1, "ID_SERIAL");
  g_autofree char *empty = pvt_udev_data_property (text, sizeof text - 1, "EMPTY");

  assert_string_equal (serial, "QEMU_QM00001");
  assert_string_equal (empty, "");
  assert_null (pvt_udev_data_property (text, sizeof text - 1, "ID_MODEL"));
  assert_null (pvt_udev_data_property ("E:A", 3, "A"));
}

static void
names_of_passwd (void **state G_GNUC_UNUSED)
{
  static const char text[] = "root:x:0:0:root:/root:/bin/sh\nbad\n:x:7:7::/:\nlong-0123456789012345678901234567890:x:8:8::/:\n"
                             "x:x:-5:5::/:\nseed:x:1000:1000::/home/seed:/bin/sh\nlast:x:4294967295:1:::";
  char name[33] = "";

  assert_true (pvt_passwd_find (text, sizeof text - 1, 0, name, sizeof name));
  assert_string_equal (name, "root");
  assert_true (pvt_passwd_find (text, sizeof text - 1, 1000, name, sizeof name));
  assert_string_equal (name, "seed");
  assert_true (pvt_passwd_find (text, sizeof text - 1, G_MAXUINT32, name, sizeof name));
  assert_string_equal (name, "last");
  /* No such user; one without a name; one whose name does not fit; no number. */
  assert_false (pvt_passwd_find (text, sizeof text - 1, 1, name, sizeof name));
  assert_false (pvt_passwd_find (text, sizeof text - 1, 7, name, sizeof name));
  assert_false (pvt_passwd_find (text, sizeof text - 1, 8, name, sizeof name));
  assert_false (pvt_passwd_find (text, sizeof text - 1, 5, name, sizeof name));
  assert_false (pvt_passwd_find ("", 0, 0, name, sizeof name));
}

static void
expect_place (const char *path, PvtBus kind, const int pci[4], int bus, int target, int unit)
{
  PvtDiskPlace place;

  pvt_blockdev_parse_path (path, &place);
  assert_int_equal (place.kind, kind);
  assert_memory_equal (place.pci, pci, sizeof place.pci);
  assert_int_equal (place.bus, bus);
  assert_int_equal (place.target, target);
  assert_int_equal (place.unit, unit);
}

static void
disk_places (void **state G_GNUC_UNUSED)
{
  static const int slot4[] = { 0, 0, 4, 0 }, behind[] = { 1, 2, 0, 1 }, none[] = { -1, -1, -1, -1 };

  expect_place ("devices/pci0000:00/0000:00:04.0/virtio1/block/vda/vda1", PVT_BUS_VIRTIO, slot4, 0,
                0, 0);
  expect_place ("devices/pci0001:00/0001:00:01.0/0001:02:00.1/virtio0/block/vda", PVT_BUS_VIRTIO,
                behind, 0, 0, 0);
  expect_place ("devices/pci0000:00/0000:00:04.0/virtio1/host2/target2:0:3/2:0:3:5/block/sda",
                PVT_BUS_SCSI, slot4, 0, 3, 5);
  expect_place ("devices/pci0000:00/0000:00:04.0/nvme/nvme0/nvme0n1", PVT_BUS_NVME, slot4, 0, 0, 0);
  expect_place ("devices/platform/a003e00.virtio_mmio/virtio0/block/vda", PVT_BUS_VIRTIO, none, 0, 0,
                0);
  expect_place ("devices/pci0000:00/0000:00:04.0/usb1/1-1/1-1:1.0/host3/target3:0:0/3:0:0:0/block/sdb",
                PVT_BUS_USB, slot4, 0, 0, 0);
  expect_place ("devices/vbd-51712/block/xvda", PVT_BUS_XEN, none, 0, 0, 0);
}

/* A volume on two disks, one of them on the third port of an AHCI controller. */
static void
stacked_disks (void **state G_GNUC_UNUSED)
{
  static const char ahci[] = "sys/devices/pci0000:00/0000:00:1f.2";
  g_autoptr (GPtrArray) places = pvt_disk_places_new ();
  g_autoptr (GPtrArray) list = NULL;
  const PvtDiskPlace *place;

  for (guint i = 1; i <= 6; i++)
    {
      g_autofree char *path = g_strdup_printf ("%s/ata%u/x", ahci, i);

      put (path, "");
    }
  put_link ("sys/devices/pci0000:00/0000:00:1f.2/driver", "../../../bus/pci/drivers/ahci");
  put_link ("sys/class/block/sda", "../../devices/pci0000:00/0000:00:1f.2/ata3/host2/target2:0:0/2:0:0:0/block/sda");
  put_link ("sys/class/block/vdb", "../../devices/pci0000:00/0000:00:04.0/virtio1/block/vdb");
  put ("sys/devices/pci0000:00/0000:00:04.0/virtio1/block/vdb/serial", "abc\n");
  put_link ("sys/class/block/dm-0", "../../devices/virtual/block/dm-0");
  put ("sys/devices/virtual/block/dm-0/slaves/sda/x", "");
  put ("sys/devices/virtual/block/dm-0/slaves/vdb/x", "");
  put ("sys/devices/virtual/block/dm-0/size", "100\n");
  put ("sys/devices/virtual/block/dm-0/dm/name", "vg-lv\n");
  put_link ("sys/block/dm-0", "../devices/virtual/block/dm-0");
  put ("sys/block/ram0/size", "0\n");
  pvt_blockdev_places (root, "dm-0", places);
  assert_int_equal (places->len, 2);
  place = places->pdata[0];
  assert_string_equal (place->node, "/dev/sda");
  assert_int_equal (place->kind, PVT_BUS_SATA);
  assert_int_equal (place->unit, 2);
  place = places->pdata[1];
  assert_string_equal (place->serial, "abc");
  list = pvt_blockdevs_list (root, NULL);
  assert_int_equal (list->len, 1);
  assert_string_equal (((PvtBlockdev *) list->pdata[0])->alias, "/dev/mapper/vg-lv");
  assert_int_equal (((PvtBlockdev *) list->pdata[0])->depends->len, 2);
}

static void
a_ring_of_slaves_ends (void **state G_GNUC_UNUSED)
{
  g_autoptr (GPtrArray) places = pvt_disk_places_new ();

  put_link ("sys/class/block/dm-8", "../../devices/virtual/block/dm-8");
  put ("sys/devices/virtual/block/dm-8/slaves/dm-8/x", "");
  pvt_blockdev_places (root, "dm-8", places);
  assert_int_equal (places->len, 0);
}

static void
nvme_page (void **state G_GNUC_UNUSED)
{
  guint8 page[PVT_NVME_SMART_SIZE] = { 1, 0x2c, 0x01, 100, 10, 3 };
  PvtNvmeSmart smart;

  page[32] = 7;
  page[40] = 9;
  page[32 + 16 * 9] = 5;
  pvt_nvme_smart_parse (page, &smart);
  assert_int_equal (smart.temperature, 300);
  assert_int_equal (smart.percentage_used, 3);
  assert_int_equal (smart.data_units_read.low, 7);
  assert_int_equal (smart.data_units_read.high, 9);
  assert_int_equal (smart.error_log_entries.low, 5);
}

/* The real kernel's answers, and every way to cut and bend them. */
static void
netlink_survives_anything (void **state G_GNUC_UNUSED)
{
  g_autoptr (GArray) links = pvt_links_read (NULL);
  g_autoptr (GArray) addresses = pvt_addresses_read (NULL);
  guint32 buf[64];
  GRand *rand = g_rand_new_with_seed (7);

  assert_true (links->len >= 1);
  assert_non_null (addresses);
  for (guint round = 0; round < 20000; round++)
    {
      g_autoptr (GArray) out = g_array_new (FALSE, FALSE, sizeof (PvtRoute));

      for (guint i = 0; i < G_N_ELEMENTS (buf); i++)
        buf[i] = g_rand_int (rand);
      buf[0] = (guint32) g_rand_int_range (rand, 0, sizeof buf + 16);
      buf[1] = (guint32) g_rand_int_range (rand, 16, 32);
      for (guint i = 7; i < G_N_ELEMENTS (buf); i += 3)
        buf[i] = (guint32) g_rand_int_range (rand, 0, 24) | (guint32) g_rand_int_range (rand, 0, 24) << 16;
      pvt_netlink_parse_routes (buf, sizeof buf, out);
      g_array_set_size (out, 0);
      {
        g_autoptr (GArray) l = g_array_new (FALSE, FALSE, sizeof (PvtLink));
        g_autoptr (GArray) a = g_array_new (FALSE, FALSE, sizeof (PvtAddress));

        pvt_netlink_parse_links (buf, sizeof buf, l);
        pvt_netlink_parse_addresses (buf, sizeof buf, a);
      }
    }
  g_rand_free (rand);
}

static void
assert_group (const char *own, const char *wanted)
{
  g_autofree char *found = pvt_exec_group_beside (own);

  if (wanted)
    assert_string_equal (found, wanted);
  else
    assert_null (found);
}

static void
group_of_programs (void **state G_GNUC_UNUSED)
{
  assert_group ("0::/system.slice/pvtools-agent.service\n",
                "/sys/fs/cgroup/system.slice/pvtools-exec.service");
  assert_group ("4:memory:/\n1:name=systemd:/x\n0::/a.slice/a-b.slice/pvtools-agent.service",
                "/sys/fs/cgroup/a.slice/a-b.slice/pvtools-exec.service");
  assert_group ("0::/pvtools-agent.service\n", "/sys/fs/cgroup/pvtools-exec.service");
  assert_group ("0::/\n", NULL);
  assert_group ("0::/.service\n", NULL);
  assert_group ("0::/user.slice/session-1.scope\n", NULL);
  assert_group ("0::/openrc.pvtools-agent\n", NULL);
  assert_group ("1:name=systemd:/system.slice/pvtools-agent.service\n", NULL);
  assert_group ("", NULL);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (cpu_times),         cmocka_unit_test (memory),
    cmocka_unit_test (counters),
    cmocka_unit_test (pressure),          cmocka_unit_test (disk_counters),
    cmocka_unit_test (processors),        cmocka_unit_test (memory_blocks),
    cmocka_unit_test (many_memory_blocks),
    cmocka_unit_test (resolver),          cmocka_unit_test (os_release),
    cmocka_unit_test (users), cmocka_unit_test (names_of_passwd), cmocka_unit_test (session_file),
    cmocka_unit_test (udev_data), cmocka_unit_test (disk_places),
    cmocka_unit_test (stacked_disks),     cmocka_unit_test (a_ring_of_slaves_ends),
    cmocka_unit_test (group_of_programs),
    cmocka_unit_test (nvme_page),         cmocka_unit_test (netlink_survives_anything),
  };

  return cmocka_run_group_tests_name ("platform", tests, make_root, remove_root);
}
