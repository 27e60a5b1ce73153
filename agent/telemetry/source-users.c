/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Who is logged in: utmp(5), or where there is none logind's sessions, are looked at
 * when something was written there, inotify(7). */
#include "source.h"

#include "agent/core/log.h"
#include "agent/platform/logins.h"
#include "hub.h"
#include "pvt-tables.h"
#include "settle.h"

#include <errno.h>
#include <glib-unix.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

/* Names in an event. */
#define MAX_NAMES 64

static struct
{
  const PvtRoot *root;
  int fd;
  guint source, settling;
  char *last; /* the names as last told */
} users_watch = { .fd = -1 };

static const char *
missing (PvtEventKind kind G_GNUC_UNUSED, const PvtRoot *root)
{
  return pvt_users_utmp (root) ? NULL : pvt_logins_missing (root);
}

static int
by_name (gconstpointer a, gconstpointer b)
{
  return strcmp (*(const char *const *) a, *(const char *const *) b);
}

static void
tell (void)
{
  g_autoptr (GArray) users = pvt_users_read (users_watch.root);
  g_autoptr (GPtrArray) names = g_ptr_array_new ();
  PvtUserList list = { .total = users->len };
  char *joined;

  for (guint i = 0; i < users->len; i++)
    g_ptr_array_add (names, g_array_index (users, PvtUser, i).name);
  g_ptr_array_sort (names, by_name);
  if (names->len > MAX_NAMES)
    g_ptr_array_set_size (names, MAX_NAMES);
  g_ptr_array_add (names, NULL);
  list.users = (char **) names->pdata;
  joined = g_strjoinv ("\n", list.users);
  /* A record is written for much that changes nobody's being there. */
  if (users_watch.last && strcmp (users_watch.last, joined) != 0)
    pvt_hub_publish (PVT_EVENT_KIND_USERS, &pvt_user_list_type, &list);
  g_free (users_watch.last);
  users_watch.last = joined;
}

static gboolean
look (gpointer data G_GNUC_UNUSED)
{
  users_watch.settling = 0;
  tell ();
  pvt_hub_flush ();
  return G_SOURCE_REMOVE;
}

static gboolean
changed (gint fd, GIOCondition condition G_GNUC_UNUSED, gpointer data G_GNUC_UNUSED)
{
  char buf[4096];

  while (read (fd, buf, sizeof buf) > 0)
    ;
  pvt_settle (&users_watch.settling, look);
  return G_SOURCE_CONTINUE;
}

static void
start (const PvtRoot *root)
{
  const char *utmp = pvt_users_utmp (root);
  g_autofree char *path = g_strconcat (root->path, "/", utmp ? utmp : PVT_LOGINS_DIRECTORY, NULL);
  guint32 wanted = utmp ? IN_MODIFY : IN_MOVED_TO | IN_DELETE;

  users_watch.root = root;
  users_watch.fd = inotify_init1 (IN_NONBLOCK | IN_CLOEXEC);
  if (users_watch.fd >= 0 && inotify_add_watch (users_watch.fd, path, wanted) >= 0)
    users_watch.source = g_unix_fd_add (users_watch.fd, G_IO_IN, changed, NULL);
  else
    pvt_log (PVT_LOG_WARNING, "%s cannot be watched: %s", path, g_strerror (errno));
  tell ();
}

static void
stop (void)
{
  g_clear_handle_id (&users_watch.source, g_source_remove);
  g_clear_handle_id (&users_watch.settling, g_source_remove);
  g_clear_pointer (&users_watch.last, g_free);
  if (users_watch.fd >= 0)
    close (users_watch.fd);
  users_watch.fd = -1;
}

const PvtSource pvt_source_users
    = { PVT_EVENT_BIT (PVT_EVENT_KIND_USERS), missing, start, stop };
