/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* static-libc.h says why. The prototypes are those of the C library's headers. */
#include "static-libc.h"

#include <errno.h>
#include <grp.h>
#include <iconv.h>
#include <pwd.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* A line of group(5) may name very many users. */
#define GROUP_LINE_MIN 4096
#define GROUP_LINE_MAX (4u * 1024 * 1024)

/* ---- passwd(5) ---- */

/* By name, or where that is NULL by number. As getpwnam_r(3): 0 with *@found NULL when
 * there is none. */
static int
find_user (const char *name, uid_t uid, struct passwd *entry, char *buf, size_t size, struct passwd **found)
{
  FILE *file = fopen ("/etc/passwd", "re");
  int failed = file || errno == ENOENT ? 0 : errno;

  *found = NULL;
  while (file && (failed = fgetpwent_r (file, entry, buf, size, found)) == 0)
    if (name ? strcmp (entry->pw_name, name) == 0 : entry->pw_uid == uid)
      break;
  if (file)
    fclose (file);
  if (failed)
    *found = NULL;
  return failed == ENOENT ? 0 : failed; /* the end of the file */
}

int
getpwnam_r (const char *name, struct passwd *entry, char *buf, size_t size, struct passwd **found)
{
  return find_user (name, 0, entry, buf, size, found);
}

int
getpwuid_r (uid_t uid, struct passwd *entry, char *buf, size_t size, struct passwd **found)
{
  return find_user (NULL, uid, entry, buf, size, found);
}

/* GLib has a way to it, though not one that the agent goes. */
struct passwd *
getpwuid (uid_t uid)
{
  static struct passwd entry;
  static char buf[4096];
  struct passwd *found;

  errno = getpwuid_r (uid, &entry, buf, sizeof buf, &found);
  return found;
}

/* ---- group(5) ---- */

static int
has_member (const struct group *entry, const char *user)
{
  for (char **member = entry->gr_mem; *member; member++)
    if (strcmp (*member, user) == 0)
      return 1;
  return 0;
}

/* The next line, into a buffer that grows with it: what does not fit is read again from
 * its beginning. FALSE at the end. */
static struct group *
next_group (FILE *file, struct group *entry, char **buf, size_t *size)
{
  struct group *found = NULL;
  char *larger;

  while (fgetgrent_r (file, entry, *buf, *size, &found) == ERANGE)
    {
      larger = *size < GROUP_LINE_MAX ? realloc (*buf, *size * 2) : NULL;
      if (larger == NULL)
        return NULL;
      *buf = larger;
      *size *= 2;
    }
  return found;
}

int
getgrouplist (const char *user, gid_t group, gid_t *groups, int *n_groups)
{
  FILE *file = fopen ("/etc/group", "re");
  size_t size = GROUP_LINE_MIN;
  char *buf = malloc (size);
  int room = *n_groups, n = 0;
  struct group entry;

  if (n++ < room)
    groups[0] = group;
  while (file && buf && next_group (file, &entry, &buf, &size))
    if (entry.gr_gid != group && has_member (&entry, user) && n++ < room)
      groups[n - 1] = entry.gr_gid;
  if (file)
    fclose (file);
  free (buf);
  *n_groups = n;
  return n <= room ? n : -1;
}

/* ---- iconv(3) ---- */

/* Nobody calls setlocale(3) here, so that texts of the C library are ASCII, which GLib has
 * converted to UTF-8: they are the same. */
static int
is_known (const char *charset)
{
  return strcasecmp (charset, "UTF-8") == 0 || strcasecmp (charset, "ANSI_X3.4-1968") == 0
         || strcasecmp (charset, "US-ASCII") == 0;
}

iconv_t
iconv_open (const char *to, const char *from)
{
  static int one;

  if (is_known (to) && is_known (from))
    return &one;
  errno = EINVAL;
  return (iconv_t) -1;
}

size_t
iconv (iconv_t cd, char **in, size_t *in_left, char **out, size_t *out_left)
{
  (void) cd;
  if (in == NULL || *in == NULL)
    return 0;
  for (; *in_left; (*in_left)--, (*out_left)--)
    {
      if ((unsigned char) **in >= 0x80 || *out_left == 0)
        {
          errno = *out_left ? EILSEQ : E2BIG;
          return (size_t) -1;
        }
      *(*out)++ = *(*in)++;
    }
  return 0;
}

int
iconv_close (iconv_t cd)
{
  (void) cd;
  return 0;
}
