/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "memblocks.h"

#include "bounds.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#define DIR_PATH "sys/devices/system/memory"

/* Since Linux 5.7 `removable` only says whether the kernel can take memory
 * offline at all: it is the same for every block and is read once. */
static gboolean
removable_is_constant (const PvtRoot *root)
{
  struct utsname name;
  int major = 0, minor = 0;

  if (root->fake || uname (&name) < 0 || sscanf (name.release, "%d.%d", &major, &minor) != 2)
    return FALSE;
  return major > 5 || (major == 5 && minor >= 7);
}

static gboolean
read_removable (int dir, guint64 index)
{
  char path[48];
  guint64 value = 0;

  g_snprintf (path, sizeof path, "memory%" G_GUINT64_FORMAT "/removable", index);
  return pvt_read_u64_at (dir, path, &value) == 0 && value != 0;
}

static gboolean
read_state (int dir, guint64 index, gboolean *online)
{
  char path[48], state[32];

  g_snprintf (path, sizeof path, "memory%" G_GUINT64_FORMAT "/state", index);
  if (pvt_read_at (dir, path, state, sizeof state) < 0)
    return FALSE;
  *online = strcmp (state, "online") == 0;
  return TRUE;
}

static gboolean
parse_name (const char *name, guint64 *index)
{
  char *end;

  if (!g_str_has_prefix (name, "memory") || !g_ascii_isdigit (name[6]))
    return FALSE;
  *index = g_ascii_strtoull (name + 6, &end, 10);
  return *end == '\0';
}

static int
by_index (gconstpointer a, gconstpointer b)
{
  const PvtMemblock *x = a, *y = b;

  return (x->index > y->index) - (x->index < y->index);
}

static void
read_blocks (const PvtRoot *root, DIR *stream, GArray *blocks)
{
  int dir = dirfd (stream), constant = removable_is_constant (root) ? -1 : -2;
  struct dirent *entry;

  while ((entry = readdir (stream)) && blocks->len < PVT_MAX_MEMORY_BLOCKS)
    {
      PvtMemblock block = { 0, FALSE, FALSE };

      if (!parse_name (entry->d_name, &block.index)
          || !read_state (dir, block.index, &block.online))
        continue;
      if (constant == -2)
        block.removable = read_removable (dir, block.index);
      else
        {
          if (constant == -1)
            constant = read_removable (dir, block.index);
          block.removable = constant;
        }
      g_array_append_val (blocks, block);
    }
  g_array_sort (blocks, by_index);
}

GArray *
pvt_memblocks_read (const PvtRoot *root, GError **error)
{
  GArray *blocks;
  int fd = pvt_open_dir_at (root->fd, DIR_PATH);
  DIR *stream = fd < 0 ? NULL : fdopendir (fd);

  if (stream == NULL && fd != -ENOENT)
    {
      g_set_error (error, G_FILE_ERROR, G_FILE_ERROR_FAILED, "/" DIR_PATH ": %s",
                   g_strerror (fd < 0 ? -fd : errno));
      return NULL;
    }
  blocks = g_array_new (FALSE, FALSE, sizeof (PvtMemblock));
  if (stream)
    {
      read_blocks (root, stream, blocks);
      closedir (stream);
    }
  return blocks;
}

gboolean
pvt_memblock_size (const PvtRoot *root, guint64 *size, GError **error)
{
  char text[32];

  /* The one number of sysfs that is hexadecimal without 0x. */
  if (pvt_root_read (root, DIR_PATH "/block_size_bytes", text, sizeof text, error) < 0)
    return FALSE;
  *size = g_ascii_strtoull (text, NULL, 16);
  if (*size > 0)
    return TRUE;
  g_set_error_literal (error, G_FILE_ERROR, G_FILE_ERROR_INVAL,
                       "/" DIR_PATH "/block_size_bytes is not a number");
  return FALSE;
}

int
pvt_memblock_switch (const PvtRoot *root, guint64 index, gboolean online)
{
  const char *wanted = online ? "online" : "offline";
  char path[96], state[32];
  gssize len;

  g_snprintf (path, sizeof path, "sys/devices/system/memory/memory%" G_GUINT64_FORMAT "/state",
              index);
  len = pvt_read_at (root->fd, path, state, sizeof state);
  if (len < 0)
    return (int) len;
  if (strcmp (state, wanted) == 0)
    return 0;
  return pvt_write_at (root->fd, path, wanted);
}
