/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "figures.h"

#include <string.h>

void
pvt_figures_cpu (PvtMetrics *metrics, const char *cpu, const double *seconds, guint n)
{
  static const char *const modes[] = { "user", "nice", "system",  "idle",
                                       "iowait", "irq", "softirq", "steal" };

  for (guint i = 0; i < MIN (n, G_N_ELEMENTS (modes)); i++)
    pvt_metrics_add (metrics, PVT_F_CPU, seconds[i], "cpu", cpu, "mode", modes[i], NULL);
  if (n > 8)
    pvt_metrics_add (metrics, PVT_F_CPU_GUEST, seconds[8], "cpu", cpu, "mode", "user", NULL);
  if (n > 9)
    pvt_metrics_add (metrics, PVT_F_CPU_GUEST, seconds[9], "cpu", cpu, "mode", "nice", NULL);
}

/* "vda1" is a partition of vda; "nvme0n1p1", "mmcblk0p1" and "nbd0p1" are, too. */
static gboolean
is_partition (const char *device)
{
  static const char *const letters[] = { "hd", "sd", "vd", "xvd" };
  static const char *const numbered[] = { "nvme", "mmcblk", "nbd" };
  gsize len = strlen (device), digits = 0;
  const char *before;

  while (digits < len && g_ascii_isdigit (device[len - 1 - digits]))
    digits++;
  if (digits == 0 || digits == len)
    return FALSE;
  before = device + len - digits - 1;
  for (guint i = 0; i < G_N_ELEMENTS (letters); i++)
    if (g_str_has_prefix (device, letters[i]) && g_ascii_islower (*before))
      return TRUE;
  for (guint i = 0; i < G_N_ELEMENTS (numbered); i++)
    if (g_str_has_prefix (device, numbered[i]))
      return *before == 'p';
  return FALSE;
}

/* "ram0" begins with "ram" and a digit. */
static gboolean
is_numbered (const char *device, const char *kind)
{
  return g_str_has_prefix (device, kind) && g_ascii_isdigit (device[strlen (kind)]);
}

gboolean
pvt_figures_wants_disk (const char *device)
{
  return *device && !is_partition (device) && !is_numbered (device, "ram")
         && !is_numbered (device, "zram") && !is_numbered (device, "loop")
         && !is_numbered (device, "fd");
}

void
pvt_figures_disk (PvtMetrics *metrics, const char *device, const guint64 *columns, guint32 present)
{
  static const struct
  {
    PvtFamilyId family;
    double unit;
  } rows[PVT_DISK_COLUMNS] = {
    { PVT_F_DISK_READS, 1 },          { PVT_F_DISK_READS_MERGED, 1 },
    { PVT_F_DISK_READ_BYTES, 512 },   { PVT_F_DISK_READ_TIME, 0.001 },
    { PVT_F_DISK_WRITES, 1 },         { PVT_F_DISK_WRITES_MERGED, 1 },
    { PVT_F_DISK_WRITTEN_BYTES, 512 }, { PVT_F_DISK_WRITE_TIME, 0.001 },
    { PVT_F_DISK_IO_NOW, 1 },         { PVT_F_DISK_IO_TIME, 0.001 },
    { PVT_F_DISK_IO_WEIGHTED, 0.001 }, { PVT_F_DISK_DISCARDS, 1 },
    { PVT_F_DISK_DISCARDS_MERGED, 1 }, { PVT_F_DISK_DISCARDED, 1 },
    { PVT_F_DISK_DISCARD_TIME, 0.001 }, { PVT_F_DISK_FLUSHES, 1 },
    { PVT_F_DISK_FLUSH_TIME, 0.001 },
  };

  if (!pvt_figures_wants_disk (device))
    return;
  for (guint i = 0; i < PVT_DISK_COLUMNS; i++)
    if (present & (1u << i))
      pvt_metrics_add (metrics, rows[i].family,
                       rows[i].unit < 1 ? (double) columns[i] / 1000
                                        : (double) columns[i] * rows[i].unit,
                       "device", device, NULL);
}

void
pvt_figures_network (PvtMetrics *metrics, const char *device, const guint64 *columns)
{
  for (guint i = 0; i < PVT_NET_COLUMNS; i++)
    pvt_metrics_add (metrics, PVT_F_NET_RX_BYTES + i, (double) columns[i], "device", device, NULL);
}

static gboolean
is_below (const char *path, const char *directory)
{
  gsize len = strlen (directory);

  return strncmp (path, directory, len) == 0 && (path[len] == '\0' || path[len] == '/');
}

gboolean
pvt_figures_wants_filesystem (const char *fstype, const char *mountpoint)
{
  static const char *const types[]
      = { "autofs",   "binfmt_misc", "bpf",    "cgroup", "cgroup2",    "configfs",   "debugfs",
          "devpts",   "devtmpfs",    "fusectl", "hugetlbfs", "iso9660", "mqueue",     "nsfs",
          "proc",     "pstore",      "rpc_pipefs", "securityfs", "selinuxfs", "squashfs", "sysfs",
          "tracefs" };
  static const char *const places[]
      = { "/dev", "/proc", "/sys", "/run/credentials", "/var/lib/docker",
          "/var/lib/containers/storage" };

  /* The root of a live system is an overlay. */
  if (strcmp (fstype, "overlay") == 0 && strcmp (mountpoint, "/") != 0)
    return FALSE;
  for (guint i = 0; i < G_N_ELEMENTS (types); i++)
    if (strcmp (fstype, types[i]) == 0)
      return FALSE;
  for (guint i = 0; i < G_N_ELEMENTS (places); i++)
    if (is_below (mountpoint, places[i]))
      return FALSE;
  return TRUE;
}

static void
add_filesystem (PvtMetrics *metrics, PvtFamilyId family, gboolean has, guint64 value,
                const PvtFilesystemFigures *f)
{
  if (has)
    pvt_metrics_add (metrics, family, (double) value, "device", f->device, "fstype", f->fstype,
                     "mountpoint", f->mountpoint, NULL);
}

void
pvt_figures_filesystem (PvtMetrics *metrics, const PvtFilesystemFigures *f)
{
  if (!pvt_figures_wants_filesystem (f->fstype, f->mountpoint))
    return;
  add_filesystem (metrics, PVT_F_FS_ERROR, TRUE, f->failed, f);
  add_filesystem (metrics, PVT_F_FS_READONLY, f->has_readonly, f->readonly, f);
  if (f->failed)
    return;
  add_filesystem (metrics, PVT_F_FS_SIZE, f->has_size, f->size, f);
  add_filesystem (metrics, PVT_F_FS_FREE, f->has_free, f->free, f);
  add_filesystem (metrics, PVT_F_FS_AVAIL, f->has_avail, f->avail, f);
  add_filesystem (metrics, PVT_F_FS_FILES, f->has_files, f->files, f);
  add_filesystem (metrics, PVT_F_FS_FILES_FREE, f->has_files, f->files_free, f);
}
