/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "grow-stack.h"

#include "blockdev.h"
#include "bounds.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#define MAX_PATH 1024
#define SYSFS_SECTOR 512

/* "LVM-", then the UUIDs of group and volume, 32 characters each. */
#define LVM_UUID_LENGTH (4 + 32 + 32)

static gboolean fail (GError **error, const char *format, ...) G_GNUC_PRINTF (2, 3);

static gboolean
fail (GError **error, const char *format, ...)
{
  va_list args;

  va_start (args, format);
  if (error)
    *error = g_error_new_valist (G_FILE_ERROR, G_FILE_ERROR_FAILED, format, args);
  va_end (args);
  return FALSE;
}

void
pvt_stack_free (PvtStackDevice *device)
{
  g_free (device->node);
  g_strfreev (device->below);
  g_free (device);
}

static char *
node_of (const char *name)
{
  char *node = g_strconcat ("/dev/", name, NULL);

  return g_strdelimit (node, "!", '/');
}

static gboolean
has (const PvtRoot *root, const char *name, const char *file)
{
  char path[MAX_PATH];

  g_snprintf (path, sizeof path, "sys/class/block/%s/%s", name, file);
  return pvt_root_exists (root, path);
}

static gboolean
read_number (const PvtRoot *root, const char *name, const char *file, guint64 *value,
             GError **error)
{
  char path[MAX_PATH];

  g_snprintf (path, sizeof path, "sys/class/block/%s/%s", name, file);
  return pvt_read_u64_at (root->fd, path, value) == 0 || fail (error, "/%s cannot be read", path);
}

static gboolean
read_word (const PvtRoot *root, const char *name, const char *file, char *text, gsize size)
{
  char path[MAX_PATH];

  g_snprintf (path, sizeof path, "sys/class/block/%s/%s", name, file);
  return pvt_read_at (root->fd, path, text, size) > 0;
}

gboolean
pvt_stack_size (const PvtRoot *root, const char *name, guint64 *size, GError **error)
{
  if (!read_number (root, name, "size", size, error))
    return FALSE;
  if (*size > G_MAXINT64 / SYSFS_SECTOR)
    return fail (error, "/dev/%s: its size makes no sense", name);
  *size *= SYSFS_SECTOR;
  return TRUE;
}

gboolean
pvt_stack_name (const PvtRoot *root, const char *node, char *name, gsize size, GError **error)
{
  struct stat st;

  if (node[0] != '/' || node[1] == '\0')
    return fail (error, "'%s' is no path of a device", node);
  if (fstatat (root->fd, node + 1, &st, 0) < 0)
    return fail (error, "%s: %s", node, g_strerror (errno));
  if (!S_ISBLK (st.st_mode))
    return fail (error, "%s is no block device", node);
  return pvt_blockdev_name (root, major (st.st_rdev), minor (st.st_rdev), name, size)
         || fail (error, "%s: the kernel does not know the device", node);
}

/* .../vda/vda1: a partition's directory lies in its disk's. */
static gboolean
look_at_partition (const PvtRoot *root, const char *name, PvtStackDevice *device, GError **error)
{
  char link[MAX_PATH], path[MAX_PATH];
  guint64 number;
  char *slash;

  g_snprintf (link, sizeof link, "sys/class/block/%s", name);
  if (!read_number (root, name, "partition", &number, error)
      || !read_number (root, name, "start", &device->start, error))
    return FALSE;
  slash = pvt_readlink_at (root->fd, link, path, sizeof path) ? strrchr (path, '/') : NULL;
  if (slash)
    *slash = '\0';
  slash = slash ? strrchr (path, '/') : NULL;
  if (slash == NULL || number == 0 || number > G_MAXINT
      || device->start > G_MAXINT64 / SYSFS_SECTOR)
    return fail (error, "/%s: the partition's disk was not found", link);
  device->kind = PVT_STACK_PARTITION;
  device->number = (guint)number;
  device->start *= SYSFS_SECTOR;
  device->below = g_new0 (char *, 2);
  device->below[0] = g_strdup (slash + 1);
  return TRUE;
}

/* What comes before the first dash names the target: CRYPT-LUKS2-..., mpath-... */
static gboolean
refuse_mapping (const PvtRoot *root, const char *name, const char *uuid, GError **error)
{
  g_autofree char *kind = g_strndup (uuid, strcspn (uuid, "-"));
  char label[256];

  if (!read_word (root, name, "dm/name", label, sizeof label))
    g_strlcpy (label, name, sizeof label);
  return fail (error,
               "/dev/mapper/%s is a device-mapper device of kind %s: of those only LVM's volumes "
               "can be grown",
               label, *kind ? kind : "unknown");
}

static gboolean
look_at_mapping (const PvtRoot *root, const char *name, PvtStackDevice *device, GError **error)
{
  char uuid[256] = "", label[256];

  read_word (root, name, "dm/uuid", uuid, sizeof uuid);
  if (!g_str_has_prefix (uuid, "LVM-"))
    return refuse_mapping (root, name, uuid, error);
  if (!read_word (root, name, "dm/name", label, sizeof label))
    return fail (error, "/dev/%s: the volume has no name", name);
  device->kind = PVT_STACK_LV;
  g_free (device->node);
  device->node = g_strconcat ("/dev/mapper/", label, NULL);
  device->below = pvt_blockdev_slaves (root, name);
  /* Volumes inside of volumes are mirrors, pools, snapshots: each grows its own way. */
  for (gsize i = 0; device->below[i]; i++)
    if (strlen (uuid) != LVM_UUID_LENGTH || has (root, device->below[i], "dm"))
      return fail (error,
                   "%s is no plain logical volume: it lies on /dev/%s; thin, mirrored and cached "
                   "volumes are not grown",
                   device->node, device->below[i]);
  return TRUE;
}

PvtStackDevice *
pvt_stack_look (const PvtRoot *root, const char *name, GError **error)
{
  g_autoptr (PvtStackDevice) device = g_new0 (PvtStackDevice, 1);
  gboolean ok = TRUE;

  device->node = node_of (name);
  if (!pvt_stack_size (root, name, &device->size, error))
    return NULL;
  if (has (root, name, "partition"))
    ok = look_at_partition (root, name, device, error);
  else if (has (root, name, "dm"))
    ok = look_at_mapping (root, name, device, error);
  else if (has (root, name, "md"))
    ok = fail (error, "%s is an array of md; those are not grown", device->node);
  else
    device->kind = PVT_STACK_DISK;
  if (!ok)
    return NULL;
  if (device->below == NULL)
    device->below = g_new0 (char *, 1);
  return g_steal_pointer (&device);
}
