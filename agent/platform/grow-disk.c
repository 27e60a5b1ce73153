/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "grow-disk.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/blkpg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define MAX_PATH 1024
#define LOCK_TRIES 50
#define LOCK_PAUSE_US 100000

/* An open disk. */
typedef struct
{
  int fd;
  const char *node;
  PvtTableDisk table;
} Disk;

static gboolean
fail (GError **error, const char *node, const char *what, int code)
{
  g_set_error (error, G_FILE_ERROR, (gint)g_file_error_from_errno (code), "%s: cannot %s: %s", node,
               what, g_strerror (code));
  return FALSE;
}

gboolean
pvt_disk_rescan (const PvtRoot *root, const char *name, GError **error)
{
  g_autofree char *path = g_strdup_printf ("sys/class/block/%s/device/rescan", name);
  int fd = openat (root->fd, path, O_WRONLY | O_CLOEXEC), code;

  /* Only SCSI has it; the others notice by themselves. */
  if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
    return TRUE;
  if (fd < 0)
    return fail (error, name, "ask the disk for its size", errno);
  code = write (fd, "1", 1) == 1 ? 0 : errno;
  close (fd);
  return code == 0 || fail (error, name, "ask the disk for its size", code);
}

/*
 * Past the page cache where possible: its blocks may be larger than a sector,
 * and writing one would put back old data of a partition that begins in it.
 */
static gboolean
transfer (const Disk *disk, gboolean out, guint64 offset, guint8 *data, gsize len, GError **error)
{
  const char *what = out ? "write the partition table" : "read the partition table";
  void *aligned = NULL;
  gsize done = 0;
  int code = posix_memalign (&aligned, 4096, len);

  if (code == 0 && out)
    memcpy (aligned, data, len);
  while (code == 0 && done < len)
    {
      guint8 *p = (guint8 *)aligned + done;
      gssize n = out ? pwrite (disk->fd, p, len - done, (off_t)(offset + done))
                     : pread (disk->fd, p, len - done, (off_t)(offset + done));

      if (n < 0 && errno == EINTR)
        continue;
      if (n <= 0)
        code = n < 0 ? errno : EIO;
      else
        done += (gsize)n;
    }
  if (code == 0 && !out)
    memcpy (data, aligned, len);
  free (aligned);
  return code == 0 || fail (error, disk->node, what, code);
}

static gboolean
read_sectors (gpointer user_data, guint64 lba, guint32 count, guint8 *buf, GError **error)
{
  const Disk *disk = user_data;

  return transfer (disk, FALSE, lba * disk->table.sector, buf, (gsize)count * disk->table.sector,
                   error);
}

/* udev leaves a disk alone that is locked, and so does every tool that knows of it. */
static gboolean
lock (const Disk *disk, GError **error)
{
  for (guint i = 0; i < LOCK_TRIES; i++)
    {
      if (flock (disk->fd, LOCK_EX | LOCK_NB) == 0)
        return TRUE;
      if (errno != EWOULDBLOCK && errno != EINTR)
        return fail (error, disk->node, "lock it", errno);
      g_usleep (LOCK_PAUSE_US);
    }
  return fail (error, disk->node, "lock it: another program works on its partitions", EBUSY);
}

static gboolean
open_disk (const PvtRoot *root, const PvtStackDevice *device, const char *name, int flags,
           Disk *disk, GError **error)
{
  g_autofree char *path = g_strdup_printf ("sys/class/block/%s/queue/logical_block_size", name);
  guint64 sector;

  *disk = (Disk){ .fd = -1, .node = device->node };
  if (pvt_read_u64_at (root->fd, path, &sector) < 0 || sector < 512 || sector > 4096)
    return fail (error, device->node, "tell the size of its sectors", EINVAL);
  disk->fd = openat (root->fd, device->node + 1, flags | O_DIRECT | O_CLOEXEC);
  if (disk->fd < 0 && errno == EINVAL)
    disk->fd = openat (root->fd, device->node + 1, flags | O_CLOEXEC);
  if (disk->fd < 0)
    return fail (error, device->node, "open it", errno);
  disk->table = (PvtTableDisk){ .sector = (guint32)sector,
                                .sectors = device->size / sector,
                                .read = read_sectors,
                                .user_data = disk };
  return TRUE;
}

static PvtTablePlan *
plan (Disk *disk, const PvtStackDevice *partition, GError **error)
{
  g_autoptr (PvtTablePlan) result = pvt_table_plan_growth (&disk->table, partition->number, error);

  if (result == NULL)
    {
      g_prefix_error (error, "%s: ", disk->node);
      return NULL;
    }
  /* The kernel may be behind when an earlier growth did not get to telling it. */
  if (result->start == partition->start && result->before >= partition->size)
    return g_steal_pointer (&result);
  g_set_error (error, PVT_TABLE_ERROR, PVT_TABLE_ERROR_DAMAGED,
               "%s: the partition table has partition %u at byte %" G_GUINT64_FORMAT
               " with %" G_GUINT64_FORMAT " bytes, the kernel at %" G_GUINT64_FORMAT
               " with %" G_GUINT64_FORMAT,
               disk->node, partition->number, result->start, result->before, partition->start,
               partition->size);
  return NULL;
}

PvtTablePlan *
pvt_partition_plan (const PvtRoot *root, const PvtStackDevice *disk, const char *disk_name,
                    const PvtStackDevice *partition, GError **error)
{
  PvtTablePlan *result;
  Disk opened;

  if (!open_disk (root, disk, disk_name, O_RDONLY, &opened, error))
    return NULL;
  result = plan (&opened, partition, error);
  close (opened.fd);
  return result;
}

static gboolean
write_table (const Disk *disk, const PvtTablePlan *planned, GError **error)
{
  for (guint i = 0; i < planned->writes->len; i++)
    {
      const PvtTableWrite *write = planned->writes->pdata[i];

      if (!transfer (disk, TRUE, write->offset, write->data, write->len, error))
        return FALSE;
      if (fsync (disk->fd) < 0)
        return fail (error, disk->node, "bring the partition table to the disk", errno);
    }
  return TRUE;
}

static gboolean
tell_kernel (const Disk *disk, const PvtStackDevice *partition, const PvtTablePlan *planned,
             GError **error)
{
  struct blkpg_partition area = { .start = (long long)planned->start,
                                  .length = (long long)planned->after,
                                  .pno = (int)partition->number };
  struct blkpg_ioctl_arg request
      = { .op = BLKPG_RESIZE_PARTITION, .datalen = sizeof area, .data = &area };

  if (planned->after <= partition->size || ioctl (disk->fd, BLKPG, &request) == 0)
    return TRUE;
  return fail (error, partition->node, "make the kernel use the partition's new size", errno);
}

gboolean
pvt_partition_grow (const PvtRoot *root, const PvtStackDevice *device, const char *disk_name,
                    const PvtStackDevice *partition, GError **error)
{
  g_autoptr (PvtTablePlan) planned = NULL;
  gboolean ok;
  Disk disk;

  if (!open_disk (root, device, disk_name, O_RDWR, &disk, error))
    return FALSE;
  /* Read again under the lock: only what stands there now is changed. */
  ok = lock (&disk, error) && (planned = plan (&disk, partition, error)) != NULL
       && write_table (&disk, planned, error) && tell_kernel (&disk, partition, planned, error);
  close (disk.fd);
  return ok;
}
