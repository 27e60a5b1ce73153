/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hook-runner.h"

#include "agent/platform/child.h"
#include "log.h"

#include <dirent.h>
#include <string.h>
#include <sys/stat.h>

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

PvtHookRun *
pvt_hook_runs_begin (GPtrArray *runs, const char *path)
{
  PvtHookRun *run = g_new0 (PvtHookRun, 1);

  run->path = g_strdup (path);
  g_ptr_array_add (runs, run);
  return run;
}

GPtrArray *
pvt_hooks_find (const char *directory)
{
  GPtrArray *paths = g_ptr_array_new_with_free_func (g_free);
  DIR *dir = directory ? opendir (directory) : NULL;

  for (struct dirent *entry; dir && (entry = readdir (dir)) != NULL && paths->len < MAX_HOOKS;)
    {
      g_autofree char *path = g_build_filename (directory, entry->d_name, NULL);

      if (is_hook_name (entry->d_name) && is_safe (path))
        g_ptr_array_add (paths, g_steal_pointer (&path));
    }
  if (dir)
    closedir (dir);
  g_ptr_array_sort (paths, by_name);
  return paths;
}

gboolean
pvt_hook_exec (const char *path, const char *what, char *const *env, guint timeout_ms,
               const gint *cancelled, GError **error)
{
  g_autoptr (GPtrArray) all = g_ptr_array_new ();
  char *const argv[] = { (char *) path, (char *) what, NULL };
  PvtChildSpec spec = { .argv = argv, .directory = "/" };
  g_autofree char *why = NULL;
  PvtChildOutcome outcome;

  g_ptr_array_add (all, (gpointer) "PATH=" PVT_CHILD_PATH);
  g_ptr_array_add (all, (gpointer) "LC_ALL=C");
  for (guint i = 0; env && env[i]; i++)
    g_ptr_array_add (all, env[i]);
  g_ptr_array_add (all, NULL);
  spec.env = (char *const *) all->pdata;
  if (!pvt_child_run (&spec, NULL, 0, timeout_ms, cancelled, &outcome, error))
    return FALSE;
  if (pvt_child_succeeded (&outcome))
    return TRUE;
  why = pvt_child_describe (&outcome, timeout_ms);
  g_set_error (error, G_FILE_ERROR, G_FILE_ERROR_FAILED, "hook %s %s: it %s", path, what, why);
  return FALSE;
}

GPtrArray *
pvt_hooks_run (const char *directory, const char *what, char *const *env, guint timeout_ms,
               const gint *cancelled)
{
  g_autoptr (GPtrArray) paths = pvt_hooks_find (directory);
  GPtrArray *runs = pvt_hook_runs_new ();

  for (guint i = 0; i < paths->len; i++)
    {
      PvtHookRun *run = pvt_hook_runs_begin (runs, paths->pdata[i]);
      gint64 began = g_get_monotonic_time ();
      g_autoptr (GError) why = NULL;

      run->ok = pvt_hook_exec (run->path, what, env, timeout_ms, cancelled, &why);
      run->took_ms = (g_get_monotonic_time () - began) / 1000;
      if (!run->ok)
        pvt_log (PVT_LOG_WARNING, "%s", why->message);
    }
  return runs;
}
