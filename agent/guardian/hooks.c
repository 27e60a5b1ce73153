/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hooks.h"

#include "agent/core/log.h"
#include "agent/platform/child.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_HOOKS 64

static void
free_run (gpointer data)
{
  PvtHookRun *run = data;

  g_free (run->path);
  g_free (run);
}

GPtrArray *
pvt_hook_runs_new (void)
{
  return g_ptr_array_new_with_free_func (free_run);
}

/* What package managers and editors leave behind is no hook. */
static gboolean
is_hook_name (const char *name)
{
  static const char *const leftovers[] = { "~",         ".bak",     ".orig",     ".rpmnew",
                                           ".rpmorig",  ".rpmsave", ".sample",   ".dpkg-old",
                                           ".dpkg-new", ".dpkg-tmp", ".dpkg-dist", ".dpkg-bak" };

  for (guint i = 0; i < G_N_ELEMENTS (leftovers); i++)
    if (g_str_has_suffix (name, leftovers[i]))
      return FALSE;
  return name[0] != '.' && strcmp (name, "README") != 0 && strcmp (name, "README.md") != 0;
}

/* It runs as root: nobody else may have written it. */
static gboolean
is_safe (const char *path)
{
  struct stat st;

  if (stat (path, &st) < 0 || !S_ISREG (st.st_mode) || !(st.st_mode & 0100))
    return FALSE;
  if (st.st_uid == 0 && !(st.st_mode & 022))
    return TRUE;
  pvt_log (PVT_LOG_WARNING, "hook %s is not run: it is not root's, or others may write it", path);
  return FALSE;
}

static gint
by_name (gconstpointer a, gconstpointer b)
{
  return strcmp (*(const char *const *) a, *(const char *const *) b);
}

static GPtrArray *
find_hooks (const PvtHooksConfig *config)
{
  GPtrArray *paths = g_ptr_array_new_with_free_func (g_free);
  DIR *dir = config->directory ? opendir (config->directory) : NULL;

  for (struct dirent *entry; dir && (entry = readdir (dir)) != NULL && paths->len < MAX_HOOKS;)
    {
      g_autofree char *path = g_build_filename (config->directory, entry->d_name, NULL);

      if (is_hook_name (entry->d_name) && is_safe (path))
        g_ptr_array_add (paths, g_steal_pointer (&path));
    }
  if (dir)
    closedir (dir);
  g_ptr_array_sort (paths, by_name);
  if (config->single && access (config->single, F_OK) == 0)
    g_ptr_array_insert (paths, 0, g_strdup (config->single));
  return paths;
}

static gboolean
run_hook (const PvtHooksConfig *config, const char *path, const char *what, guint64 generation,
          guint deadline_s, const gint *cancelled, GError **error)
{
  g_autofree char *number
      = g_strdup_printf ("PVT_FREEZE_GENERATION=%" G_GUINT64_FORMAT, generation);
  g_autofree char *deadline = g_strdup_printf ("PVT_FREEZE_DEADLINE=%u", deadline_s);
  char *const argv[] = { (char *) path, (char *) what, NULL };
  char *const env[] = { (char *) "PATH=" PVT_CHILD_PATH, (char *) "LC_ALL=C", number, deadline, NULL };
  PvtChildSpec spec = { .argv = argv, .env = env, .directory = "/" };
  guint timeout_ms = config->timeout_s * 1000;
  g_autofree char *why = NULL;
  PvtChildOutcome outcome;

  if (!pvt_child_run (&spec, NULL, 0, timeout_ms, cancelled, &outcome, error))
    return FALSE;
  if (pvt_child_succeeded (&outcome))
    return TRUE;
  why = pvt_child_describe (&outcome, timeout_ms);
  g_set_error (error, G_FILE_ERROR, G_FILE_ERROR_FAILED, "hook %s %s: it %s", path, what, why);
  return FALSE;
}

static PvtHookRun *
begin_run (GPtrArray *runs, const char *path)
{
  PvtHookRun *run = g_new0 (PvtHookRun, 1);

  run->path = g_strdup (path);
  g_ptr_array_add (runs, run);
  return run;
}

gboolean
pvt_hooks_freeze (const PvtHooksConfig *config, guint64 generation, guint deadline_s,
                  const gint *cancelled, GPtrArray *runs, PvtHookBegun begun, GError **error)
{
  g_autoptr (GPtrArray) paths = find_hooks (config);

  for (guint i = 0; i < paths->len; i++)
    {
      PvtHookRun *run = begin_run (runs, paths->pdata[i]);
      gint64 began = g_get_monotonic_time ();
      g_autoptr (GError) why = NULL;

      begun ();
      run->ok = run_hook (config, run->path, "freeze", generation, deadline_s, cancelled, &why);
      run->took_ms = (g_get_monotonic_time () - began) / 1000;
      if (run->ok)
        continue;
      pvt_log (PVT_LOG_WARNING, "%s", why->message);
      if (config->required)
        {
          g_propagate_error (error, g_steal_pointer (&why));
          return FALSE;
        }
    }
  return TRUE;
}

guint
pvt_hooks_thaw (const PvtHooksConfig *config, guint64 generation, GPtrArray *runs)
{
  guint failed = 0;

  for (guint i = runs->len; i-- > 0;)
    {
      const PvtHookRun *run = runs->pdata[i];
      g_autoptr (GError) why = NULL;

      if (run_hook (config, run->path, "thaw", generation, 0, NULL, &why))
        continue;
      pvt_log (PVT_LOG_WARNING, "%s", why->message);
      failed += run->ok;
    }
  return failed;
}
