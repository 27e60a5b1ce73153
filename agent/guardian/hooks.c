/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hooks.h"

#include "agent/core/log.h"

#include <unistd.h>

static GPtrArray *
find_hooks (const PvtHooksConfig *config)
{
  GPtrArray *paths = pvt_hooks_find (config->directory);

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
  char *const env[] = { number, deadline, NULL };

  return pvt_hook_exec (path, what, env, config->timeout_s * 1000, cancelled, error);
}

gboolean
pvt_hooks_freeze (const PvtHooksConfig *config, guint64 generation, guint deadline_s,
                  const gint *cancelled, GPtrArray *runs, PvtHookBegun begun, GError **error)
{
  g_autoptr (GPtrArray) paths = find_hooks (config);

  for (guint i = 0; i < paths->len; i++)
    {
      PvtHookRun *run = pvt_hook_runs_begin (runs, paths->pdata[i]);
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
