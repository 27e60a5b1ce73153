/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "grow-fs.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/btrfs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

/* ext4(5); the kernel exports no header with it. */
#define EXT4_RESIZE_FS _IOW ('f', 16, guint64)
#define EXT4_SUPERBLOCK 1024
#define EXT4_MAGIC 0xef53
#define EXT4_INCOMPAT_64BIT 0x80

/* ioctl_xfs_fsgeometry(2), ioctl_xfs_fsgrowfs(2); xfs/xfs_fs.h is in a package of its own. */
typedef struct
{
  guint32 blocksize, rtextsize, agblocks, agcount, logblocks, sectsize, inodesize, imaxpct;
  guint64 datablocks, rtblocks, rtextents, logstart;
  guint8 uuid[16];
  guint32 sunit, swidth;
  gint32 version;
  guint32 flags, logsectsize, rtsectsize, dirblocksize, logsunit;
} XfsGeometry;

typedef struct
{
  guint64 newblocks;
  guint32 imaxpct;
  guint32 padding;
} XfsGrow;

G_STATIC_ASSERT (sizeof (XfsGeometry) == 112);
G_STATIC_ASSERT (sizeof (XfsGrow) == 16);

#define XFS_GEOMETRY _IOR ('X', 124, XfsGeometry)
#define XFS_GROW_DATA _IOW ('X', 110, XfsGrow)
#define XFS_MIN_AG_BLOCKS 64 /* a shorter last group is left out */

#define BTRFS_MAX_DEVICES 65536
#define BTRFS_MIN_SIZE (256 * 1024 * 1024) /* a smaller one is not resized */

static gboolean
fail (const PvtGrowFs *fs, GError **error, const char *what, int code)
{
  g_set_error (error, G_FILE_ERROR, (gint)g_file_error_from_errno (code), "%s at %s: cannot %s: %s",
               fs->type, fs->mountpoint, what, g_strerror (code));
  return FALSE;
}

static guint32
little32 (const guint8 *p)
{
  return p[0] | (guint32)p[1] << 8 | (guint32)p[2] << 16 | (guint32)p[3] << 24;
}

/* From the superblock: statfs(2) leaves out what the structures take. */
static gboolean
ext4_read (PvtGrowFs *fs, GError **error)
{
  guint8 super[1024];
  guint64 blocks;
  int fd = openat (fs->root->fd, fs->node + 1, O_RDONLY | O_CLOEXEC);
  gssize n = fd < 0 ? -1 : pread (fd, super, sizeof super, EXT4_SUPERBLOCK);
  int code = n < 0 ? errno : EIO;

  if (fd >= 0)
    close (fd);
  if (n != sizeof super)
    return fail (fs, error, "read its superblock", code);
  if ((super[56] | super[57] << 8) != EXT4_MAGIC || little32 (super + 24) > 6)
    return fail (fs, error, "understand its superblock", EINVAL);
  blocks = little32 (super + 4);
  if (little32 (super + 96) & EXT4_INCOMPAT_64BIT)
    blocks |= (guint64)little32 (super + 336) << 32;
  fs->unit = G_GUINT64_CONSTANT (1024) << little32 (super + 24);
  if (blocks > G_MAXINT64 / fs->unit)
    return fail (fs, error, "understand its superblock", EINVAL);
  fs->size = blocks * fs->unit;
  return TRUE;
}

static gboolean
ext4_grow (PvtGrowFs *fs, guint64 size, GError **error)
{
  guint64 blocks = size / fs->unit;

  return ioctl (fs->fd, EXT4_RESIZE_FS, &blocks) == 0 || fail (fs, error, "grow it", errno);
}

static gboolean
xfs_read (PvtGrowFs *fs, GError **error)
{
  XfsGeometry geometry;

  memset (&geometry, 0, sizeof geometry);
  if (ioctl (fs->fd, XFS_GEOMETRY, &geometry) < 0)
    return fail (fs, error, "read its geometry", errno);
  if (geometry.blocksize < 512 || geometry.agblocks == 0
      || geometry.datablocks > G_MAXINT64 / geometry.blocksize)
    return fail (fs, error, "understand its geometry", EINVAL);
  fs->unit = geometry.blocksize;
  fs->size = geometry.datablocks * geometry.blocksize;
  fs->xfs_ag_blocks = geometry.agblocks;
  fs->xfs_imaxpct = geometry.imaxpct;
  return TRUE;
}

static gboolean
xfs_grow (PvtGrowFs *fs, guint64 size, GError **error)
{
  XfsGrow request = { .newblocks = size / fs->unit, .imaxpct = fs->xfs_imaxpct };

  return ioctl (fs->fd, XFS_GROW_DATA, &request) == 0 || fail (fs, error, "grow it", errno);
}

/* The device's number in the filesystem; a sole device needs no comparing. */
static gboolean
btrfs_is_device (const PvtGrowFs *fs, const struct btrfs_ioctl_dev_info_args *device,
                 guint64 n_devices)
{
  const char *path = (const char *)device->path;
  struct stat st;

  if (n_devices == 1)
    return TRUE;
  return path[0] == '/' && memchr (path, '\0', sizeof device->path) != NULL
         && fstatat (fs->root->fd, path + 1, &st, 0) == 0 && S_ISBLK (st.st_mode)
         && st.st_rdev == fs->device_id;
}

static gboolean
btrfs_read (PvtGrowFs *fs, GError **error)
{
  struct btrfs_ioctl_fs_info_args info;

  memset (&info, 0, sizeof info);
  if (ioctl (fs->fd, BTRFS_IOC_FS_INFO, &info) < 0)
    return fail (fs, error, "list its devices", errno);
  fs->unit = info.sectorsize ? info.sectorsize : 4096;
  for (guint64 id = 0; id <= MIN (info.max_id, BTRFS_MAX_DEVICES); id++)
    {
      struct btrfs_ioctl_dev_info_args device;

      memset (&device, 0, sizeof device);
      device.devid = id;
      if (ioctl (fs->fd, BTRFS_IOC_DEV_INFO, &device) < 0
          || !btrfs_is_device (fs, &device, info.num_devices))
        continue;
      fs->btrfs_devid = device.devid;
      fs->size = device.total_bytes;
      return TRUE;
    }
  g_set_error (error, G_FILE_ERROR, G_FILE_ERROR_NODEV, "btrfs at %s: %s is none of its devices",
               fs->mountpoint, fs->node);
  return FALSE;
}

static gboolean
btrfs_grow (PvtGrowFs *fs, guint64 size G_GNUC_UNUSED, GError **error)
{
  struct btrfs_ioctl_vol_args request;
  int rc;

  memset (&request, 0, sizeof request);
  g_snprintf (request.name, sizeof request.name, "%" G_GUINT64_FORMAT ":max", fs->btrfs_devid);
  rc = ioctl (fs->fd, BTRFS_IOC_RESIZE, &request);
  if (rc < 0)
    return fail (fs, error, "grow it", errno);
  /* Above zero: a balance, a replace or the like goes on. */
  return rc == 0 || fail (fs, error, "grow it while it is being rebuilt", EBUSY);
}

static const struct
{
  const char *type;
  gboolean (*read) (PvtGrowFs *fs, GError **error);
  gboolean (*grow) (PvtGrowFs *fs, guint64 size, GError **error);
} kinds[] = {
  { "ext4", ext4_read, ext4_grow },
  { "xfs", xfs_read, xfs_grow },
  { "btrfs", btrfs_read, btrfs_grow },
};

static int
kind_of (const char *type)
{
  for (guint i = 0; i < G_N_ELEMENTS (kinds); i++)
    if (strcmp (kinds[i].type, type) == 0)
      return (int)i;
  return -1;
}

gboolean
pvt_grow_fs_known (const char *type)
{
  return kind_of (type) >= 0;
}

/* What is at the mountpoint must be what lies on the device: another mount may
 * have come over it. */
static gboolean
check_device (PvtGrowFs *fs, GError **error)
{
  struct stat node, here;

  if (fstatat (fs->root->fd, fs->node + 1, &node, 0) < 0 || !S_ISBLK (node.st_mode))
    return fail (fs, error, "find its device", ENODEV);
  fs->device_id = node.st_rdev;
  if (fstat (fs->fd, &here) < 0)
    return fail (fs, error, "look at it", errno);
  /* btrfs has a device number of its own; its list of devices is asked. */
  if (strcmp (fs->type, "btrfs") == 0 || here.st_dev == node.st_rdev)
    return TRUE;
  return fail (fs, error, "reach it: another filesystem is mounted over it", EBUSY);
}

gboolean
pvt_grow_fs_open (PvtGrowFs *fs, const PvtRoot *root, const char *type, const char *mountpoint,
                  const char *node, GError **error)
{
  const char *path = mountpoint[0] == '/' && mountpoint[1] ? mountpoint + 1 : ".";

  *fs = (PvtGrowFs){ .root = root, .type = type, .mountpoint = mountpoint, .node = node };
  fs->fd = openat (root->fd, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (fs->fd < 0)
    return fail (fs, error, "open it", errno);
  if (check_device (fs, error) && kinds[kind_of (type)].read (fs, error))
    return TRUE;
  pvt_grow_fs_close (fs);
  return FALSE;
}

void
pvt_grow_fs_close (PvtGrowFs *fs)
{
  close (fs->fd);
  fs->fd = -1;
}

gboolean
pvt_grow_fs_target (const PvtGrowFs *fs, guint64 device_size, guint64 *target, GError **error)
{
  guint64 size = device_size / fs->unit * fs->unit;

  if (fs->xfs_ag_blocks)
    {
      guint64 group = fs->xfs_ag_blocks * fs->unit;

      if (size % group < XFS_MIN_AG_BLOCKS * fs->unit)
        size = size / group * group;
    }
  *target = MAX (size, fs->size);
  if (fs->btrfs_devid == 0 || *target == fs->size || size >= BTRFS_MIN_SIZE)
    return TRUE;
  g_set_error (error, G_FILE_ERROR, G_FILE_ERROR_INVAL,
               "btrfs at %s: the kernel resizes a btrfs to 256 MiB or more on a device only, %s "
               "has %" G_GUINT64_FORMAT " MiB",
               fs->mountpoint, fs->node, device_size >> 20);
  return FALSE;
}

gboolean
pvt_grow_fs_resize (PvtGrowFs *fs, guint64 device_size, GError **error)
{
  int kind = kind_of (fs->type);
  guint64 target;

  if (!pvt_grow_fs_target (fs, device_size, &target, error))
    return FALSE;
  return target == fs->size
         || (kinds[kind].grow (fs, target, error) && kinds[kind].read (fs, error));
}
