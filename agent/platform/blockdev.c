/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "blockdev.h"

#include "bounds.h"
#include "names.h"
#include "udev.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_PATH 1024
#define MAX_HOSTS 256

static void
free_place (gpointer data)
{
  PvtDiskPlace *place = data;

  g_free (place->serial);
  g_free (place->node);
  g_free (place);
}

GPtrArray *
pvt_disk_places_new (void)
{
  return g_ptr_array_new_with_free_func (free_place);
}

/* Slashes in a device's name are '!' in sysfs. */
static char *
node_of (const char *name)
{
  char *node = g_strconcat ("/dev/", name, NULL);

  return g_strdelimit (node, "!", '/');
}

gboolean
pvt_blockdev_name (const PvtRoot *root, guint major, guint minor, char *name, gsize size)
{
  char path[64], target[MAX_PATH];
  const char *slash;

  g_snprintf (path, sizeof path, "sys/dev/block/%u:%u", major, minor);
  if (!pvt_readlink_at (root->fd, path, target, sizeof target))
    return FALSE;
  slash = strrchr (target, '/');
  return g_strlcpy (name, slash ? slash + 1 : target, size) < size;
}

/* The last PCI function of the path. */
static void
parse_pci (const char *path, int pci[4])
{
  for (const char *p = strchr (path, '/'); p; p = strchr (p + 1, '/'))
    {
      int a, b, c, d, n = 0;

      if (sscanf (p, "/%4x:%2x:%2x.%1x%n", &a, &b, &c, &d, &n) == 4 && n > 0
          && (p[n] == '/' || p[n] == '\0'))
        {
          pci[0] = a;
          pci[1] = b;
          pci[2] = c;
          pci[3] = d;
        }
    }
}

void
pvt_blockdev_parse_path (const char *path, PvtDiskPlace *place)
{
  const char *target = strstr (path, "/target");
  int channel = 0, id = 0, lun = 0;
  gboolean scsi = target
                  && sscanf (target, "/target%*u:%*u:%*u/%*u:%d:%d:%d", &channel, &id, &lun) == 3;

  memset (place, 0, sizeof *place);
  for (int i = 0; i < 4; i++)
    place->pci[i] = -1;
  parse_pci (path, place->pci);
  if (strstr (path, "/usb"))
    place->kind = PVT_BUS_USB;
  else if (strstr (path, "/ata"))
    place->kind = PVT_BUS_SATA;
  else if (strstr (path, "/nvme"))
    place->kind = PVT_BUS_NVME;
  else if (strstr (path, "/mmc"))
    place->kind = PVT_BUS_MMC;
  else if (strstr (path, "/vbd-"))
    place->kind = PVT_BUS_XEN;
  else if (scsi)
    place->kind = PVT_BUS_SCSI;
  else if (strstr (path, "/virtio"))
    place->kind = PVT_BUS_VIRTIO;
  if (!scsi)
    return;
  place->bus = channel;
  place->target = id;
  place->unit = lun;
}

static int
by_number (gconstpointer a, gconstpointer b)
{
  const int *x = a, *y = b;

  return (*x > *y) - (*x < *y);
}

/* Which port of its controller ataN is: its place among the controller's. */
static int
ata_port (PvtNames *controller, int number)
{
  int hosts[MAX_HOSTS], n = 0, host;
  const char *name;

  while (n < MAX_HOSTS && (name = pvt_names_next (controller)))
    if (sscanf (name, "ata%d", &host) == 1)
      hosts[n++] = host;
  qsort (hosts, (gsize) n, sizeof *hosts, by_number);
  for (int i = 0; i < n; i++)
    if (hosts[i] == number)
      return i;
  return 0;
}

static gboolean
is_ide_driver (const char *driver)
{
  return strcmp (driver, "ata_piix") == 0 || g_str_has_prefix (driver, "pata_");
}

/*
 * Behind ATA: an IDE controller has a bus a channel and two disks on each; an
 * AHCI controller has a port a disk, counted as unit.
 */
static void
look_at_ata (const PvtRoot *root, const char *path, PvtDiskPlace *place)
{
  const char *ata = strstr (path, "/ata");
  char controller[MAX_PATH], driver[MAX_PATH] = "";
  PvtNames names;
  int number, port;

  if (ata == NULL || sscanf (ata, "/ata%d/", &number) != 1)
    return;
  g_snprintf (controller, sizeof controller, "sys/%.*s", (int) (ata - path), path);
  if (pvt_names_open (&names, root->fd, controller) < 0)
    return;
  if (pvt_readlink_at (names.fd, "driver", driver, sizeof driver) && strrchr (driver, '/'))
    memmove (driver, strrchr (driver, '/') + 1, strlen (strrchr (driver, '/')));
  port = ata_port (&names, number);
  pvt_names_close (&names);
  if (is_ide_driver (driver))
    {
      place->kind = PVT_BUS_IDE;
      place->bus = port;
      place->unit = place->target;
      place->target = 0;
    }
  else
    {
      place->bus = 0;
      place->target = 0;
      place->unit = port;
    }
}

static char *
read_text (const PvtRoot *root, const char *name, const char *file)
{
  char path[MAX_PATH], text[256];

  g_snprintf (path, sizeof path, "sys/class/block/%s/%s", name, file);
  return pvt_read_at (root->fd, path, text, sizeof text) > 0 ? g_strdup (text) : NULL;
}

/* The page of SCSI that holds the serial: four bytes of header, then text. */
static char *
read_vpd_serial (const PvtRoot *root, const char *name)
{
  char path[MAX_PATH], page[260];
  gssize n;

  g_snprintf (path, sizeof path, "sys/class/block/%s/device/vpd_pg80", name);
  n = pvt_root_read (root, path, page, sizeof page, NULL);
  return n > 4 ? g_strstrip (g_strndup (page + 4, (gsize) n - 4)) : NULL;
}

static char *
udev_serial (const PvtRoot *root, const char *name)
{
  g_autofree char *numbers = root->fake ? NULL : read_text (root, name, "dev");
  guint major, minor;

  if (numbers == NULL || sscanf (numbers, "%u:%u", &major, &minor) != 2)
    return NULL;
  return pvt_udev_block_property (major, minor, "ID_SERIAL");
}

/* What udev calls the serial, as qemu-ga does; virtio's own is the same. */
static char *
ask_serial (const PvtRoot *root, const char *disk, PvtBus kind)
{
  char *serial = NULL;

  if (kind != PVT_BUS_VIRTIO)
    serial = udev_serial (root, disk);
  if (serial == NULL)
    serial = read_text (root, disk, "serial");
  if (serial == NULL && kind == PVT_BUS_NVME)
    serial = read_text (root, disk, "device/serial");
  if (serial == NULL && kind != PVT_BUS_VIRTIO)
    serial = read_vpd_serial (root, disk);
  return serial;
}

/* @path is the disk's or a partition's, below /sys: a link to it would lead the same way
 * twice, and that is most of the work. */
static char *
read_diskseq (const PvtRoot *root, const char *path, const char *disk)
{
  const char *slash = strrchr (path, '/');
  gsize len = slash && strcmp (slash + 1, disk) != 0 ? (gsize) (slash - path) : strlen (path);
  g_autofree char *file = g_strdup_printf ("sys/%.*s/diskseq", (int) len, path);
  char text[32];

  return pvt_read_at (root->fd, file, text, sizeof text) > 0 ? g_strdup (text) : NULL;
}

/*
 * A serial does not change while its disk is there, and asking can cost a
 * request to the device: virtio-blk asks the host each time. The kernel counts
 * disks as they come (diskseq, since Linux 5.15), so that a number never means
 * another disk.
 */
static char *
find_serial (const PvtRoot *root, const char *path, const char *disk, PvtBus kind)
{
  static GMutex lock;
  static GHashTable *known; /* diskseq -> serial, "" for none */
  g_autofree char *diskseq = root->fake ? NULL : read_diskseq (root, path, disk);
  char *serial;

  if (diskseq == NULL)
    return ask_serial (root, disk, kind);
  g_mutex_lock (&lock);
  if (known == NULL || g_hash_table_size (known) >= PVT_MAX_BLOCK_DEVICES)
    {
      g_clear_pointer (&known, g_hash_table_unref);
      known = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
    }
  serial = g_strdup (g_hash_table_lookup (known, diskseq));
  g_mutex_unlock (&lock);
  if (serial == NULL)
    {
      serial = ask_serial (root, disk, kind);
      g_mutex_lock (&lock);
      g_hash_table_replace (known, g_steal_pointer (&diskseq), g_strdup (serial ? serial : ""));
      g_mutex_unlock (&lock);
    }
  if (serial && *serial == '\0')
    g_clear_pointer (&serial, g_free);
  return serial;
}

/* ".../block/vda/vda1" is on the disk vda; others are the disk themselves. */
static void
disk_of (const char *path, const char *name, char *disk, gsize size)
{
  const char *block = g_strrstr (path, "/block/");
  const char *end;

  /* NVMe has no "block" directory: .../nvme/nvme0/nvme0n1/nvme0n1p1 */
  g_strlcpy (disk, name, size);
  if (block)
    {
      block += strlen ("/block/");
      end = strchrnul (block, '/');
      g_strlcpy (disk, block, MIN (size, (gsize) (end - block) + 1));
    }
  else if (strstr (path, "/nvme"))
    {
      const char *p = g_strrstr (disk, "p");

      if (p && p > disk && g_ascii_isdigit (p[-1]) && g_ascii_isdigit (p[1]))
        disk[p - disk] = '\0';
    }
}

static PvtDiskPlace *
find_place (const PvtRoot *root, const char *name, const char *path)
{
  PvtDiskPlace *place = g_new0 (PvtDiskPlace, 1);
  char disk[128];

  pvt_blockdev_parse_path (path, place);
  if (place->kind == PVT_BUS_SATA)
    look_at_ata (root, path, place);
  disk_of (path, name, disk, sizeof disk);
  place->serial = find_serial (root, path, disk, place->kind);
  place->node = node_of (name);
  return place;
}

static gboolean
already_there (GPtrArray *places, const char *name)
{
  g_autofree char *node = node_of (name);

  for (guint i = 0; i < places->len; i++)
    if (strcmp (((PvtDiskPlace *) places->pdata[i])->node, node) == 0)
      return TRUE;
  return FALSE;
}

static int
by_name (gconstpointer a, gconstpointer b)
{
  return strcmp (*(char *const *) a, *(char *const *) b);
}

/* All names in a directory, sorted. */
static char **
sorted_names (int dirfd, const char *path)
{
  GPtrArray *list = g_ptr_array_new ();
  const char *name;
  PvtNames names;

  pvt_names_open (&names, dirfd, path);
  while (list->len < PVT_MAX_BLOCK_DEVICES && (name = pvt_names_next (&names)))
    g_ptr_array_add (list, g_strdup (name));
  pvt_names_close (&names);
  g_ptr_array_sort (list, by_name);
  g_ptr_array_add (list, NULL);
  return (char **) g_ptr_array_free (list, FALSE);
}

char **
pvt_blockdev_slaves (const PvtRoot *root, const char *name)
{
  char path[MAX_PATH];

  g_snprintf (path, sizeof path, "sys/class/block/%s/slaves", name);
  return sorted_names (root->fd, path);
}

static void collect_places (const PvtRoot *root, const char *name, guint depth, GPtrArray *places);

static void
collect_slaves (const PvtRoot *root, const char *name, guint depth, GPtrArray *places)
{
  g_auto (GStrv) slaves = pvt_blockdev_slaves (root, name);

  for (gsize i = 0; slaves[i]; i++)
    collect_places (root, slaves[i], depth + 1, places);
}

static void
collect_places (const PvtRoot *root, const char *name, guint depth, GPtrArray *places)
{
  char link[MAX_PATH], path[MAX_PATH];
  const char *devices;

  if (depth > PVT_MAX_STACK || places->len >= PVT_MAX_BLOCK_DEVICES || already_there (places, name))
    return;
  g_snprintf (link, sizeof link, "sys/class/block/%s", name);
  if (!pvt_readlink_at (root->fd, link, path, sizeof path))
    return;
  devices = strstr (path, "devices/");
  if (devices == NULL)
    return;
  if (g_str_has_prefix (devices, "devices/virtual/"))
    collect_slaves (root, name, depth, places);
  else
    g_ptr_array_add (places, find_place (root, name, devices));
}

void
pvt_blockdev_places (const PvtRoot *root, const char *name, GPtrArray *places)
{
  collect_places (root, name, 0, places);
}

/* The names in sys/fs/btrfs/UUID/devices when @name is among them, else NULL. */
static char **
btrfs_members (int dir, const char *uuid, const char *name)
{
  g_auto (GStrv) members = NULL;
  char path[MAX_PATH];

  g_snprintf (path, sizeof path, "%s/devices", uuid);
  members = sorted_names (dir, path);
  return g_strv_contains ((const char *const *) members, name) ? g_steal_pointer (&members) : NULL;
}

char **
pvt_btrfs_devices (const PvtRoot *root, const char *name)
{
  char **members = NULL;
  const char *uuid;
  PvtNames names;

  pvt_names_open (&names, root->fd, "sys/fs/btrfs");
  while (members == NULL && (uuid = pvt_names_next (&names)))
    members = btrfs_members (names.fd, uuid, name);
  pvt_names_close (&names);
  if (members)
    return members;
  members = g_new0 (char *, 2);
  members[0] = g_strdup (name);
  return members;
}

static void
free_blockdev (gpointer data)
{
  PvtBlockdev *device = data;

  g_free (device->name);
  g_free (device->node);
  g_ptr_array_unref (device->depends);
  g_free (device->alias);
  g_free (device);
}

static PvtBlockdev *
add_device (GPtrArray *devices, const char *name, gboolean partition)
{
  PvtBlockdev *device = g_new0 (PvtBlockdev, 1);

  device->name = g_strdup (name);
  device->node = node_of (name);
  device->partition = partition;
  device->depends = g_ptr_array_new_with_free_func (g_free);
  g_ptr_array_add (devices, device);
  return device;
}

/* Partitions are the directories that carry the disk's name and a number. */
static void
add_partitions (PvtNames *names, const char *disk, GPtrArray *devices)
{
  char path[MAX_PATH];
  const char *name;

  while (devices->len < PVT_MAX_BLOCK_DEVICES && (name = pvt_names_next (names)))
    {
      if (!g_str_has_prefix (name, disk))
        continue;
      g_snprintf (path, sizeof path, "%s/partition", name);
      if (faccessat (names->fd, path, F_OK, 0) == 0)
        g_ptr_array_add (add_device (devices, name, TRUE)->depends, node_of (disk));
    }
}

static void
add_disk (int block, const char *name, GPtrArray *devices)
{
  g_auto (GStrv) slaves = NULL;
  char path[MAX_PATH], dm_name[256];
  guint64 size = 0;
  PvtBlockdev *disk;
  PvtNames names;

  /* Most entries of a small guest are loop devices without a file. */
  g_snprintf (path, sizeof path, "%s/size", name);
  if (pvt_read_u64_at (block, path, &size) < 0 || size == 0)
    return;
  if (pvt_names_open (&names, block, name) < 0)
    return;
  slaves = sorted_names (names.fd, "slaves");
  disk = add_device (devices, name, FALSE);
  for (gsize i = 0; slaves[i]; i++)
    g_ptr_array_add (disk->depends, node_of (slaves[i]));
  if (slaves[0] && pvt_read_at (names.fd, "dm/name", dm_name, sizeof dm_name) > 0)
    disk->alias = g_strconcat ("/dev/mapper/", dm_name, NULL);
  add_partitions (&names, name, devices);
  pvt_names_close (&names);
}

GPtrArray *
pvt_blockdevs_list (const PvtRoot *root, GError **error)
{
  PvtNames names;
  int failed = pvt_names_open (&names, root->fd, "sys/block");
  GPtrArray *devices;
  const char *name;

  if (failed)
    {
      g_set_error (error, G_FILE_ERROR, G_FILE_ERROR_FAILED, "/sys/block: %s", g_strerror (-failed));
      return NULL;
    }
  devices = g_ptr_array_new_with_free_func (free_blockdev);
  while (devices->len < PVT_MAX_BLOCK_DEVICES && (name = pvt_names_next (&names)))
    add_disk (names.fd, name, devices);
  pvt_names_close (&names);
  return devices;
}
