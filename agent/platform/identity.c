/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "identity.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DIRECTORY "var/lib/pvtools"
#define NEW_FILE PVT_IDENTITY_FILE ".new"
#define SEALED "sealed"
#define UNKNOWN "unknown"
#define MAX_IDENTITY 64

/* Where firmware tells it: SMBIOS, or a device tree on other processors. */
static const char *const sources[]
    = { "sys/class/dmi/id/product_uuid", "proc/device-tree/vm,uuid" };

static gboolean
read_identity (const PvtRoot *root, char *identity)
{
  for (guint i = 0; i < G_N_ELEMENTS (sources); i++)
    if (pvt_read_at (root->fd, sources[i], identity, MAX_IDENTITY) > 0)
      {
        /* Old kernels and new ones differ in the case of its letters. */
        for (char *p = identity; *p; p++)
          *p = g_ascii_tolower (*p);
        return TRUE;
      }
  return FALSE;
}

static gboolean
read_record (const PvtRoot *root, char *record)
{
  return pvt_read_at (root->fd, PVT_IDENTITY_FILE, record, MAX_IDENTITY) > 0;
}

gboolean
pvt_identity_is_new (const PvtRoot *root)
{
  char identity[MAX_IDENTITY], record[MAX_IDENTITY];

  if (!read_record (root, record) || strcmp (record, UNKNOWN) == 0)
    return FALSE;
  return strcmp (record, SEALED) == 0
         || (read_identity (root, identity) && strcmp (record, identity) != 0);
}

/* A whole file at any time. */
static gboolean
write_record (const PvtRoot *root, const char *text, GError **error)
{
  int fd;
  gboolean ok;

  if (mkdirat (root->fd, DIRECTORY, 0755) < 0 && errno != EEXIST)
    return pvt_errno_fail (error, "make", "/" DIRECTORY);
  fd = openat (root->fd, NEW_FILE, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (fd < 0)
    return pvt_errno_fail (error, "make", "/" NEW_FILE);
  ok = dprintf (fd, "%s\n", text) > 0 && fsync (fd) == 0;
  ok = close (fd) == 0 && ok;
  if (ok && renameat (root->fd, NEW_FILE, root->fd, PVT_IDENTITY_FILE) == 0)
    return TRUE;
  pvt_errno_fail (error, "write", "/" PVT_IDENTITY_FILE);
  unlinkat (root->fd, NEW_FILE, 0);
  return FALSE;
}

gboolean
pvt_identity_record (const PvtRoot *root, GError **error)
{
  char identity[MAX_IDENTITY], record[MAX_IDENTITY];
  gboolean known = read_identity (root, identity);

  if (read_record (root, record) && strcmp (record, known ? identity : UNKNOWN) == 0)
    return TRUE;
  /* Without an identity a record is needed only to end a seal. */
  if (!known && !pvt_identity_is_new (root))
    return TRUE;
  return write_record (root, known ? identity : UNKNOWN, error);
}

gboolean
pvt_identity_seal (const PvtRoot *root, GError **error)
{
  return write_record (root, SEALED, error);
}
