/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Trees. What the guest says of its own is not trusted: names may not lead out
 * of the directory, and every step on this side is relative to an open directory
 * that is no link, so that a link which the guest sent leads nowhere.
 */
#include "copy.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CALL_MS 40000

/* Directories in directories. */
#define MAX_DEPTH 64

static gboolean
is_safe_name (const char *name)
{
  return *name && strchr (name, '/') == NULL && strcmp (name, ".") != 0 && strcmp (name, "..") != 0;
}

/* ---- to the guest ---- */

static gboolean send_directory (PvtCopy *copy, const char *from, const char *to, guint depth,
                                GError **error);

static gboolean
send_link (PvtCopy *copy, const char *from, const char *to, GError **error)
{
  g_autofree char *target = g_file_read_link (from, error);
  PvtMakeLinkArgs args = { .path = (char *) to, .target = target };

  return target
         && pvt_extended_call (copy->extended, &pvt_command_infos[PVT_COMMAND_PVT_MAKE_LINK], &args,
                               NULL, CALL_MS, NULL, NULL, NULL, error);
}

static gboolean
send_entry (PvtCopy *copy, const char *from, const char *to, guint depth, GError **error)
{
  struct stat st;

  if (lstat (from, &st) < 0)
    return pvt_copy_fail (error, "look at", from);
  if (S_ISDIR (st.st_mode))
    return send_directory (copy, from, to, depth, error);
  if (S_ISLNK (st.st_mode))
    return send_link (copy, from, to, error);
  if (S_ISREG (st.st_mode))
    return pvt_copy_send_file (copy, from, to, error);
  return TRUE; /* devices and sockets stay */
}

static gboolean
make_remote (PvtCopy *copy, const char *from, const char *to, GError **error)
{
  PvtMakeDirectoryArgs args = { .path = (char *) to, .has_mode = TRUE };
  struct stat st;

  if (stat (from, &st) < 0)
    return pvt_copy_fail (error, "look at", from);
  args.mode = st.st_mode & 07777;
  args.has_uid = args.has_gid = geteuid () == 0;
  args.uid = st.st_uid;
  args.gid = st.st_gid;
  return pvt_extended_call (copy->extended, &pvt_command_infos[PVT_COMMAND_PVT_MAKE_DIRECTORY], &args,
                            NULL, CALL_MS, NULL, NULL, NULL, error);
}

static gboolean
send_directory (PvtCopy *copy, const char *from, const char *to, guint depth, GError **error)
{
  g_autoptr (GDir) dir = NULL;
  const char *name;

  if (depth == 0)
    {
      errno = ELOOP;
      return pvt_copy_fail (error, "go down further than", from);
    }
  if (!make_remote (copy, from, to, error) || (dir = g_dir_open (from, 0, error)) == NULL)
    return FALSE;
  while ((name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *source = g_build_filename (from, name, NULL);
      g_autofree char *target = g_build_filename (to, name, NULL);

      if (!send_entry (copy, source, target, depth - 1, error))
        return FALSE;
    }
  return TRUE;
}

gboolean
pvt_copy_send_tree (PvtCopy *copy, const char *from, const char *to, GError **error)
{
  return send_entry (copy, from, to, MAX_DEPTH, error);
}

/* ---- from the guest ---- */

static int
make_local (int parent, const char *name, const PvtDirectoryEntry *entry, GError **error)
{
  int fd;

  if (mkdirat (parent, name, 0700) < 0 && errno != EEXIST)
    {
      pvt_copy_fail (error, "make the directory", name);
      return -1;
    }
  fd = openat (parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0)
    pvt_copy_fail (error, "open the directory", name);
  else if (entry)
    {
      if (geteuid () == 0 && fchown (fd, entry->uid, entry->gid) < 0)
        errno = 0; /* not every filesystem has owners */
      fchmod (fd, (entry->mode & 0777) | 0700);
    }
  return fd;
}

static GPtrArray *
list (PvtCopy *copy, const char *path, GError **error)
{
  PvtListDirectoryArgs args = { .path = (char *) path };
  GPtrArray *entries = NULL;

  if (!pvt_extended_call (copy->extended, &pvt_command_infos[PVT_COMMAND_PVT_LIST_DIRECTORY], &args,
                          &entries, CALL_MS, NULL, NULL, NULL, error))
    return NULL;
  return entries;
}

static gboolean fetch_directory (PvtCopy *copy, const char *from, GPtrArray *entries, int dir,
                                 guint depth, GError **error);

static gboolean
fetch_entry (PvtCopy *copy, const char *from, const PvtDirectoryEntry *entry, int dir, guint depth,
             GError **error)
{
  g_autofree char *path = g_build_filename (from, entry->name, NULL);
  g_autoptr (GPtrArray) entries = NULL;
  gboolean ok;
  int below;

  if (entry->type == PVT_FILE_TYPE_REGULAR)
    return pvt_copy_fetch_file (copy, path, dir, entry->name, error);
  if (entry->type != PVT_FILE_TYPE_DIRECTORY)
    return TRUE;
  entries = list (copy, path, error);
  below = entries ? make_local (dir, entry->name, entry, error) : -1;
  if (below < 0)
    return FALSE;
  ok = fetch_directory (copy, path, entries, below, depth, error);
  close (below);
  return ok;
}

static gboolean
fetch_directory (PvtCopy *copy, const char *from, GPtrArray *entries, int dir, guint depth,
                 GError **error)
{
  if (depth == 0)
    {
      errno = ELOOP;
      return pvt_copy_fail (error, "go down further than", from);
    }
  for (guint i = 0; i < entries->len; i++)
    {
      const PvtDirectoryEntry *entry = entries->pdata[i];

      if (!is_safe_name (entry->name))
        {
          g_set_error (error, PVT_CLIENT_ERROR, PVT_CLIENT_ERROR_PROTOCOL,
                       "%s: the guest names an entry that is no name", from);
          return FALSE;
        }
      if (!fetch_entry (copy, from, entry, dir, depth - 1, error))
        return FALSE;
    }
  /* Links last: nothing of this directory goes through one. */
  for (guint i = 0; i < entries->len; i++)
    {
      const PvtDirectoryEntry *entry = entries->pdata[i];

      if (entry->type == PVT_FILE_TYPE_LINK && entry->target
          && symlinkat (entry->target, dir, entry->name) < 0 && errno != EEXIST)
        return pvt_copy_fail (error, "make the link", entry->name);
    }
  return TRUE;
}

gboolean
pvt_copy_fetch_tree (PvtCopy *copy, const char *from, int dir, const char *name, GError **error)
{
  g_autoptr (GPtrArray) entries = list (copy, from, error);
  gboolean ok;
  int below;

  if (entries == NULL)
    return FALSE;
  if (entries->len == 1 && *((PvtDirectoryEntry *) entries->pdata[0])->name == '\0')
    return pvt_copy_fetch_file (copy, from, dir, name, error);
  below = make_local (dir, name, NULL, error);
  if (below < 0)
    return FALSE;
  ok = fetch_directory (copy, from, entries, below, MAX_DEPTH, error);
  close (below);
  return ok;
}
