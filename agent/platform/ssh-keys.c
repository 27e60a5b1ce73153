/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ssh-keys.h"

#include "root.h"
#include "static-libc.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_FILE (1024 * 1024)

#define FILE_NAME "authorized_keys"
#define NEW_NAME ".authorized_keys.pvtools"

/* A user's .ssh, open, while this thread touches files as that user. */
typedef struct
{
  char *path; /* for messages */
  int dir;    /* -1: there is none */
  uid_t uid;
  gid_t gid;
} Home;

/* These two calls count for the calling thread alone, unlike seteuid(). */
static void
touch_files_as (uid_t uid, gid_t gid)
{
  setfsgid (gid);
  setfsuid (uid);
}

static void
leave (Home *home)
{
  if (home->dir >= 0)
    close (home->dir);
  touch_files_as (geteuid (), getegid ());
  g_free (home->path);
}

static gboolean
open_ssh_dir (Home *home, int home_fd, gboolean create, GError **error)
{
  if (create && mkdirat (home_fd, ".ssh", 0700) < 0 && errno != EEXIST)
    return pvt_errno_fail (error, "make", home->path);
  home->dir = openat (home_fd, ".ssh", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  return home->dir >= 0 || (errno == ENOENT && !create) || pvt_errno_fail (error, "open", home->path);
}

static gboolean
enter (Home *home, const char *user, gboolean create, GError **error)
{
  g_autofree char *buffer = g_malloc (16384);
  struct passwd entry, *found = NULL;
  int home_fd;
  gboolean ok;

  *home = (Home){ .dir = -1, .uid = geteuid (), .gid = getegid () };
  if (getpwnam_r (user, &entry, buffer, 16384, &found) != 0 || found == NULL)
    {
      g_set_error (error, G_FILE_ERROR, G_FILE_ERROR_NOENT, "there is no user '%s'" PVT_NO_SUCH_USER, user);
      return FALSE;
    }
  home->uid = entry.pw_uid;
  home->gid = entry.pw_gid;
  home->path = g_build_filename (entry.pw_dir, ".ssh", NULL);
  touch_files_as (home->uid, home->gid);
  home_fd = open (entry.pw_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (home_fd < 0)
    return pvt_errno_fail (error, "open", entry.pw_dir);
  ok = open_ssh_dir (home, home_fd, create, error);
  close (home_fd);
  return ok;
}

/* All of the file, or "" when there is none. */
static char *
read_file (const Home *home, GError **error)
{
  int fd = home->dir < 0 ? -1 : openat (home->dir, FILE_NAME, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  g_autofree char *text = NULL;
  gsize len = 0;
  gssize n = 0;

  if (fd < 0 && (home->dir < 0 || errno == ENOENT))
    return g_strdup ("");
  if (fd < 0)
    {
      pvt_errno_fail (error, "open " FILE_NAME " in", home->path);
      return NULL;
    }
  text = g_malloc (MAX_FILE + 1);
  while (len <= MAX_FILE && (n = read (fd, text + len, MAX_FILE + 1 - len)) > 0)
    len += (gsize) n;
  if (n < 0)
    pvt_errno_fail (error, "read " FILE_NAME " in", home->path);
  close (fd);
  if (n < 0)
    return NULL;
  if (len > MAX_FILE)
    {
      g_set_error (error, G_FILE_ERROR, G_FILE_ERROR_INVAL, "%s/" FILE_NAME " is larger than %d bytes",
                   home->path, MAX_FILE);
      return NULL;
    }
  return g_strndup (text, len);
}

static gboolean
is_key (const char *line)
{
  return *line != '\0' && *line != '#';
}

/* The file's lines without white space around them. */
static char **
split (const char *text)
{
  char **lines = g_strsplit (text, "\n", -1);

  for (gsize i = 0; lines[i]; i++)
    g_strstrip (lines[i]);
  return lines;
}

char **
pvt_ssh_keys_read (const char *user, GError **error)
{
  Home home = { .dir = -1 };
  g_autofree char *text = enter (&home, user, FALSE, error) ? read_file (&home, error) : NULL;
  g_auto (GStrv) lines = text ? split (text) : NULL;
  GPtrArray *keys;

  leave (&home);
  if (lines == NULL)
    return NULL;
  keys = g_ptr_array_new ();
  for (gsize i = 0; lines[i]; i++)
    if (is_key (lines[i]))
      g_ptr_array_add (keys, g_strdup (lines[i]));
  g_ptr_array_add (keys, NULL);
  return (char **) g_ptr_array_free (keys, FALSE);
}

static gboolean
has_line (char *const *lines, const char *wanted)
{
  for (gsize i = 0; lines && lines[i]; i++)
    if (strcmp (lines[i], wanted) == 0)
      return TRUE;
  return FALSE;
}

/* Comments stay where they are. */
static char *
edit (char *const *old, char *const *add, char *const *remove, gboolean reset)
{
  GString *text = g_string_new (NULL);

  for (gsize i = 0; !reset && old[i]; i++)
    if (*old[i] && !has_line (remove, old[i]))
      g_string_append_printf (text, "%s\n", old[i]);
  for (gsize i = 0; add && add[i]; i++)
    if (*add[i] && (reset || !has_line (old, add[i])))
      g_string_append_printf (text, "%s\n", add[i]);
  return g_string_free (text, FALSE);
}

static gboolean
write_new (const Home *home, const char *text, GError **error)
{
  gsize len = strlen (text);
  int fd;
  gboolean ok;

  unlinkat (home->dir, NEW_NAME, 0);
  fd = openat (home->dir, NEW_NAME, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (fd < 0)
    return pvt_errno_fail (error, "write in", home->path);
  ok = write (fd, text, len) == (gssize) len && fsync (fd) == 0;
  if (!ok)
    pvt_errno_fail (error, "write in", home->path);
  close (fd);
  if (ok && renameat (home->dir, NEW_NAME, home->dir, FILE_NAME) < 0)
    ok = pvt_errno_fail (error, "replace " FILE_NAME " in", home->path);
  if (!ok)
    unlinkat (home->dir, NEW_NAME, 0);
  return ok;
}

/* Two changes at a time, of channels side by side, would undo each other. It is the
 * user's own directory, who may hold the lock himself: not for ever. */
static gboolean
lock_dir (const Home *home, GError **error)
{
  return pvt_lock_patiently (home->dir) || pvt_errno_fail (error, "lock", home->path);
}

/* virsh sends the empty line at the end of a file, too: it is no key, and no error. */
static gboolean
check_keys (char *const *keys, GError **error)
{
  for (gsize i = 0; keys && keys[i]; i++)
    if (*keys[i] == '#' || strpbrk (keys[i], "\n\r"))
      {
        g_set_error (error, G_FILE_ERROR, G_FILE_ERROR_INVAL,
                     "key %" G_GSIZE_FORMAT " is not one line of an OpenSSH public key", i + 1);
        return FALSE;
      }
  return TRUE;
}

gboolean
pvt_ssh_keys_change (const char *user, char *const *add, char *const *remove, gboolean reset,
                     GError **error)
{
  Home home = { .dir = -1 };
  g_autofree char *text = NULL, *changed = NULL;
  g_auto (GStrv) lines = NULL;
  gboolean ok;

  if (!check_keys (add, error))
    return FALSE;
  ok = enter (&home, user, add != NULL, error) && (home.dir < 0 || lock_dir (&home, error));
  if (ok && (text = read_file (&home, error)) == NULL)
    ok = FALSE;
  if (ok && home.dir >= 0)
    {
      lines = split (text);
      changed = edit (lines, add, remove, reset);
      ok = strcmp (changed, text) == 0 || write_new (&home, changed, error);
    }
  leave (&home);
  return ok;
}
