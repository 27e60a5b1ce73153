/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "memblocks.h"

#include "bounds.h"
#include "names.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

#define DIR_PATH "sys/devices/system/memory"

static gboolean
kernel_is_5_7 (void)
{
  struct utsname name;
  int major = 0, minor = 0;

  return uname (&name) == 0 && sscanf (name.release, "%d.%d", &major, &minor) == 2
         && (major > 5 || (major == 5 && minor >= 7));
}

static gboolean
read_removable (int dir, const char *name)
{
  char path[48];
  guint64 value = 0;

  g_snprintf (path, sizeof path, "%s/removable", name);
  return pvt_read_u64_at (dir, path, &value) == 0 && value != 0;
}

/* Since Linux 5.7 `removable` only says whether the kernel can take memory
 * offline at all: it is the same for every block as long as that kernel runs. */
static gboolean
is_removable (const PvtRoot *root, int dir, const char *name)
{
  static enum { UNKNOWN, EACH_ITS_OWN, NONE, ALL } said; /* main loop only */

  if (root->fake)
    return read_removable (dir, name);
  if (said == UNKNOWN)
    said = !kernel_is_5_7 () ? EACH_ITS_OWN : read_removable (dir, name) ? ALL : NONE;
  return said == EACH_ITS_OWN ? read_removable (dir, name) : said == ALL;
}

static gboolean
read_state (int dir, const char *name, gboolean *online)
{
  char path[48], state[32];

  g_snprintf (path, sizeof path, "%s/state", name);
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
read_blocks (const PvtRoot *root, PvtNames *names, GArray *blocks)
{
  const char *name;

  while (blocks->len < PVT_MAX_MEMORY_BLOCKS && (name = pvt_names_next (names)))
    {
      PvtMemblock block = { 0, FALSE, FALSE };

      if (!parse_name (name, &block.index) || !read_state (names->fd, name, &block.online))
        continue;
      block.removable = is_removable (root, names->fd, name);
      g_array_append_val (blocks, block);
    }
  g_array_sort (blocks, by_index);
}

GArray *
pvt_memblocks_read (const PvtRoot *root, GError **error)
{
  PvtNames names;
  int failed = pvt_names_open (&names, root->fd, DIR_PATH);
  GArray *blocks;

  if (failed && failed != -ENOENT)
    {
      g_set_error (error, G_FILE_ERROR, G_FILE_ERROR_FAILED, "/" DIR_PATH ": %s",
                   g_strerror (-failed));
      return NULL;
    }
  blocks = g_array_new (FALSE, FALSE, sizeof (PvtMemblock));
  read_blocks (root, &names, blocks);
  pvt_names_close (&names);
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
