/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "agent/core/call.h"
#include "agent/platform/mountinfo.h"
#include "agent/platform/statfs-probe.h"
#include "disk-address.h"

#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

/* A mount and the block device under it. */
typedef struct
{
  const PvtMount *mount;
  char device[64];
} Candidate;

/* btrfs has a device number of its own making: the source's counts. */
static gboolean
device_numbers (const PvtRoot *root, const PvtMount *mount, guint *major_out, guint *minor_out)
{
  struct stat st;

  *major_out = mount->major;
  *minor_out = mount->minor;
  if (mount->major != 0)
    return TRUE;
  if (strcmp (mount->type, "btrfs") != 0 || mount->source[0] != '/')
    return FALSE;
  if (fstatat (root->fd, mount->source + 1, &st, 0) < 0 || !S_ISBLK (st.st_mode))
    return FALSE;
  *major_out = major (st.st_rdev);
  *minor_out = minor (st.st_rdev);
  return TRUE;
}

static GArray *
find_candidates (const PvtRoot *root, GPtrArray *mounts)
{
  GArray *candidates = g_array_new (FALSE, FALSE, sizeof (Candidate));

  /* Last mounted first, as clients that reverse the list expect. */
  for (guint i = mounts->len; i-- > 0;)
    {
      Candidate candidate = { .mount = mounts->pdata[i] };
      guint major_number, minor_number;

      if (device_numbers (root, candidate.mount, &major_number, &minor_number)
          && pvt_blockdev_name (root, major_number, minor_number, candidate.device,
                                sizeof candidate.device))
        g_array_append_val (candidates, candidate);
    }
  return candidates;
}

static GPtrArray *
disks_of (const PvtRoot *root, const Candidate *candidate)
{
  g_autoptr (GPtrArray) places = pvt_disk_places_new ();
  GPtrArray *disks = g_ptr_array_new ();

  if (strcmp (candidate->mount->type, "btrfs") == 0)
    {
      g_auto (GStrv) members = pvt_btrfs_devices (root, candidate->device);

      for (gsize i = 0; members[i]; i++)
        pvt_blockdev_places (root, members[i], places);
    }
  else
    pvt_blockdev_places (root, candidate->device, places);
  for (guint i = 0; i < places->len; i++)
    g_ptr_array_add (disks, pvt_disk_address_new (places->pdata[i]));
  return disks;
}

/* The same device may be mounted many times: its disks are looked up once. */
static GPtrArray *
disks_like_before (const PvtRoot *root, GArray *candidates, guint index, GPtrArray *infos)
{
  const Candidate *candidate = &g_array_index (candidates, Candidate, index);

  for (guint i = 0; i < index; i++)
    if (strcmp (g_array_index (candidates, Candidate, i).device, candidate->device) == 0)
      {
        GPtrArray *old = ((PvtGuestFilesystemInfo *) infos->pdata[i])->disk;
        GPtrArray *copy = g_ptr_array_sized_new (old->len);

        for (guint d = 0; d < old->len; d++)
          g_ptr_array_add (copy, pvt_guest_disk_address_copy (old->pdata[d]));
        return copy;
      }
  return disks_of (root, candidate);
}

static void
add_figures (PvtGuestFilesystemInfo *info, const PvtStatfsResult *result)
{
  const struct statvfs *s = &result->figures;
  guint64 used;

  if (result->outcome != PVT_STATFS_OK)
    return;
  used = s->f_blocks - s->f_bfree;
  info->has_used_bytes = info->has_total_bytes = info->has_total_bytes_privileged = TRUE;
  info->used_bytes = used * s->f_frsize;
  info->total_bytes = (used + s->f_bavail) * s->f_frsize;
  info->total_bytes_privileged = (guint64) s->f_blocks * s->f_frsize;
}

static PvtStatfsResult *
ask_figures (GArray *candidates, GPtrArray *mounts)
{
  g_autofree PvtStatfsQuery *queries = g_new0 (PvtStatfsQuery, candidates->len + 1);
  PvtStatfsResult *results = g_new0 (PvtStatfsResult, candidates->len + 1);

  for (guint i = 0; i < candidates->len; i++)
    {
      const PvtMount *mount = g_array_index (candidates, Candidate, i).mount;

      queries[i].mountpoint = mount->mountpoint;
      queries[i].direct = pvt_mount_answers (mount, mounts);
    }
  pvt_statfs_probe (queries, candidates->len, results);
  return results;
}

gboolean
pvt_handle_guest_get_fsinfo (PvtCall *call, GPtrArray **result, GError **error)
{
  const PvtRoot *root = pvt_call_root (call);
  g_autoptr (GPtrArray) mounts = pvt_mountinfo_kept (root, error);
  g_autoptr (GArray) candidates = NULL;
  g_autofree PvtStatfsResult *results = NULL;

  if (mounts == NULL)
    return FALSE;
  candidates = find_candidates (root, mounts);
  results = ask_figures (candidates, mounts);
  *result = g_ptr_array_sized_new (candidates->len);
  for (guint i = 0; i < candidates->len; i++)
    {
      const Candidate *candidate = &g_array_index (candidates, Candidate, i);
      PvtGuestFilesystemInfo *info = pvt_guest_filesystem_info_new ();

      info->name = g_strdup (candidate->device);
      info->mountpoint = g_strdup (candidate->mount->mountpoint);
      info->type = g_strdup (candidate->mount->type);
      info->disk = disks_like_before (root, candidates, i, *result);
      add_figures (info, &results[i]);
      g_ptr_array_add (*result, info);
    }
  return TRUE;
}
