/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "agent/core/call.h"
#include "agent/platform/blockdev.h"
#include "agent/platform/bounds.h"
#include "agent/platform/grow-disk.h"
#include "agent/platform/grow-fs.h"
#include "agent/platform/grow-lvm.h"
#include "agent/platform/mountinfo.h"

#include <string.h>

/* A growth on its way upwards. */
typedef struct
{
  PvtCall *call;
  const PvtRoot *root;
  gboolean dry_run;
  PvtDiskGrow *result;
} Grow;

static void
add_step (Grow *grow, PvtDiskGrowKind kind, const char *target, guint64 before, guint64 after)
{
  PvtDiskGrowStep *step = pvt_disk_grow_step_new ();

  step->kind = kind;
  step->target = g_strdup (target);
  step->before = before;
  step->after = after;
  step->changed = after > before;
  g_ptr_array_add (grow->result->steps, step);
}

static void add_note (Grow *grow, const char *format, ...) G_GNUC_PRINTF (2, 3);

static void
add_note (Grow *grow, const char *format, ...)
{
  g_autofree char *old = grow->result->note, *text = NULL;
  va_list args;

  va_start (args, format);
  text = g_strdup_vprintf (format, args);
  va_end (args);
  grow->result->note = old ? g_strconcat (old, "; ", text, NULL) : g_steal_pointer (&text);
}

/* Whoever gave up does not learn what is done from here on: nothing more is. */
static gboolean
still_wanted (Grow *grow, GError **error)
{
  return !pvt_call_cancelled (grow->call)
         || pvt_call_fail (error, "the request was given up; what was grown stays so");
}

/* @device: looked at before; its size is brought up to date. */
static gboolean
rescan_disk (Grow *grow, const char *name, PvtStackDevice *device, GError **error)
{
  guint64 before = device->size;

  if (!pvt_disk_rescan (grow->root, name, error)
      || !pvt_stack_size (grow->root, name, &device->size, error))
    return FALSE;
  add_step (grow, PVT_DISK_GROW_KIND_RESCAN, device->node, before, device->size);
  return TRUE;
}

/* What the partition comes to, or has come to. */
static gboolean
grow_planned (Grow *grow, const PvtStackDevice *disk, const char *name, PvtStackDevice *partition,
              const PvtTablePlan *plan, GError **error)
{
  guint64 before = partition->size, after = MAX (plan->after, before);

  if (plan->at_limit)
    add_note (grow, "an MBR ends where %s goes on: only a GPT could use all of it", disk->node);
  else if (after == before)
    add_note (grow, "%s has no room behind %s: the disk did not grow", disk->node, partition->node);
  if (after > before && !grow->dry_run
      && (!still_wanted (grow, error)
          || !pvt_partition_grow (grow->root, disk, partition->below[0], partition, error)
          || !pvt_stack_size (grow->root, name, &after, error)))
    return FALSE;
  partition->size = after;
  add_step (grow, PVT_DISK_GROW_KIND_PARTITION, partition->node, before, after);
  return TRUE;
}

/* @sole: FALSE when there are others like it, so that this one may stay as it is. */
static gboolean
grow_partition (Grow *grow, const char *name, PvtStackDevice *partition, gboolean sole,
                GError **error)
{
  const char *disk_name = partition->below[0];
  g_autoptr (PvtStackDevice) disk = pvt_stack_look (grow->root, disk_name, error);
  g_autoptr (PvtTablePlan) plan = NULL;
  g_autoptr (GError) refusal = NULL;

  if (disk == NULL || !rescan_disk (grow, disk_name, disk, error))
    return FALSE;
  plan = pvt_partition_plan (grow->root, disk, disk_name, partition, &refusal);
  if (plan)
    return grow_planned (grow, disk, name, partition, plan, error);
  if (sole || !g_error_matches (refusal, PVT_TABLE_ERROR, PVT_TABLE_ERROR_NOT_LAST))
    {
      g_propagate_error (error, g_steal_pointer (&refusal));
      return FALSE;
    }
  add_note (grow, "%s", refusal->message);
  add_step (grow, PVT_DISK_GROW_KIND_PARTITION, partition->node, partition->size, partition->size);
  return TRUE;
}

static gboolean
grow_bottom (Grow *grow, const char *name, PvtStackDevice *device, gboolean sole, GError **error)
{
  if (device->kind == PVT_STACK_PARTITION)
    return grow_partition (grow, name, device, sole, error);
  if (device->kind != PVT_STACK_DISK)
    return pvt_call_fail (error, "%s lies inside of another volume; that is not grown",
                          device->node);
  return rescan_disk (grow, name, device, error);
}

/* @vg_free: what its volume group has free. @gained: plus what it would gain, in a dry run. */
static gboolean
grow_pv (Grow *grow, const char *name, gboolean sole, guint64 *gained, guint64 *vg_free,
         GError **error)
{
  g_autoptr (PvtStackDevice) device = pvt_stack_look (grow->root, name, error);
  guint64 before, after;
  PvtLvmPv pv;

  if (device == NULL || !grow_bottom (grow, name, device, sole, error)
      || !still_wanted (grow, error) || !pvt_lvm_look (device->node, &pv, error))
    return FALSE;
  before = pv.pv_size;
  after = pvt_lvm_pv_target (&pv, device->size);
  if (after > before && !grow->dry_run)
    {
      if (!pvt_lvm_grow_pv (device->node, error) || !pvt_lvm_look (device->node, &pv, error))
        return FALSE;
      after = pv.pv_size;
    }
  else
    *gained += after - before;
  *vg_free = pv.vg_free;
  add_step (grow, PVT_DISK_GROW_KIND_PV, device->node, before, after);
  return TRUE;
}

static gboolean
grow_lv (Grow *grow, const char *name, PvtStackDevice *volume, GError **error)
{
  guint n = g_strv_length (volume->below);
  guint64 before = volume->size, vg_free = 0, gained = 0;

  for (guint i = 0; i < n; i++)
    if (!grow_pv (grow, volume->below[i], n == 1, &gained, &vg_free, error))
      return FALSE;
  volume->size += vg_free + gained;
  if (volume->size > before && !grow->dry_run)
    {
      if (!still_wanted (grow, error) || !pvt_lvm_grow_lv (volume->node, error)
          || !pvt_stack_size (grow->root, name, &volume->size, error))
        return FALSE;
    }
  add_step (grow, PVT_DISK_GROW_KIND_LV, volume->node, before, volume->size);
  return TRUE;
}

static gboolean
anything_changed (const PvtDiskGrow *result)
{
  for (guint i = 0; i < result->steps->len; i++)
    if (((const PvtDiskGrowStep *)result->steps->pdata[i])->changed)
      return TRUE;
  return FALSE;
}

static gboolean
grow_filesystem (Grow *grow, PvtGrowFs *fs, guint64 device_size, GError **error)
{
  PvtDiskGrow *result = grow->result;

  result->size_before = fs->size;
  if (!pvt_grow_fs_target (fs, device_size, &result->size_after, error))
    return FALSE;
  if (result->size_after > fs->size && !grow->dry_run)
    {
      if (!still_wanted (grow, error) || !pvt_grow_fs_resize (fs, device_size, error))
        return FALSE;
      result->size_after = fs->size;
    }
  add_step (grow, PVT_DISK_GROW_KIND_FILESYSTEM, fs->mountpoint, result->size_before,
            result->size_after);
  if (result->note == NULL && !anything_changed (result))
    add_note (grow, "%s has no room that the filesystem does not use: the disk did not grow",
              result->device);
  return TRUE;
}

static gboolean
grow_stack (Grow *grow, const char *name, GError **error)
{
  g_autoptr (PvtStackDevice) device = pvt_stack_look (grow->root, name, error);
  PvtGrowFs fs;
  gboolean ok;

  if (device == NULL)
    return FALSE;
  grow->result->device = g_strdup (device->node);
  /* Opened first: what cannot be grown in the end is not touched below either. */
  if (!pvt_grow_fs_open (&fs, grow->root, grow->result->type, grow->result->mountpoint,
                         device->node, error))
    return FALSE;
  ok = (device->kind == PVT_STACK_LV ? grow_lv (grow, name, device, error)
                                     : grow_bottom (grow, name, device, TRUE, error))
       && grow_filesystem (grow, &fs, device->size, error);
  pvt_grow_fs_close (&fs);
  return ok;
}

/* The kernel's name of what a mount lies on; btrfs has a device number of its own. */
static gboolean
mount_device (const PvtRoot *root, const PvtMount *mount, char *name, gsize size)
{
  if (mount->major != 0)
    return pvt_blockdev_name (root, mount->major, mount->minor, name, size);
  return strcmp (mount->type, "btrfs") == 0
         && pvt_stack_name (root, mount->source, name, size, NULL);
}

/* Whether the mount lies on the device; a btrfs may lie on several. */
static gboolean
mount_is_on (const PvtRoot *root, const PvtMount *mount, const char *name)
{
  g_auto (GStrv) members = NULL;
  char own[128];

  if (!mount_device (root, mount, own, sizeof own))
    return FALSE;
  if (strcmp (mount->type, "btrfs") != 0)
    return strcmp (own, name) == 0;
  members = pvt_btrfs_devices (root, own);
  return g_strv_contains ((const char *const *)members, name);
}

static const PvtMount *
find_by_mountpoint (const PvtRoot *root, GPtrArray *mounts, const char *path, char *name,
                    gsize size, GError **error)
{
  g_auto (GStrv) members = NULL;
  const PvtMount *mount = NULL;

  /* The last one is on top of the others. */
  for (guint i = 0; i < mounts->len; i++)
    if (strcmp (((const PvtMount *)mounts->pdata[i])->mountpoint, path) == 0)
      mount = mounts->pdata[i];
  if (mount == NULL)
    pvt_call_fail (error, "nothing is mounted at '%s'", path);
  else if (!pvt_grow_fs_known (mount->type))
    pvt_call_fail (error, "%s is a filesystem of type %s: only ext4, xfs and btrfs can be grown",
                   path, mount->type);
  else if (!mount_device (root, mount, name, size))
    pvt_call_fail (error, "%s is mounted from '%s', which is no block device", path, mount->source);
  else if (strcmp (mount->type, "btrfs") != 0)
    return mount;
  else if (g_strv_length (members = pvt_btrfs_devices (root, name)) == 1)
    return mount;
  else
    pvt_call_fail (error, "the btrfs at %s lies on %u devices: say with 'device' which one to grow",
                   path, g_strv_length (members));
  return NULL;
}

static const PvtMount *
find_by_device (const PvtRoot *root, GPtrArray *mounts, const char *node, char *name, gsize size,
                GError **error)
{
  const PvtMount *found = NULL;

  if (!pvt_stack_name (root, node, name, size, error))
    return NULL;
  for (guint i = 0; i < mounts->len; i++)
    {
      const PvtMount *mount = mounts->pdata[i];

      /* Any of its mounts will do that is not read-only. */
      if (mount_is_on (root, mount, name) && (found == NULL || found->read_only))
        found = mount;
    }
  if (found == NULL)
    pvt_call_fail (error, "no filesystem is mounted from %s: only mounted ones are grown", node);
  else if (pvt_grow_fs_known (found->type))
    return found;
  else
    pvt_call_fail (error, "%s has a filesystem of type %s: only ext4, xfs and btrfs can be grown",
                   node, found->type);
  return NULL;
}

/* Slashes at the end change nothing for a person. */
static char *
plain_path (const char *path)
{
  gsize len = strlen (path);

  while (len > 1 && path[len - 1] == '/')
    len--;
  return g_strndup (path, len);
}

static const PvtMount *
find_mount (const PvtRoot *root, GPtrArray *mounts, const PvtDiskGrowArgs *args, char *name,
            gsize size, GError **error)
{
  g_autofree char *path = plain_path (args->mountpoint ? args->mountpoint : args->device);
  const PvtMount *mount = args->mountpoint
                              ? find_by_mountpoint (root, mounts, path, name, size, error)
                              : find_by_device (root, mounts, path, name, size, error);

  if (mount == NULL)
    return NULL;
  if (mount->read_only)
    pvt_call_fail (error, "%s is mounted read-only", mount->mountpoint);
  else if (!pvt_mount_answers (mount, mounts))
    pvt_call_fail (error, "the way to %s leads through a filesystem that may not answer",
                   mount->mountpoint);
  else
    return mount;
  return NULL;
}

/* Two at a time would read each other's half-done work. */
static GMutex at_work;

gboolean
pvt_handle_disk_grow (PvtCall *call, const PvtDiskGrowArgs *args, PvtDiskGrow **result,
                      GError **error)
{
  const PvtRoot *root = pvt_call_root (call);
  g_autoptr (GPtrArray) mounts = NULL;
  const PvtMount *mount;
  char name[128];
  gboolean ok;
  Grow grow;

  if ((args->mountpoint == NULL) == (args->device == NULL))
    return pvt_call_fail (error, "exactly one of mountpoint and device is needed");
  mounts = pvt_mountinfo_read (root, error);
  mount = mounts ? find_mount (root, mounts, args, name, sizeof name, error) : NULL;
  if (mount == NULL)
    return FALSE;
  if (!g_mutex_trylock (&at_work))
    return pvt_call_fail (error, "another growth is under way");
  *result = pvt_disk_grow_new ();
  (*result)->mountpoint = g_strdup (mount->mountpoint);
  (*result)->type = g_strdup (mount->type);
  (*result)->steps = g_ptr_array_new ();
  grow = (Grow){ call, root, args->has_dry_run && args->dry_run, *result };
  ok = grow_stack (&grow, name, error);
  g_mutex_unlock (&at_work);
  return ok;
}
