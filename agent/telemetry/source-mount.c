/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Filesystems that are mounted and unmounted: the kernel says so to who polls
 * /proc/self/mountinfo for exceptions, proc(5). */
#include "source.h"

#include "agent/core/log.h"
#include "agent/platform/mountinfo.h"
#include "hub.h"
#include "pvt-tables.h"
#include "settle.h"

#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <unistd.h>

static struct
{
  const PvtRoot *root;
  int fd;
  guint source, settling;
  GPtrArray *mounts; /* as last told */
} mounts_watch = { .fd = -1 };

static gboolean
is_same (const PvtMount *a, const PvtMount *b)
{
  return a->id == b->id && g_strcmp0 (a->mountpoint, b->mountpoint) == 0
         && g_strcmp0 (a->source, b->source) == 0;
}

/* id -> PvtMount; ids are unique in one list. */
static GHashTable *
index_of (GPtrArray *list)
{
  GHashTable *index = g_hash_table_new (g_int64_hash, g_int64_equal);

  for (guint i = 0; i < list->len; i++)
    g_hash_table_insert (index, &((PvtMount *) list->pdata[i])->id, list->pdata[i]);
  return index;
}

static void
tell (const PvtMount *mount, gboolean mounted)
{
  PvtMountChange change = { .mountpoint = mount->mountpoint, .type = mount->type,
                            .source = mount->source, .mounted = mounted,
                            .read_only = mount->read_only };

  if (!pvt_mount_is_pseudo (mount))
    pvt_hub_publish (PVT_EVENT_KIND_MOUNT, &pvt_mount_change_type, &change);
}

/* What is in @list and not, or not so, in @others. A filesystem that became
 * read-only, as after an error, is told as a mount. */
static void
tell_others (GPtrArray *list, GPtrArray *others, gboolean mounted)
{
  g_autoptr (GHashTable) index = index_of (others);

  for (guint i = 0; i < list->len; i++)
    {
      const PvtMount *mount = list->pdata[i], *other = g_hash_table_lookup (index, &mount->id);

      if (other == NULL || !is_same (mount, other)
          || (mounted && mount->read_only != other->read_only))
        tell (mount, mounted);
    }
}

static gboolean
look (gpointer data G_GNUC_UNUSED)
{
  GPtrArray *now = pvt_mountinfo_read (mounts_watch.root, NULL);

  mounts_watch.settling = 0;
  if (now == NULL)
    return G_SOURCE_REMOVE;
  tell_others (mounts_watch.mounts, now, FALSE);
  tell_others (now, mounts_watch.mounts, TRUE);
  g_ptr_array_unref (mounts_watch.mounts);
  mounts_watch.mounts = now;
  pvt_hub_flush ();
  return G_SOURCE_REMOVE;
}

static gboolean
changed (gint fd G_GNUC_UNUSED, GIOCondition condition G_GNUC_UNUSED, gpointer data G_GNUC_UNUSED)
{
  /* To have been told is enough: the kernel does so once for each change. */
  pvt_settle (&mounts_watch.settling, look);
  return G_SOURCE_CONTINUE;
}

static void
start (const PvtRoot *root)
{
  mounts_watch.root = root;
  mounts_watch.fd = openat (root->fd, "proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
  if (mounts_watch.fd < 0)
    pvt_log (PVT_LOG_WARNING, "mounts cannot be watched: %s", g_strerror (errno));
  else
    mounts_watch.source = g_unix_fd_add (mounts_watch.fd, G_IO_PRI | G_IO_ERR, changed, NULL);
  mounts_watch.mounts = pvt_mountinfo_read (root, NULL);
  if (mounts_watch.mounts == NULL)
    mounts_watch.mounts = pvt_mounts_new ();
}

static void
stop (void)
{
  g_clear_handle_id (&mounts_watch.source, g_source_remove);
  g_clear_handle_id (&mounts_watch.settling, g_source_remove);
  g_clear_pointer (&mounts_watch.mounts, g_ptr_array_unref);
  if (mounts_watch.fd >= 0)
    close (mounts_watch.fd);
  mounts_watch.fd = -1;
}

const PvtSource pvt_source_mount = { PVT_EVENT_BIT (PVT_EVENT_KIND_MOUNT), NULL, start, stop };
