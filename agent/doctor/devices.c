/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which devices the guest has, and whether their drivers work as they could. */
#include "doctor.h"

#include "agent/platform/virtio-bus.h"

#include <stdio.h>
#include <string.h>

/* Status bits and transport features of the specification, sections 2.1 and 6. */
#define STATUS_LIVE 0x0fu
#define STATUS_NEEDS_RESET 0x40u
#define STATUS_FAILED 0x80u
enum
{
  RING_INDIRECT_DESC = 28,
  RING_EVENT_IDX = 29,
  VERSION_1 = 32,
  RING_PACKED = 34,
};

static const char *
base_name (const char *path)
{
  const char *slash = strrchr (path, '/');

  return slash ? slash + 1 : path;
}

static void
check_nic_model (PvtDoctor *doctor)
{
  static const char *const emulated[]
      = { "e1000", "e1000e", "8139cp", "8139too", "rtl8139", "ne2k-pci", "ne2k_pci", "pcnet32", "tulip", NULL };
  g_auto (GStrv) names = pvt_doctor_names (doctor, "sys/class/net");
  PvtVerdict verdict = { .n = 0 };

  for (guint i = 0; names[i]; i++)
    {
      char path[512], driver[512];

      g_snprintf (path, sizeof path, "sys/class/net/%s/device/driver", names[i]);
      if (pvt_readlink_at (doctor->root->fd, path, driver, sizeof driver))
        pvt_verdict_add (&verdict,
                         g_strv_contains (emulated, base_name (driver)) ? PVT_CHECK_STATE_WARN
                                                                        : PVT_CHECK_STATE_PASS,
                         "%s: %s", names[i], base_name (driver));
    }
  pvt_verdict_say (&verdict, doctor, "net-model", "no network device",
                   "change the network card's model to virtio-net on the host");
}

/* The driver of the PCI function that a disk hangs on; "" when there is none. */
static void
controller_driver (const PvtDoctor *doctor, const char *disk, char *name, gsize size)
{
  char path[512], target[512], driver[512];
  char *slash;

  *name = '\0';
  g_snprintf (path, sizeof path, "sys/block/%s", disk);
  /* ../devices/pci0000:00/0000:00:1f.2/ata1/host0/target0:0:0/0:0:0:0/block/sda */
  if (!pvt_readlink_at (doctor->root->fd, path, target, sizeof target)
      || !g_str_has_prefix (target, "../devices/"))
    return;
  while ((slash = strrchr (target, '/')) != NULL && slash > target + strlen ("../devices"))
    {
      guint domain, bus, slot, function;

      if (sscanf (slash + 1, "%x:%x:%x.%x", &domain, &bus, &slot, &function) == 4)
        {
          g_snprintf (path, sizeof path, "sys/%s/driver", target + strlen ("../"));
          if (pvt_readlink_at (doctor->root->fd, path, driver, sizeof driver))
            g_strlcpy (name, base_name (driver), size);
          return;
        }
      *slash = '\0';
    }
}

static void
check_disk_model (PvtDoctor *doctor)
{
  static const char *const emulated[]
      = { "ata_piix", "ahci", "mptspi", "mptsas", "sym53c8xx", "megaraid_sas", "pata_acpi", NULL };
  g_auto (GStrv) names = pvt_doctor_names (doctor, "sys/block");
  PvtVerdict verdict = { .n = 0 };

  for (guint i = 0; names[i]; i++)
    {
      char driver[64];

      if (!g_str_has_prefix (names[i], "sd") && !g_str_has_prefix (names[i], "vd")
          && !g_str_has_prefix (names[i], "nvme"))
        continue;
      controller_driver (doctor, names[i], driver, sizeof driver);
      if (*driver)
        pvt_verdict_add (&verdict,
                         g_strv_contains (emulated, driver) ? PVT_CHECK_STATE_WARN : PVT_CHECK_STATE_PASS,
                         "%s: %s", names[i], driver);
    }
  pvt_verdict_say (&verdict, doctor, "disk-model", "no disk on a PCI device",
                   "move the disk to virtio-blk or virtio-scsi on the host, once the check initrd "
                   "has passed and fstab names no /dev/sd");
}

/* What a guest has these devices for; others may be meant for somebody else. */
static gboolean
is_essential (guint type)
{
  return (type >= PVT_VIRTIO_NET && type <= PVT_VIRTIO_BALLOON) || type == PVT_VIRTIO_SCSI;
}

static void
check_bound (PvtDoctor *doctor)
{
  PvtVerdict verdict = { .n = 0 };

  for (guint i = 0; i < doctor->virtio->len; i++)
    {
      const PvtVirtioDevice *device = &g_array_index (doctor->virtio, PvtVirtioDevice, i);
      const char *name = pvt_virtio_type_name (device->type);

      pvt_verdict_add (&verdict,
                       device->bound                ? PVT_CHECK_STATE_PASS
                       : is_essential (device->type) ? PVT_CHECK_STATE_FAIL
                                                     : PVT_CHECK_STATE_WARN,
                       "%s: %s (type %u)%s", device->name, name ? name : "device", device->type,
                       device->bound ? "" : " has no driver");
    }
  pvt_verdict_say (&verdict, doctor, "drivers", "no virtio device",
                   "modprobe $(cat /sys/bus/virtio/devices/NAME/modalias); a kernel without the "
                   "module needs another package (linux-modules-extra, linux-image-amd64)");
}

static void
check_status (PvtDoctor *doctor)
{
  PvtVerdict verdict = { .n = 0 };

  for (guint i = 0; i < doctor->virtio->len; i++)
    {
      const PvtVirtioDevice *device = &g_array_index (doctor->virtio, PvtVirtioDevice, i);
      gboolean broken = (device->status & (STATUS_FAILED | STATUS_NEEDS_RESET)) != 0;

      if (device->bound || broken)
        pvt_verdict_add (&verdict,
                         broken                           ? PVT_CHECK_STATE_FAIL
                         : device->status != STATUS_LIVE ? PVT_CHECK_STATE_WARN
                                                         : PVT_CHECK_STATE_PASS,
                         "%s: %s (%02x)", device->name,
                         device->status & STATUS_FAILED        ? "given up by its driver"
                         : device->status & STATUS_NEEDS_RESET ? "broken, needs a reset"
                         : device->status != STATUS_LIVE       ? "not live"
                                                               : "live",
                         device->status);
    }
  pvt_verdict_say (&verdict, doctor, "status", "no virtio device with a driver",
                   "dmesg says what went wrong; unbind and bind the device in "
                   "/sys/bus/virtio/drivers, or reboot; then look at the host's log");
}

/* Where a ring is busy enough for its form to matter. */
static gboolean
moves_data (guint type)
{
  return type == PVT_VIRTIO_NET || type == PVT_VIRTIO_BLK || type == PVT_VIRTIO_SCSI;
}

static void
check_rings (PvtDoctor *doctor)
{
  PvtVerdict legacy = { .n = 0 }, rings = { .n = 0 };

  for (guint i = 0; i < doctor->virtio->len; i++)
    {
      const PvtVirtioDevice *device = &g_array_index (doctor->virtio, PvtVirtioDevice, i);
      gboolean modern = pvt_virtio_has (device, VERSION_1);
      gboolean indirect = pvt_virtio_has (device, RING_INDIRECT_DESC);
      gboolean events = pvt_virtio_has (device, RING_EVENT_IDX);

      if (!device->bound)
        continue;
      pvt_verdict_add (&legacy, modern ? PVT_CHECK_STATE_PASS : PVT_CHECK_STATE_WARN, "%s: %s",
                       device->name, modern ? "1.0" : "legacy");
      if (moves_data (device->type))
        pvt_verdict_add (&rings, indirect && events ? PVT_CHECK_STATE_PASS : PVT_CHECK_STATE_WARN,
                       "%s: %s%s%s", device->name,
                       pvt_virtio_has (device, RING_PACKED) ? "packed" : "split",
                       indirect ? "" : ", no indirect descriptors", events ? "" : ", no event index");
    }
  pvt_verdict_say (&legacy, doctor, "virtio-version", "no virtio device with a driver",
                   "switch the legacy interface off on the host (disable-legacy=on, or a PCIe slot)");
  pvt_verdict_say (&rings, doctor, "rings", "no virtio disk or network device",
                   "offer indirect_desc and event_idx on the host: without them there are more "
                   "exits and smaller requests");
}

void
pvt_doctor_devices (PvtDoctor *doctor)
{
  check_nic_model (doctor);
  check_disk_model (doctor);
  check_bound (doctor);
  check_status (doctor);
  check_rings (doctor);
}
