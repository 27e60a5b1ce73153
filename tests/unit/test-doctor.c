/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The checks on a fake root: a guest as it should be, then one fault at a time. */
#include "tap-main.h"
#include "fake-root.h"

#include "agent/doctor/doctor.h"
#include "agent/platform/interrupts.h"
#include "agent/platform/virtio-bus.h"

#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#define BLK "sys/devices/pci0000:00/0000:00:02.0/virtio0"
#define NET "sys/devices/pci0000:00/0000:00:03.0/virtio1"

/* Bit 0 first; 28, 29 and 32 of the transport besides those named. */
/* FLUSH 9, MQ 12, DISCARD 13. */
#define BLK_FEATURES "0000000001001100000000000000110010000000000000000000000000000000"
/* CSUM 0, GUEST_CSUM 1, GUEST_TSO4 7, HOST_TSO4 11, MRG_RXBUF 15, STATUS 16, MQ 22. */
#define NET_FEATURES "1100000100010001100000100000110010000000000000000000000000000000"

static void
put_program (const char *path, const char *text)
{
  g_autofree char *full = full_path (path);

  put (path, text);
  assert_int_equal (g_chmod (full, 0755), 0);
}

static void
remove_path (const char *path)
{
  g_autofree char *full = full_path (path);

  assert_int_equal (g_remove (full), 0);
}

static void
make_devices (void)
{
  put (BLK "/device", "0x0002\n");
  put (BLK "/status", "0x0000000f\n");
  put (BLK "/features", BLK_FEATURES "\n");
  put_link (BLK "/driver", "../../../../bus/virtio/drivers/virtio_blk");
  put (BLK "/block/vda/size", "8\n");
  put (NET "/device", "0x0001\n");
  put (NET "/status", "0x0000000f\n");
  /* As kernels have it that know 128 bits. */
  put (NET "/features", NET_FEATURES NET_FEATURES "\n");
  put_link (NET "/driver", "../../../../bus/virtio/drivers/virtio_net");
  put (NET "/net/eth0/mtu", "1500\n");
  put_link ("sys/bus/virtio/devices/virtio0", "../../../devices/pci0000:00/0000:00:02.0/virtio0");
  put_link ("sys/bus/virtio/devices/virtio1", "../../../devices/pci0000:00/0000:00:03.0/virtio1");
  put_link ("sys/block/vda", "../devices/pci0000:00/0000:00:02.0/virtio0/block/vda");
  put_link ("sys/devices/pci0000:00/0000:00:02.0/driver", "../../../bus/pci/drivers/virtio-pci");
  put_link ("sys/class/net/eth0", "../../devices/pci0000:00/0000:00:03.0/virtio1/net/eth0");
  put_link (NET "/net/eth0/device", "../../../virtio1");
}

static void
make_attributes (void)
{
  put (BLK "/block/vda/mq/0/cpu_list", "0\n");
  put (BLK "/block/vda/mq/1/cpu_list", "1\n");
  put (BLK "/block/vda/queue/write_cache", "write back\n");
  put (BLK "/block/vda/queue/discard_max_bytes", "2147483136\n");
  put (BLK "/block/vda/queue/scheduler", "[none] mq-deadline bfq\n");
  put (BLK "/block/vda/queue/rotational", "0\n");
  put (BLK "/block/vda/serial", "disk1\n");
  put (NET "/net/eth0/queues/rx-0/x", "");
  put (NET "/net/eth0/queues/rx-1/x", "");
  put (NET "/net/eth0/carrier", "1\n");
}

static void
make_system (void)
{
  put ("proc/cpuinfo", "processor: 0\nflags\t\t: fpu hypervisor lahf_lm\n");
  put ("proc/stat", "cpu 100 0 100 9000 0 0 0 2 0 0\n");
  put ("proc/interrupts", "           CPU0       CPU1\n"
                          "  0:         10          0   IO-APIC   2-edge      timer\n"
                          " 24:       9000       8000   PCI-MSI 49152-edge      virtio0-req.0\n"
                          "NMI:          0          0   Non-maskable interrupts\n");
  put ("proc/77/comm", "pvtools-agent\n");
  put ("proc/88/comm", "chronyd\n");
  put ("dev/virtio-ports/org.qemu.guest_agent.0", "");
  put ("sys/class/dmi/id/sys_vendor", "QEMU\n");
  put ("sys/devices/system/clocksource/clocksource0/current_clocksource", "kvm-clock\n");
  put ("sys/devices/system/clocksource/clocksource0/available_clocksource", "kvm-clock tsc\n");
  put ("sys/class/misc/hw_random/rng_current", "virtio_rng.0\n");
  put ("sys/devices/system/cpu/present", "0-1\n");
  put ("sys/devices/system/cpu/online", "0-1\n");
  put ("sys/devices/system/cpu/cpu0/x", "");
  put ("sys/devices/system/cpu/cpu1/online", "1\n");
  put ("etc/fstab", "UUID=1234 / ext4 defaults 0 1\n# /dev/sda1 was it\n");
  put_link ("etc/systemd/system/timers.target.wants/fstrim.timer", "/lib/systemd/system/fstrim.timer");
  put_link ("vmlinuz", "boot/vmlinuz-6.1.0-9-amd64");
  put ("boot/initrd.img-6.1.0-9-amd64", "");
  put ("lib/modules/6.1.0-9-amd64/modules.builtin", "kernel/drivers/virtio/virtio_pci.ko\n");
}

static int
make_root (void **state G_GNUC_UNUSED)
{
  if (open_root () < 0)
    return -1;
  make_devices ();
  make_attributes ();
  make_system ();
  return 0;
}

static const PvtCheck *
find (const PvtCheckup *checkup, const char *name)
{
  for (guint i = 0; i < checkup->checks->len; i++)
    if (strcmp (((const PvtCheck *) checkup->checks->pdata[i])->name, name) == 0)
      return checkup->checks->pdata[i];
  fail_msg ("there is no check %s", name);
  return NULL;
}

/* What a check comes to; @word stands in its finding, and what warns has a remedy. */
static void
expect (const char *name, PvtCheckState state, const char *word)
{
  g_autoptr (PvtCheckup) checkup = pvt_doctor_run (root, NULL);
  const PvtCheck *check = find (checkup, name);

  if (check->state != state || strstr (check->finding, word) == NULL)
    fail_msg ("%s: state %d, finding '%s'; wanted %d, '%s'", name, check->state, check->finding, state,
              word);
  assert_int_equal (check->remedy != NULL, state >= PVT_CHECK_STATE_WARN);
}

static void
sound_guest (void **state G_GNUC_UNUSED)
{
  g_autoptr (PvtCheckup) checkup = NULL;

  /* The others have a program that looks into the image. */
  put ("lib/modules/6.1.0-9-amd64/modules.builtin",
       "a/virtio_pci.ko\na/virtio_blk.ko\na/virtio_scsi.ko\n");
  checkup = pvt_doctor_run (root, NULL);
  assert_int_equal (checkup->checks->len, 23);
  for (guint i = 0; i < checkup->checks->len; i++)
    {
      const PvtCheck *check = checkup->checks->pdata[i];

      if (check->state != PVT_CHECK_STATE_PASS && strcmp (check->name, "balloon") != 0)
        fail_msg ("%s: %s", check->name, check->finding);
      assert_null (check->remedy);
    }
  assert_int_equal (checkup->worst, PVT_CHECK_STATE_PASS);
}

static void
machine (void **state G_GNUC_UNUSED)
{
  put ("proc/cpuinfo", "flags : fpu\n");
  expect ("hypervisor", PVT_CHECK_STATE_WARN, "flags: QEMU");
  remove_path ("sys/class/dmi/id/sys_vendor");
  expect ("hypervisor", PVT_CHECK_STATE_WARN, "flags: no vendor or product told");
  put ("sys/devices/system/clocksource/clocksource0/current_clocksource", "acpi_pm\n");
  expect ("clocksource", PVT_CHECK_STATE_WARN, "acpi_pm, of kvm-clock tsc");
  put ("sys/class/misc/hw_random/rng_current", "none\n");
  expect ("entropy", PVT_CHECK_STATE_WARN, "no hardware");
  put ("proc/stat", "cpu 100 0 100 9000 0 0 0 20 0 0\n");
  expect ("steal", PVT_CHECK_STATE_WARN, "9.1%");
  put ("proc/stat", "cpu 100 0 100\n");
  expect ("steal", PVT_CHECK_STATE_SKIP, "does not say");
  put ("proc/88/comm", "sleep\n");
  expect ("time", PVT_CHECK_STATE_WARN, "service: none");
  put ("sys/class/ptp/ptp0/clock_name", "KVM virtual PTP\n");
  expect ("time", PVT_CHECK_STATE_PASS, "at hand");
}

static void
channel (void **state G_GNUC_UNUSED)
{
  put ("proc/77/comm", "sleep\n");
  expect ("channel", PVT_CHECK_STATE_FAIL, "none runs");
  remove_path ("dev/virtio-ports/org.qemu.guest_agent.0");
  expect ("channel", PVT_CHECK_STATE_WARN, "no port");
  put ("proc/77/comm", "qemu-ga\n");
  expect ("channel", PVT_CHECK_STATE_WARN, "though one runs");
}

static void
balloon (void **state G_GNUC_UNUSED)
{
  expect ("balloon", PVT_CHECK_STATE_SKIP, "no memory balloon");
  put ("sys/bus/virtio/devices/virtio10/device", "0x0005\n");
  put ("sys/bus/virtio/devices/virtio10/features", "0010000000000000\n");
  expect ("balloon", PVT_CHECK_STATE_WARN, "virtio10: does not report free pages, deflates");
  put ("sys/bus/virtio/devices/virtio10/features", "0000010000000000\n");
  expect ("balloon", PVT_CHECK_STATE_PASS, "reports free pages");
}

static void
devices (void **state G_GNUC_UNUSED)
{
  put (BLK "/status", "0x0000004f\n");
  expect ("status", PVT_CHECK_STATE_FAIL, "virtio0: broken, needs a reset (4f)");
  put (BLK "/status", "0x00000083\n");
  expect ("status", PVT_CHECK_STATE_FAIL, "given up");
  put (BLK "/status", "0x00000003\n");
  expect ("status", PVT_CHECK_STATE_WARN, "not live");
  remove_path (BLK "/driver");
  expect ("drivers", PVT_CHECK_STATE_FAIL, "virtio0: disk (type 2) has no driver");
  put (BLK "/device", "0x0012\n");
  expect ("drivers", PVT_CHECK_STATE_WARN, "virtio0: input (type 18) has no driver");
  /* Not one bit: garbage and what is too long count as none. */
  put (NET "/features", "11x\n");
  expect ("virtio-version", PVT_CHECK_STATE_WARN, "virtio1: legacy");
  expect ("rings", PVT_CHECK_STATE_WARN, "virtio1: split, no indirect descriptors, no event index");
}

static void
emulated (void **state G_GNUC_UNUSED)
{
  put_link ("sys/class/net/eth1", "../../devices/pci0000:00/0000:00:09.0/net/eth1");
  put ("sys/devices/pci0000:00/0000:00:09.0/net/eth1/mtu", "1500\n");
  put_link ("sys/devices/pci0000:00/0000:00:09.0/net/eth1/device", "../../../0000:00:09.0");
  put_link ("sys/devices/pci0000:00/0000:00:09.0/driver", "../../../bus/pci/drivers/e1000e");
  expect ("net-model", PVT_CHECK_STATE_WARN, "eth1: e1000e");
  put_link ("sys/block/sda",
            "../devices/pci0000:00/0000:00:1f.2/ata1/host0/target0:0:0/0:0:0:0/block/sda");
  put_link ("sys/devices/pci0000:00/0000:00:1f.2/driver", "../../../bus/pci/drivers/ahci");
  expect ("disk-model", PVT_CHECK_STATE_WARN, "sda: ahci");
}

static void
network (void **state G_GNUC_UNUSED)
{
  remove_path (NET "/net/eth0/queues/rx-1/x");
  remove_path (NET "/net/eth0/queues/rx-1");
  expect ("net-queues", PVT_CHECK_STATE_WARN, "eth0: 1 queue for 2 CPUs");
  put (NET "/features", "1000000100010001100000100000110010000000\n");
  expect ("net-offloads", PVT_CHECK_STATE_WARN, "without guest_csum");
  put (NET "/net/eth0/carrier", "0\n");
  expect ("net-link", PVT_CHECK_STATE_WARN, "no link");
  remove_path (NET "/net/eth0/carrier");
  expect ("net-link", PVT_CHECK_STATE_WARN, "is down");
}

static void
disks (void **state G_GNUC_UNUSED)
{
  put (BLK "/features", "0000000000001000000000000000110010000000\n");
  expect ("disk-flush", PVT_CHECK_STATE_WARN, "cannot be told to flush");
  expect ("disk-discard", PVT_CHECK_STATE_WARN, "no discard");
  put (BLK "/features", BLK_FEATURES "\n");
  remove_path ("etc/systemd/system/timers.target.wants/fstrim.timer");
  expect ("disk-discard", PVT_CHECK_STATE_WARN, "nothing trims");
  put (BLK "/block/vda/queue/scheduler", "none mq-deadline [bfq]\n");
  expect ("disk-tuning", PVT_CHECK_STATE_WARN, "scheduler bfq");
  put (BLK "/block/vda/queue/scheduler", "none\n");
  put (BLK "/block/vda/queue/rotational", "1\n");
  expect ("disk-tuning", PVT_CHECK_STATE_WARN, "counts as rotating");
  put (BLK "/block/vda/queue/rotational", "0\n");
  put (BLK "/block/vda/serial", "\n");
  expect ("disk-tuning", PVT_CHECK_STATE_WARN, "serial missing");
  remove_path (BLK "/block/vda/mq/1/cpu_list");
  remove_path (BLK "/block/vda/mq/1");
  expect ("disk-queues", PVT_CHECK_STATE_WARN, "1 queue for 2");
}

static void
interrupts (void **state G_GNUC_UNUSED)
{
  put ("proc/interrupts", "  CPU0 CPU1\n 11: 5 6 IO-APIC 11-fasteoi virtio0, uhci_hcd:usb1\n");
  expect ("interrupts", PVT_CHECK_STATE_WARN, "virtio0: by a line");
  put ("proc/interrupts", "  CPU0 CPU1\n 25: 5 6 PCI-MSI-0000:00:02.0 1-edge virtio0-virtqueues\n");
  expect ("interrupts", PVT_CHECK_STATE_WARN, "one for all queues");
  /* A console's, which is as it should be. */
  put ("proc/interrupts", "  CPU0 CPU1\n 25: 5 6 PCI-MSI-0000:00:02.0 1-edge virtio9-virtqueues\n");
  expect ("interrupts", PVT_CHECK_STATE_PASS, "1, by messages");
  put ("proc/interrupts", "  CPU0 CPU1\n 1: 0 5000 PCI-MSI 1-edge virtio0-req.0\n"
                          " 2: 0 5000 PCI-MSI 1-edge virtio0-req.1\n 3: 1 5000 PCI-MSI 1-edge virtio1-input.0\n"
                          " 4: 0 5000 PCI-MSI 1-edge virtio1-output.0\n");
  expect ("interrupts", PVT_CHECK_STATE_WARN, "one of 2 CPUs");
  put ("proc/interrupts", "");
  expect ("interrupts", PVT_CHECK_STATE_SKIP, "no virtio device");
}

static void
next_boot (void **state G_GNUC_UNUSED)
{
  g_autofree char *bin = g_build_filename (directory, "bin", NULL);
  g_autofree char *path = g_strdup_printf ("%s:%s", bin, g_getenv ("PATH"));

  put ("etc/fstab", "/dev/sda1 / ext4 defaults 0 1\nUUID=1 /srv xfs defaults 0 1\n");
  expect ("disk-names", PVT_CHECK_STATE_WARN, "/etc/fstab names /dev/sda1");
  remove_path ("etc/fstab");
  expect ("disk-names", PVT_CHECK_STATE_SKIP, "no /etc/fstab");
  remove_path ("vmlinuz");
  put_link ("vmlinuz", "boot/vmlinuz-9.9");
  expect ("initrd", PVT_CHECK_STATE_SKIP, "no initial RAM disk of kernel 9.9");
  /* Where the test can put a program in front of others: an image without drivers. */
  put_program ("bin/lsinitramfs", "#!/bin/sh\n[ -s \"$1\" ] || exit 1\ncat \"$1\"\n");
  put ("boot/initrd.img-9.9", "usr/lib/modules/9.9/kernel/drivers/virtio/virtio_pci.ko.xz\n"
                              "usr/lib/modules/9.9/kernel/drivers/block/virtio_blk.ko.xz\n");
  g_setenv ("PATH", path, TRUE);
  expect ("initrd", PVT_CHECK_STATE_FAIL, "has no virtio_scsi:");
  put ("boot/initrd.img-9.9", "");
  expect ("initrd", PVT_CHECK_STATE_SKIP, "cannot be looked into");
}

static void
features (void **state G_GNUC_UNUSED)
{
  guint8 bits[PVT_VIRTIO_FEATURE_BYTES];
  char text[130];

  memset (text, '1', sizeof text);
  assert_true (pvt_virtio_parse_features (text, 128, bits));
  assert_int_equal (bits[15], 0xff);
  assert_false (pvt_virtio_parse_features (text, 129, bits));
  assert_false (pvt_virtio_parse_features (text, 0, bits));
  assert_false (pvt_virtio_parse_features ("012", 3, bits));
  assert_true (pvt_virtio_parse_features ("01", 2, bits));
  assert_int_equal (bits[0], 2);
}

/* Given up before the first check: nothing is looked at. */
static void
cancelled (void **state G_GNUC_UNUSED)
{
  const gint given_up = 1;
  g_autoptr (PvtCheckup) checkup = pvt_doctor_run (root, &given_up);

  assert_int_equal (checkup->checks->len, 0);
}

#define ON_A_ROOT(name) cmocka_unit_test_setup_teardown (name, make_root, remove_root)

int
main (void)
{
  const struct CMUnitTest tests[] = {
    ON_A_ROOT (sound_guest), ON_A_ROOT (machine),    ON_A_ROOT (channel),   ON_A_ROOT (balloon),
    ON_A_ROOT (devices),     ON_A_ROOT (emulated),   ON_A_ROOT (network),   ON_A_ROOT (disks),
    ON_A_ROOT (interrupts),  ON_A_ROOT (next_boot),  ON_A_ROOT (cancelled), cmocka_unit_test (features),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
