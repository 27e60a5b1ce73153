/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "agent/core/call.h"
#include "agent/platform/seal.h"

#include <string.h>

static gboolean
check_names (char *const *names, GError **error)
{
  for (guint i = 0; names && names[i]; i++)
    {
      guint step = 0;

      while (step < pvt_seal_count () && strcmp (pvt_seal_name (step), names[i]) != 0)
        step++;
      if (step == pvt_seal_count ())
        return pvt_call_fail (error, "there is no step '%s'; without apply all are told", names[i]);
    }
  return TRUE;
}

/* Guests may have names that are no UTF-8: the encoder makes them so. */
static char **
copy_paths (const GPtrArray *paths)
{
  char **out = g_new0 (char *, paths->len + 1);

  for (guint i = 0; i < paths->len; i++)
    out[i] = g_strdup (paths->pdata[i]);
  return out;
}

static PvtSealPart *
run_step (PvtCall *call, guint number, gboolean apply, gboolean skip)
{
  PvtSealPart *part = pvt_seal_part_new ();
  PvtSealStep step;

  pvt_seal_run (pvt_call_root (call), number, apply && !skip, call->cancelled, &step);
  part->name = g_strdup (step.name);
  part->about = g_strdup (step.about);
  part->skipped = skip;
  part->files = step.files;
  part->bytes = step.bytes;
  part->paths = copy_paths (step.paths);
  part->error = g_steal_pointer (&step.error);
  pvt_seal_step_clear (&step);
  return part;
}

/* Two at a time would count each other's files. */
static GMutex at_work;

gboolean
pvt_handle_seal (PvtCall *call, const PvtSealArgs *args, PvtSeal **result, GError **error)
{
  gboolean apply = args->has_apply && args->apply;

  if (!check_names (args->skip, error))
    return FALSE;
  if (!g_mutex_trylock (&at_work))
    return pvt_call_fail (error, "the guest is being sealed already");
  *result = pvt_seal_new ();
  (*result)->applied = apply;
  (*result)->steps = g_ptr_array_new ();
  for (guint i = 0; i < pvt_seal_count () && !pvt_call_cancelled (call); i++)
    {
      gboolean skip = args->skip && g_strv_contains ((const char *const *) args->skip, pvt_seal_name (i));

      g_ptr_array_add ((*result)->steps, run_step (call, i, apply, skip));
    }
  g_mutex_unlock (&at_work);
  return TRUE;
}
