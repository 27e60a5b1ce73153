/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "targets.h"

#include <fnmatch.h>
#include <string.h>

/* Directories are read again after this long, libvirt is asked after this long. */
#define DIRECTORIES_US (1 * G_USEC_PER_SEC)
#define LIBVIRT_US (5 * G_USEC_PER_SEC)

#define MAX_ADDRESS 256

struct _PvtTargets
{
  PvtTargetsConfig config;
  GMutex lock;
  GPtrArray *found; /* of directories and libvirt; replaced, never changed */
  gint64 found_at;
  /* libvirt may hang: a thread of its own asks it, one at a time. */
  GPtrArray *domains;
  gint64 domains_at;
  gboolean asking;
  GThread *thread;
  gboolean complained;
};

PvtTargets *
pvt_targets_new (const PvtTargetsConfig *config)
{
  PvtTargets *targets = g_new0 (PvtTargets, 1);

  targets->config = *config;
  g_mutex_init (&targets->lock);
  return targets;
}

void
pvt_targets_free (PvtTargets *targets)
{
  if (targets->thread)
    g_thread_join (targets->thread);
  g_clear_pointer (&targets->found, g_ptr_array_unref);
  g_clear_pointer (&targets->domains, g_ptr_array_unref);
  g_strfreev (targets->config.sockets);
  g_strfreev (targets->config.qmp);
  g_strfreev (targets->config.allow);
  g_strfreev (targets->config.pages);
  g_mutex_clear (&targets->lock);
  g_free (targets);
}

static GPtrArray *
list_new (void)
{
  return g_ptr_array_new_with_free_func ((GDestroyNotify) pvt_found_free);
}

static PvtFound *
found_copy (const PvtFound *found)
{
  PvtFound *copy = g_new0 (PvtFound, 1);

  copy->address = g_strdup (found->address);
  copy->name = g_strdup (found->name);
  copy->uuid = g_strdup (found->uuid);
  copy->source = g_strdup (found->source);
  copy->page = g_strdup (found->page);
  return copy;
}

static gpointer
libvirt_thread (gpointer data)
{
  PvtTargets *targets = data;
  GPtrArray *domains = list_new ();
  g_autoptr (GError) error = NULL;
  gboolean ok = pvt_discover_libvirt (domains, &error);

  g_mutex_lock (&targets->lock);
  if (!ok && !targets->complained)
    g_printerr ("pvtools-exporter: %s\n", error->message);
  targets->complained = !ok;
  g_clear_pointer (&targets->domains, g_ptr_array_unref);
  targets->domains = domains;
  targets->domains_at = g_get_monotonic_time ();
  targets->asking = FALSE;
  targets->found_at = 0;
  g_mutex_unlock (&targets->lock);
  return NULL;
}

/* With the lock held. */
static void
refresh_libvirt (PvtTargets *targets)
{
  gint64 now = g_get_monotonic_time ();

  if (!targets->config.libvirt || targets->asking
      || (targets->domains && targets->domains_at + LIBVIRT_US > now))
    return;
  if (targets->thread)
    g_thread_join (targets->thread); /* it has ended: it is not asking */
  targets->asking = TRUE;
  targets->thread = g_thread_new ("libvirt", libvirt_thread, targets);
}

static void
add_directories (char **where, const char *prefix, GPtrArray *found)
{
  /* A directory that is not there has no guests yet. */
  for (guint i = 0; where && where[i]; i++)
    pvt_discover_sockets (where[i], prefix, found, NULL);
}

/* Guests are told apart by their names: where two have one, by their addresses. */
static void
make_names_unique (GPtrArray *found)
{
  g_autoptr (GHashTable) count = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);

  for (guint i = 0; i < found->len; i++)
    {
      const PvtFound *one = found->pdata[i];
      guint n = GPOINTER_TO_UINT (g_hash_table_lookup (count, one->name));

      g_hash_table_insert (count, g_strdup (one->name), GUINT_TO_POINTER (n + 1));
    }
  for (guint i = 0; i < found->len; i++)
    {
      PvtFound *one = found->pdata[i];

      if (GPOINTER_TO_UINT (g_hash_table_lookup (count, one->name)) < 2)
        continue;
      g_free (one->name);
      one->name = g_strdup (one->address);
    }
}

static void
remove_doubles (GPtrArray *found)
{
  g_autoptr (GHashTable) seen = g_hash_table_new (g_str_hash, g_str_equal);

  for (guint i = 0; i < found->len;)
    {
      const PvtFound *one = found->pdata[i];

      if (g_hash_table_add (seen, one->address))
        i++;
      else
        g_ptr_array_remove_index (found, i);
    }
}

GPtrArray *
pvt_targets_list (PvtTargets *targets)
{
  gint64 now = g_get_monotonic_time ();
  GPtrArray *list;

  g_mutex_lock (&targets->lock);
  refresh_libvirt (targets);
  if (targets->found_at == 0 || targets->found_at + DIRECTORIES_US < now)
    {
      g_autoptr (GPtrArray) before = targets->found;

      targets->found = list_new ();
      add_directories (targets->config.sockets, "unix:", targets->found);
      add_directories (targets->config.qmp, "qemu:", targets->found);
      for (guint i = 0; targets->domains && i < targets->domains->len; i++)
        g_ptr_array_add (targets->found, found_copy (targets->domains->pdata[i]));
      remove_doubles (targets->found);
      for (guint i = 0; targets->config.pages && targets->config.pages[i]; i++)
        pvt_discover_pages (targets->config.pages[i], before, targets->found, NULL);
      make_names_unique (targets->found);
      targets->found_at = now;
    }
  list = g_ptr_array_ref (targets->found);
  g_mutex_unlock (&targets->lock);
  return list;
}

gboolean
pvt_targets_settled (PvtTargets *targets)
{
  gboolean settled;

  g_mutex_lock (&targets->lock);
  settled = !targets->config.libvirt || targets->domains;
  g_mutex_unlock (&targets->lock);
  return settled;
}

/* No control characters, no way up. */
static gboolean
is_plain (const char *address)
{
  g_auto (GStrv) parts = g_strsplit_set (address, "/:", -1);

  if (strlen (address) > MAX_ADDRESS || !g_utf8_validate (address, -1, NULL))
    return FALSE;
  for (const char *p = address; *p; p++)
    if (g_ascii_iscntrl (*p))
      return FALSE;
  return !g_strv_contains ((const char *const *) parts, "..");
}

gboolean
pvt_target_is_allowed (const char *const *patterns, const char *address)
{
  for (guint i = 0; patterns && patterns[i] && is_plain (address); i++)
    if (fnmatch (patterns[i], address, FNM_PATHNAME | FNM_PERIOD | FNM_NOESCAPE) == 0)
      return TRUE;
  return FALSE;
}

static const PvtFound *
find_in (GPtrArray *found, const char *target)
{
  for (guint i = 0; i < found->len; i++)
    {
      const PvtFound *one = found->pdata[i];

      if (strcmp (one->address, target) == 0 || strcmp (one->name, target) == 0)
        return one;
    }
  return NULL;
}

static char *
find (PvtTargets *targets, const char *target)
{
  g_autoptr (GPtrArray) found = pvt_targets_list (targets);
  const PvtFound *one = find_in (found, target);

  return one ? g_strdup (one->address) : NULL;
}

char *
pvt_targets_page (gpointer user_data, const char *address)
{
  PvtTargets *targets = user_data;

  if (targets->config.pages == NULL)
    return NULL;
  {
    g_autoptr (GPtrArray) found = pvt_targets_list (targets);
    const PvtFound *one = find_in (found, address);

    return one ? g_strdup (one->page) : NULL;
  }
}

char *
pvt_targets_name (PvtTargets *targets, const char *target)
{
  g_autoptr (GPtrArray) found = pvt_targets_list (targets);
  const PvtFound *one = find_in (found, target);

  return g_strdup (one ? one->name : target);
}

char *
pvt_targets_resolve (PvtTargets *targets, const char *target)
{
  char *address = find (targets, target);

  if (address)
    return address;
  if (pvt_target_is_allowed ((const char *const *) targets->config.allow, target))
    return g_strdup (target);
  /* It may have come since the directories were read. */
  g_mutex_lock (&targets->lock);
  targets->found_at = 0;
  g_mutex_unlock (&targets->lock);
  return find (targets, target);
}
