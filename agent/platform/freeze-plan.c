/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "freeze-plan.h"

#include "blockdev.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

/* Loop over md over loop ...: nobody stacks deeper, a cycle would. */
#define MAX_DEPTH 16

/* since Linux 5.8; older headers lack it */
#ifndef STATX_MNT_ID
#define STATX_MNT_ID 0x00001000U
#endif

static void
free_target (gpointer data)
{
  PvtFreezeTarget *target = data;

  g_free (target->type);
  g_ptr_array_unref (target->mounts);
  g_free (target);
}

/* On a block device, or on several as btrfs is; writable; nobody's but the
 * kernel's. What cannot be frozen says so when it is asked. */
static gboolean
is_freezable (const PvtMount *mount)
{
  if (mount->super_read_only || pvt_mount_is_remote (mount) || pvt_mount_is_pseudo (mount))
    return FALSE;
  return mount->major != 0 || g_str_has_prefix (mount->source, "/dev/");
}

static PvtFreezeTarget *
find_target (GPtrArray *targets, guint major_number, guint minor_number)
{
  for (guint i = 0; i < targets->len; i++)
    {
      PvtFreezeTarget *target = targets->pdata[i];

      if (target->major == major_number && target->minor == minor_number)
        return target;
    }
  return NULL;
}

/* Superblocks in the order of their first mount. */
static GPtrArray *
find_superblocks (GPtrArray *mounts)
{
  GPtrArray *targets = g_ptr_array_new_with_free_func (free_target);

  for (guint i = 0; i < mounts->len; i++)
    {
      PvtMount *mount = mounts->pdata[i];
      PvtFreezeTarget *target;

      if (!is_freezable (mount))
        continue;
      target = find_target (targets, mount->major, mount->minor);
      if (target == NULL)
        {
          target = g_new0 (PvtFreezeTarget, 1);
          target->major = mount->major;
          target->minor = mount->minor;
          target->type = g_strdup (mount->type);
          target->mounts = g_ptr_array_new ();
          g_ptr_array_add (targets, target);
        }
      g_ptr_array_add (target->mounts, mount);
    }
  return targets;
}

static gboolean
is_listed (const PvtFreezeTarget *target, char *const *only)
{
  for (gsize n = 0; only[n]; n++)
    for (guint i = 0; i < target->mounts->len; i++)
      if (strcmp (((PvtMount *) target->mounts->pdata[i])->mountpoint, only[n]) == 0)
        return TRUE;
  return FALSE;
}

/* The mount that a path is on: the longest mountpoint, the last of equals. */
static const PvtMount *
mount_of_path (GPtrArray *mounts, const char *path)
{
  const PvtMount *best = NULL;
  gsize best_len = 0;

  for (guint i = 0; i < mounts->len; i++)
    {
      const PvtMount *mount = mounts->pdata[i];
      gsize len = strcmp (mount->mountpoint, "/") == 0 ? 0 : strlen (mount->mountpoint);

      if (len >= best_len && strncmp (path, mount->mountpoint, len) == 0
          && (path[len] == '/' || path[len] == '\0'))
        {
          best = mount;
          best_len = len;
        }
    }
  return best;
}

/* The file of a loop device, if it is one. */
static void
add_loop_file (const PvtRoot *root, const char *device, GPtrArray *files)
{
  g_autofree char *attribute = g_strdup_printf ("sys/class/block/%s/loop/backing_file", device);
  char path[4096], *deleted;

  if (pvt_read_at (root->fd, attribute, path, sizeof path) <= 0)
    return;
  deleted = g_strrstr (path, " (deleted)");
  if (deleted)
    *deleted = '\0';
  g_ptr_array_add (files, g_strdup (path));
}

/* The disk that a partition is of, in whose sysfs directory it is; or NULL. */
static char *
disk_of_partition (const PvtRoot *root, const char *device)
{
  g_autofree char *mark = g_strdup_printf ("sys/class/block/%s/partition", device);
  g_autofree char *entry = g_strdup_printf ("sys/class/block/%s", device);
  g_autofree char *above = NULL;
  char link[4096];

  if (!pvt_root_exists (root, mark) || !pvt_readlink_at (root->fd, entry, link, sizeof link))
    return NULL;
  above = g_path_get_dirname (link);
  return g_path_get_basename (above);
}

/* The files that a block device lies in, through all layers. */
static void
add_backing_files (const PvtRoot *root, const char *device, guint depth, GPtrArray *files)
{
  g_autofree char *disk = disk_of_partition (root, device);
  g_auto (GStrv) slaves = depth > 0 ? pvt_blockdev_slaves (root, device) : NULL;

  add_loop_file (root, device, files);
  if (disk && depth > 0)
    add_backing_files (root, disk, depth - 1, files);
  for (gsize i = 0; slaves && slaves[i]; i++)
    add_backing_files (root, slaves[i], depth - 1, files);
}

/* The devices under a filesystem: one, or all that a btrfs has. */
static char **
devices_of (const PvtRoot *root, const PvtFreezeTarget *target)
{
  const PvtMount *mount = target->mounts->pdata[0];
  g_autofree char *base = g_path_get_basename (mount->source);
  const char *one[] = { base, NULL };
  char name[64];
  struct stat st;

  if (target->major != 0)
    {
      one[0] = pvt_blockdev_name (root, target->major, target->minor, name, sizeof name) ? name : NULL;
      return g_strdupv ((char **) one);
    }
  if (fstatat (root->fd, mount->source + 1, &st, 0) == 0 && S_ISBLK (st.st_mode)
      && pvt_blockdev_name (root, major (st.st_rdev), minor (st.st_rdev), name, sizeof name))
    return pvt_btrfs_devices (root, name);
  return g_strdupv ((char **) one);
}

static GPtrArray *
backing_files (const PvtRoot *root, const PvtFreezeTarget *target)
{
  GPtrArray *files = g_ptr_array_new_with_free_func (g_free);
  g_auto (GStrv) devices = devices_of (root, target);

  for (gsize i = 0; devices && devices[i]; i++)
    add_backing_files (root, devices[i], MAX_DEPTH, files);
  return files;
}

/* The planned filesystems that one lies on, by its files. */
static GPtrArray *
find_below (const PvtRoot *root, GPtrArray *mounts, GPtrArray *all, const PvtFreezeTarget *upper)
{
  g_autoptr (GPtrArray) files = backing_files (root, upper);
  GPtrArray *below = g_ptr_array_new ();

  for (guint i = 0; i < files->len; i++)
    {
      const PvtMount *mount = mount_of_path (mounts, files->pdata[i]);
      PvtFreezeTarget *lower = mount ? find_target (all, mount->major, mount->minor) : NULL;

      if (lower && lower != upper)
        g_ptr_array_add (below, lower);
    }
  return below;
}

/* Each goes above what lies on it, until nothing moves any more; a cycle, which
 * no kernel makes, ends with the rounds. @below: of each of @all. */
static void
sort_into_tiers (GPtrArray *all, GPtrArray *below)
{
  gboolean moved = TRUE;

  for (guint round = 0; moved && round < MAX_DEPTH; round++)
    {
      moved = FALSE;
      for (guint i = 0; i < all->len; i++)
        {
          guint above = ((PvtFreezeTarget *) all->pdata[i])->tier + 1;
          GPtrArray *lowers = below->pdata[i];

          for (guint n = 0; n < lowers->len; n++)
            {
              PvtFreezeTarget *lower = lowers->pdata[n];

              if (lower->tier >= above)
                continue;
              lower->tier = above;
              moved = TRUE;
            }
        }
    }
}

static gboolean
is_root (const PvtFreezeTarget *target)
{
  for (guint i = 0; i < target->mounts->len; i++)
    if (strcmp (((PvtMount *) target->mounts->pdata[i])->mountpoint, "/") == 0)
      return TRUE;
  return FALSE;
}

/* The root stands still for the shortest time: it goes with the last, unless it
 * lies on one of them itself. */
static void
put_root_last (GPtrArray *all, GPtrArray *below)
{
  PvtFreezeTarget *found = NULL;
  guint last = 0;

  for (guint i = 0; i < all->len; i++)
    {
      PvtFreezeTarget *target = all->pdata[i];

      last = MAX (last, target->tier);
      if (is_root (target) && ((GPtrArray *) below->pdata[i])->len == 0)
        found = target;
    }
  if (found)
    found->tier = last;
}

/* Looks up once for each filesystem what it lies on. */
static void
find_tiers (const PvtRoot *root, GPtrArray *mounts, GPtrArray *all)
{
  g_autoptr (GPtrArray) below
      = g_ptr_array_new_with_free_func ((GDestroyNotify) g_ptr_array_unref);

  for (guint i = 0; i < all->len; i++)
    g_ptr_array_add (below, find_below (root, mounts, all, all->pdata[i]));
  sort_into_tiers (all, below);
  put_root_last (all, below);
}

/* Last mounted first within a tier: @all is in the order of mounting. */
static void
add_tier (GPtrArray *all, guint tier, GPtrArray *order)
{
  for (guint i = all->len; i-- > 0;)
    if (((PvtFreezeTarget *) all->pdata[i])->tier == tier)
      g_ptr_array_add (order, all->pdata[i]);
}

static gboolean
has_loops (GPtrArray *targets)
{
  for (guint i = 0; i < targets->len; i++)
    {
      const PvtFreezeTarget *target = targets->pdata[i];

      /* virtio-blk, scsi and nvme lie in no file: nothing to look up. */
      if (target->major == 0 || target->major == 7 || target->major == 9 || target->major >= 240)
        return TRUE;
    }
  return FALSE;
}

GPtrArray *
pvt_freeze_plan (const PvtRoot *root, GPtrArray *mounts, char *const *only)
{
  g_autoptr (GPtrArray) all = find_superblocks (mounts);
  GPtrArray *order = g_ptr_array_new_with_free_func (free_target);

  for (guint i = all->len; only && i-- > 0;)
    if (!is_listed (all->pdata[i], only))
      g_ptr_array_remove_index (all, i);
  if (has_loops (all))
    find_tiers (root, mounts, all);
  g_ptr_array_set_free_func (all, NULL); /* they are the order's now */
  for (guint tier = 0; order->len < all->len; tier++)
    add_tier (all, tier, order);
  return order;
}

/* Whether @fd is in the mount that was meant and not in one over it. */
static gboolean
is_mount (int fd, const PvtMount *mount)
{
  struct statx stx;

  if (statx (fd, "", AT_EMPTY_PATH, STATX_MNT_ID, &stx) < 0)
    return FALSE;
  if (stx.stx_mask & STATX_MNT_ID)
    return stx.stx_mnt_id == mount->id;
  return mount->major == 0
         || (stx.stx_dev_major == mount->major && stx.stx_dev_minor == mount->minor);
}

int
pvt_freeze_open (const PvtFreezeTarget *target, const char **mountpoint, GError **error)
{
  int failed = 0;

  for (guint i = 0; i < target->mounts->len; i++)
    {
      const PvtMount *mount = target->mounts->pdata[i];
      int fd = open (mount->mountpoint, O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_NOCTTY | O_CLOEXEC);

      *mountpoint = mount->mountpoint;
      if (fd >= 0 && is_mount (fd, mount))
        return fd;
      failed = fd < 0 ? errno : failed;
      if (fd >= 0)
        close (fd);
    }
  if (failed)
    g_set_error (error, G_FILE_ERROR, (gint) g_file_error_from_errno (failed),
                 "cannot open %s to freeze it: %s", *mountpoint, g_strerror (failed));
  else
    g_set_error (error, G_FILE_ERROR, G_FILE_ERROR_NOENT,
                 "cannot freeze %s: another mount hides it", *mountpoint);
  return -1;
}
