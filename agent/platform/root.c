/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "root.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define FIRST_SIZE 4096
#define LOCK_MS 3000
#define LOCK_STEP_MS 10

static void
set_error (GError **error, const PvtRoot *root, const char *path, int code)
{
  g_set_error (error, G_FILE_ERROR, (gint) g_file_error_from_errno (code), "%s/%s: %s", root->path,
               path, g_strerror (code));
}

PvtRoot *
pvt_root_open (const char *path, GError **error)
{
  int fd = open (path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  PvtRoot *root;

  if (fd < 0)
    {
      g_set_error (error, G_FILE_ERROR, (gint) g_file_error_from_errno (errno), "root %s: %s", path,
                   g_strerror (errno));
      return NULL;
    }
  root = g_new0 (PvtRoot, 1);
  root->fd = fd;
  root->fake = strcmp (path, "/") != 0;
  root->path = root->fake ? g_strdup (path) : g_strdup ("");
  return root;
}

void
pvt_root_free (PvtRoot *root)
{
  if (root == NULL)
    return;
  close (root->fd);
  g_free (root->path);
  g_free (root);
}

/* A file, and an attribute of sysfs (the kernel's Documentation/filesystems/sysfs.rst),
 * comes whole with one read(2) that has room for it: no second one that finds its end.
 * Those of /proc may come in pieces. */
static gboolean
comes_whole (const char *path)
{
  return strncmp (path + (*path == '/'), "proc/", 5) != 0;
}

/* Reads to the end or until the buffer is full. */
static gssize
read_fd (int fd, char *buf, gsize size, gboolean whole)
{
  gsize done = 0;

  while (done < size)
    {
      gssize n = read (fd, buf + done, size - done);

      if (n < 0 && errno == EINTR)
        continue;
      if (n < 0)
        return -errno;
      if (n == 0)
        break;
      done += (gsize) n;
      if (whole)
        break;
    }
  return (gssize) done;
}

/* The length, -EFBIG when it does not fit with its NUL. */
static gssize
read_whole (int dirfd, const char *path, char *buf, gsize size)
{
  int fd = openat (dirfd, path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
  gssize n;

  if (fd < 0)
    return -errno;
  n = read_fd (fd, buf, size, comes_whole (path));
  close (fd);
  if (n == (gssize) size)
    return -EFBIG;
  if (n >= 0)
    buf[n] = '\0';
  return n;
}

gssize
pvt_root_read (const PvtRoot *root, const char *path, char *buf, gsize size, GError **error)
{
  gssize n = read_whole (root->fd, path, buf, size);

  if (n < 0)
    set_error (error, root, path, (int) -n);
  return n;
}

char *
pvt_root_read_alloc (const PvtRoot *root, const char *path, gsize max, gsize *len, GError **error)
{
  gsize size = FIRST_SIZE;
  g_autofree char *buf = NULL;

  for (;;)
    {
      gssize n;

      buf = g_realloc (buf, size);
      n = read_whole (root->fd, path, buf, size);
      if (n == -EFBIG && size < max)
        {
          size = MIN (size * 4, max);
          continue;
        }
      if (n < 0)
        {
          set_error (error, root, path, (int) -n);
          return NULL;
        }
      *len = (gsize) n;
      return g_steal_pointer (&buf);
    }
}

gssize
pvt_read_at (int dirfd, const char *path, char *buf, gsize size)
{
  gssize n = read_whole (dirfd, path, buf, size);

  while (n > 0 && g_ascii_isspace (buf[n - 1]))
    buf[--n] = '\0';
  return n;
}

int
pvt_read_u64_at (int dirfd, const char *path, guint64 *value)
{
  char text[32], *end;
  gssize n = pvt_read_at (dirfd, path, text, sizeof text);

  if (n < 0)
    return (int) n;
  *value = g_ascii_strtoull (text, &end, 10);
  return n > 0 && *end == '\0' ? 0 : -EINVAL;
}

gboolean
pvt_readlink_at (int dirfd, const char *path, char *buf, gsize size)
{
  gssize n = readlinkat (dirfd, path, buf, size - 1);

  if (n < 0 || (gsize) n == size - 1)
    return FALSE;
  buf[n] = '\0';
  return TRUE;
}

int
pvt_open_dir_at (int dirfd, const char *path)
{
  int fd = openat (dirfd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

  return fd < 0 ? -errno : fd;
}

gboolean
pvt_root_exists (const PvtRoot *root, const char *path)
{
  return faccessat (root->fd, path, F_OK, 0) == 0;
}

int
pvt_write_at (int dirfd, const char *path, const char *text)
{
  int fd = openat (dirfd, path, O_WRONLY | O_CLOEXEC), failed = 0;

  if (fd < 0)
    return -errno;
  if (write (fd, text, strlen (text)) < 0)
    failed = -errno;
  close (fd);
  return failed;
}

gboolean
pvt_lock_patiently (int fd)
{
  for (guint waited = 0; flock (fd, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK; waited += LOCK_STEP_MS)
    {
      if (waited >= LOCK_MS)
        return FALSE;
      g_usleep (LOCK_STEP_MS * 1000);
    }
  return TRUE;
}

gboolean
pvt_errno_fail (GError **error, const char *what, const char *path)
{
  int saved = errno;

  g_set_error (error, G_FILE_ERROR, (gint) g_file_error_from_errno (saved), "cannot %s %s: %s",
               what, path, g_strerror (saved));
  return FALSE;
}
