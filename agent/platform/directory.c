/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "directory.h"

#include "root.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAX_ENTRIES 100000

static void
free_file (gpointer data)
{
  PvtListedFile *file = data;

  g_free (file->name);
  g_free (file->target);
  g_free (file);
}

static PvtListedKind
kind_of (mode_t mode)
{
  return S_ISREG (mode)   ? PVT_LISTED_REGULAR
         : S_ISDIR (mode) ? PVT_LISTED_DIRECTORY
         : S_ISLNK (mode) ? PVT_LISTED_LINK
                          : PVT_LISTED_OTHER;
}

static void
add_file (GPtrArray *files, int dir, const char *name, const struct stat *st)
{
  PvtListedFile *file = g_new0 (PvtListedFile, 1);
  char target[PATH_MAX];
  gssize len = S_ISLNK (st->st_mode) ? readlinkat (dir, name, target, sizeof target) : -1;

  file->name = g_strdup (name);
  file->kind = kind_of (st->st_mode);
  file->st = *st;
  file->target = len >= 0 ? g_strndup (target, (gsize) len) : NULL;
  g_ptr_array_add (files, file);
}

static gint
by_name (gconstpointer a, gconstpointer b)
{
  return strcmp ((*(PvtListedFile *const *) a)->name, (*(PvtListedFile *const *) b)->name);
}

static gboolean
read_entries (DIR *dir, const char *path, GPtrArray *files, GError **error)
{
  for (struct dirent *entry; (entry = readdir (dir)) != NULL;)
    {
      struct stat st;

      if (strcmp (entry->d_name, ".") == 0 || strcmp (entry->d_name, "..") == 0
          || fstatat (dirfd (dir), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        continue; /* gone meanwhile */
      if (files->len == MAX_ENTRIES)
        {
          g_set_error (error, G_FILE_ERROR, G_FILE_ERROR_INVAL, "%s has more than %d entries", path,
                       MAX_ENTRIES);
          return FALSE;
        }
      add_file (files, dirfd (dir), entry->d_name, &st);
    }
  g_ptr_array_sort (files, by_name);
  return TRUE;
}

GPtrArray *
pvt_directory_list (const char *path, GError **error)
{
  g_autoptr (GPtrArray) files = g_ptr_array_new_with_free_func (free_file);
  struct stat st;
  DIR *dir;
  gboolean ok;

  if (stat (path, &st) < 0)
    {
      pvt_errno_fail (error, "look at", path);
      return NULL;
    }
  if (!S_ISDIR (st.st_mode))
    {
      add_file (files, AT_FDCWD, "", &st);
      return g_steal_pointer (&files);
    }
  dir = opendir (path);
  if (dir == NULL)
    {
      pvt_errno_fail (error, "list", path);
      return NULL;
    }
  ok = read_entries (dir, path, files, error);
  closedir (dir);
  return ok ? g_steal_pointer (&files) : NULL;
}

static gboolean
set_attributes (int fd, const char *path, mode_t mode, uid_t uid, gid_t gid, GError **error)
{
  if ((uid != (uid_t) -1 || gid != (gid_t) -1) && fchown (fd, uid, gid) < 0)
    return pvt_errno_fail (error, "change the owner of", path);
  return fchmod (fd, mode) == 0 || pvt_errno_fail (error, "change the mode of", path);
}

/* A link to a directory, which was there before, serves as one. But whoever owns the
 * directory around it chose where it leads: nothing is changed there. */
gboolean
pvt_directory_make (const char *path, mode_t mode, uid_t uid, gid_t gid, GError **error)
{
  gboolean made = mkdir (path, mode) == 0, ok;
  struct stat st;
  int fd;

  if (!made && (errno != EEXIST || stat (path, &st) < 0 || !S_ISDIR (st.st_mode)))
    return pvt_errno_fail (error, "make the directory", path);
  fd = open (path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0)
    return (!made && (errno == ENOTDIR || errno == ELOOP)) || pvt_errno_fail (error, "open", path);
  ok = set_attributes (fd, path, mode, uid, gid, error);
  close (fd);
  return ok;
}

gboolean
pvt_directory_link (const char *path, const char *target, GError **error)
{
  struct stat st;

  if (lstat (path, &st) == 0 && S_ISLNK (st.st_mode))
    unlink (path);
  return symlink (target, path) == 0 || pvt_errno_fail (error, "make the link", path);
}
