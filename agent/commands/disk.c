/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "agent/core/call.h"
#include "agent/platform/diskstats.h"
#include "agent/platform/nvme-smart.h"
#include "disk-address.h"

#include <string.h>

static PvtGuestDiskBusType
bus_type (PvtBus kind)
{
  static const PvtGuestDiskBusType types[] = {
    [PVT_BUS_UNKNOWN] = PVT_GUEST_DISK_BUS_TYPE_UNKNOWN,
    [PVT_BUS_VIRTIO] = PVT_GUEST_DISK_BUS_TYPE_VIRTIO,
    [PVT_BUS_SCSI] = PVT_GUEST_DISK_BUS_TYPE_SCSI,
    [PVT_BUS_SATA] = PVT_GUEST_DISK_BUS_TYPE_SATA,
    [PVT_BUS_IDE] = PVT_GUEST_DISK_BUS_TYPE_IDE,
    [PVT_BUS_NVME] = PVT_GUEST_DISK_BUS_TYPE_NVME,
    [PVT_BUS_USB] = PVT_GUEST_DISK_BUS_TYPE_USB,
    [PVT_BUS_MMC] = PVT_GUEST_DISK_BUS_TYPE_MMC,
    [PVT_BUS_XEN] = PVT_GUEST_DISK_BUS_TYPE_XEN,
  };

  return types[kind];
}

PvtGuestDiskAddress *
pvt_disk_address_new (const PvtDiskPlace *place)
{
  PvtGuestDiskAddress *address = pvt_guest_disk_address_new ();

  address->pci_controller = pvt_guest_pci_address_new ();
  address->pci_controller->domain = place->pci[0];
  address->pci_controller->bus = place->pci[1];
  address->pci_controller->slot = place->pci[2];
  address->pci_controller->function = place->pci[3];
  address->bus_type = bus_type (place->kind);
  address->bus = place->bus;
  address->target = place->target;
  address->unit = place->unit;
  address->serial = g_strdup (place->serial);
  address->dev = g_strdup (place->node);
  return address;
}

#define COPY_128(smart, field, page)                                                               \
  do                                                                                               \
    {                                                                                              \
      (smart)->field##_lo = (page).low;                                                            \
      (smart)->field##_hi = (page).high;                                                           \
    }                                                                                              \
  while (0)

static PvtGuestDiskSmart *
nvme_smart (const char *node)
{
  PvtGuestDiskSmart *result;
  PvtGuestNVMeSmart *smart;
  PvtNvmeSmart page;

  if (!pvt_nvme_smart_read (node, &page))
    return NULL;
  smart = pvt_guest_nvme_smart_new ();
  smart->critical_warning = page.critical_warning;
  smart->temperature = page.temperature;
  smart->available_spare = page.available_spare;
  smart->available_spare_threshold = page.spare_threshold;
  smart->percentage_used = page.percentage_used;
  COPY_128 (smart, data_units_read, page.data_units_read);
  COPY_128 (smart, data_units_written, page.data_units_written);
  COPY_128 (smart, host_read_commands, page.host_read_commands);
  COPY_128 (smart, host_write_commands, page.host_write_commands);
  COPY_128 (smart, controller_busy_time, page.controller_busy_time);
  COPY_128 (smart, power_cycles, page.power_cycles);
  COPY_128 (smart, power_on_hours, page.power_on_hours);
  COPY_128 (smart, unsafe_shutdowns, page.unsafe_shutdowns);
  COPY_128 (smart, media_errors, page.media_errors);
  COPY_128 (smart, number_of_error_log_entries, page.error_log_entries);
  result = pvt_guest_disk_smart_new ();
  result->type = PVT_GUEST_DISK_BUS_TYPE_NVME;
  result->nvme = smart;
  return result;
}

/* Where a whole disk is; what is stacked on others has no place of its own. */
static void
add_address (const PvtRoot *root, const PvtBlockdev *device, PvtGuestDiskInfo *info)
{
  g_autoptr (GPtrArray) places = pvt_disk_places_new ();
  const PvtDiskPlace *place;

  if (device->partition || device->depends->len > 0)
    return;
  pvt_blockdev_places (root, device->name, places);
  if (places->len == 0)
    return;
  place = g_ptr_array_index (places, 0);
  info->address = pvt_disk_address_new (place);
  if (place->kind == PVT_BUS_NVME && !root->fake)
    info->smart = nvme_smart (device->node);
}

static PvtGuestDiskInfo *
disk_info (const PvtRoot *root, const PvtBlockdev *device)
{
  PvtGuestDiskInfo *info = pvt_guest_disk_info_new ();

  info->name = g_strdup (device->node);
  info->partition = device->partition;
  info->alias = g_strdup (device->alias);
  info->dependencies = g_new0 (char *, device->depends->len + 1);
  for (guint i = 0; i < device->depends->len; i++)
    info->dependencies[i] = g_strdup (device->depends->pdata[i]);
  add_address (root, device, info);
  return info;
}

gboolean
pvt_handle_guest_get_disks (PvtCall *call, GPtrArray **result, GError **error)
{
  const PvtRoot *root = pvt_call_root (call);
  g_autoptr (GPtrArray) devices = pvt_blockdevs_list (root, error);

  if (devices == NULL)
    return FALSE;
  *result = g_ptr_array_sized_new (devices->len);
  for (guint i = 0; i < devices->len; i++)
    g_ptr_array_add (*result, disk_info (root, devices->pdata[i]));
  return TRUE;
}

static PvtGuestDiskStats *
disk_stats (const PvtDiskCounters *disk)
{
  PvtGuestDiskStats *stats = pvt_guest_disk_stats_new ();
  const guint64 *f = disk->fields;

#define SET(member, field)                                                                         \
  do                                                                                               \
    {                                                                                              \
      stats->has_##member = disk->n_fields > (field);                                              \
      stats->member = f[field];                                                                    \
    }                                                                                              \
  while (0)

  SET (read_ios, PVT_DISK_READ_IOS);
  SET (read_merges, PVT_DISK_READ_MERGES);
  SET (read_sectors, PVT_DISK_READ_SECTORS);
  SET (read_ticks, PVT_DISK_READ_TICKS);
  SET (write_ios, PVT_DISK_WRITE_IOS);
  SET (write_merges, PVT_DISK_WRITE_MERGES);
  SET (write_sectors, PVT_DISK_WRITE_SECTORS);
  SET (write_ticks, PVT_DISK_WRITE_TICKS);
  SET (ios_pgr, PVT_DISK_IN_FLIGHT);
  SET (total_ticks, PVT_DISK_TOTAL_TICKS);
  SET (weight_ticks, PVT_DISK_WEIGHT_TICKS);
  SET (discard_ios, PVT_DISK_DISCARD_IOS);
  SET (discard_merges, PVT_DISK_DISCARD_MERGES);
  SET (discard_sectors, PVT_DISK_DISCARD_SECTORS);
  SET (discard_ticks, PVT_DISK_DISCARD_TICKS);
  SET (flush_ios, PVT_DISK_FLUSH_IOS);
  SET (flush_ticks, PVT_DISK_FLUSH_TICKS);
#undef SET
  return stats;
}

gboolean
pvt_handle_guest_get_diskstats (PvtCall *call, GPtrArray **result, GError **error)
{
  static PvtProcFile file = PVT_DISKSTATS_FILE; /* main loop only */
  g_autoptr (GArray) disks = pvt_diskstats_read_kept (&file, pvt_call_root (call), error);

  if (disks == NULL)
    return FALSE;
  *result = g_ptr_array_sized_new (disks->len);
  for (guint i = 0; i < disks->len; i++)
    {
      const PvtDiskCounters *disk = &g_array_index (disks, PvtDiskCounters, i);
      PvtGuestDiskStatsInfo *info = pvt_guest_disk_stats_info_new ();

      info->name = g_strdup (disk->name);
      info->major = disk->major;
      info->minor = disk->minor;
      info->stats = disk_stats (disk);
      g_ptr_array_add (*result, info);
    }
  return TRUE;
}
