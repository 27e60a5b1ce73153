/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "agent/core/call.h"
#include "agent/guardian/freezer.h"
#include "agent/guardian/hooks.h"
#include "agent/platform/trim.h"

#define NS_PER_MS 1000000

gboolean
pvt_handle_guest_fsfreeze_status (PvtCall *call G_GNUC_UNUSED, PvtGuestFsfreezeStatus *result,
                                  GError **error G_GNUC_UNUSED)
{
  PvtFreezerState state;

  pvt_freezer_state (&state);
  /* Frozen from the last filesystem on, until the thaw is through. */
  *result = state.phase == PVT_FREEZER_FROZEN || state.phase == PVT_FREEZER_THAWING
                ? PVT_GUEST_FSFREEZE_STATUS_FROZEN
                : PVT_GUEST_FSFREEZE_STATUS_THAWED;
  return TRUE;
}

static guint
patience_of (const PvtCall *call)
{
  return (guint) CLAMP ((call->deadline - g_get_monotonic_time ()) / 1000, 1, G_MAXINT32);
}

static gboolean
freeze_compat (PvtCall *call, char *const *only, gint64 *result, GError **error)
{
  PvtFreeze freeze = { .only = only, .deadline_ms = G_MAXUINT, .patience_ms = patience_of (call),
                       .cancelled = call->cancelled };
  gboolean ok = pvt_freezer_freeze (&freeze, error);

  *result = freeze.n_frozen;
  pvt_freeze_clear (&freeze);
  return ok;
}

gboolean
pvt_handle_guest_fsfreeze_freeze (PvtCall *call, gint64 *result, GError **error)
{
  return freeze_compat (call, NULL, result, error);
}

gboolean
pvt_handle_guest_fsfreeze_freeze_list (PvtCall *call, const PvtGuestFsfreezeFreezeListArgs *args,
                                       gint64 *result, GError **error)
{
  return freeze_compat (call, args->mountpoints, result, error);
}

gboolean
pvt_handle_guest_fsfreeze_thaw (PvtCall *call G_GNUC_UNUSED, gint64 *result, GError **error)
{
  guint n;
  gint64 when;
  gboolean ok = pvt_freezer_thaw (0, &n, &when, error);

  *result = n;
  return ok;
}

static PvtFrozenFilesystem *
describe_filesystem (const PvtFrozenFs *fs)
{
  PvtFrozenFilesystem *entry = pvt_frozen_filesystem_new ();

  entry->mountpoint = g_strdup (fs->mountpoint);
  entry->type = g_strdup (fs->type);
  entry->device = g_strdup_printf ("%u:%u", fs->major, fs->minor);
  entry->skipped = g_strdup (fs->skipped);
  return entry;
}

static PvtHookRunReport *
describe_hook (const PvtHookRun *run)
{
  PvtHookRunReport *entry = pvt_hook_run_report_new ();

  entry->path = g_strdup (run->path);
  entry->took_ms = (guint64) run->took_ms;
  entry->ok = run->ok;
  return entry;
}

static PvtFreezeReport *
describe_freeze (const PvtFreeze *freeze)
{
  PvtFreezeReport *report = pvt_freeze_report_new ();

  report->generation = freeze->generation;
  report->started = freeze->started;
  report->frozen_at = freeze->frozen_at;
  report->filesystems = g_ptr_array_new ();
  for (guint i = 0; i < freeze->filesystems->len; i++)
    g_ptr_array_add (report->filesystems, describe_filesystem (freeze->filesystems->pdata[i]));
  report->hooks = g_ptr_array_new ();
  for (guint i = 0; i < freeze->hooks->len; i++)
    g_ptr_array_add (report->hooks, describe_hook (freeze->hooks->pdata[i]));
  return report;
}

gboolean
pvt_handle_freeze (PvtCall *call, const PvtFreezeArgs *args, PvtFreezeReport **result,
                       GError **error)
{
  PvtFreeze freeze = { .only = args->mountpoints,
                       .deadline_ms = args->has_deadline_ms ? args->deadline_ms : G_MAXUINT,
                       .lease_ms = args->has_lease_ms ? args->lease_ms : 0,
                       .patience_ms = patience_of (call),
                       .cancelled = call->cancelled };
  gboolean ok = pvt_freezer_freeze (&freeze, error);

  if (ok)
    *result = describe_freeze (&freeze);
  pvt_freeze_clear (&freeze);
  return ok;
}

gboolean
pvt_handle_thaw (PvtCall *call G_GNUC_UNUSED, const PvtThawArgs *args, PvtThawReport **result,
                     GError **error)
{
  PvtFreezerState state;
  guint n;
  gint64 when;

  if (!pvt_freezer_thaw (args->has_generation ? args->generation : 0, &n, &when, error))
    return FALSE;
  pvt_freezer_state (&state);
  *result = pvt_thaw_report_new ();
  (*result)->generation = state.generation;
  (*result)->filesystems = n;
  (*result)->frozen_at = n ? state.frozen_at : 0;
  (*result)->thaw_began = when;
  return TRUE;
}

gboolean
pvt_handle_renew_freeze (PvtCall *call G_GNUC_UNUSED, const PvtRenewFreezeArgs *args,
                             GError **error)
{
  return pvt_freezer_renew (args->generation, args->deadline_ms, error);
}

static PvtFreezeEnded
describe_end (PvtFreezeEnd end)
{
  static const PvtFreezeEnded ends[] = {
    [PVT_FREEZE_END_NONE] = PVT_FREEZE_ENDED_NONE,
    [PVT_FREEZE_END_HOST] = PVT_FREEZE_ENDED_HOST,
    [PVT_FREEZE_END_DEADLINE] = PVT_FREEZE_ENDED_DEADLINE,
    [PVT_FREEZE_END_AGENT_DIED] = PVT_FREEZE_ENDED_AGENT_DIED,
    [PVT_FREEZE_END_AGENT_STOPPED] = PVT_FREEZE_ENDED_AGENT_STOPPED,
    [PVT_FREEZE_END_GUARDIAN_DIED] = PVT_FREEZE_ENDED_GUARDIAN_DIED,
    [PVT_FREEZE_END_ASKED_BY_SIGNAL] = PVT_FREEZE_ENDED_SIGNAL,
  };

  return ends[end];
}

static PvtFreezePhase
describe_phase (PvtFreezerPhase phase)
{
  static const PvtFreezePhase phases[] = {
    [PVT_FREEZER_THAWED] = PVT_FREEZE_PHASE_THAWED,
    [PVT_FREEZER_FREEZING] = PVT_FREEZE_PHASE_FREEZING,
    [PVT_FREEZER_FROZEN] = PVT_FREEZE_PHASE_FROZEN,
    [PVT_FREEZER_THAWING] = PVT_FREEZE_PHASE_THAWING,
  };

  return phases[phase];
}

gboolean
pvt_handle_get_freeze (PvtCall *call G_GNUC_UNUSED, PvtFreezeState **result,
                           GError **error G_GNUC_UNUSED)
{
  PvtFreezeState *out = pvt_freeze_state_new ();
  PvtFreezerState state;

  pvt_freezer_state (&state);
  out->phase = describe_phase (state.phase);
  out->generation = state.generation;
  out->boottime = pvt_boottime ();
  out->ended_by = describe_end (state.end);
  out->untold = state.untold;
  out->started = state.started;
  out->frozen_at = state.frozen_at;
  out->thawed_at = state.thawed_at;
  out->has_started = state.started != 0;
  out->has_frozen_at = state.frozen_at > 0 && state.frozen_at >= state.started;
  out->has_thawed_at = state.phase == PVT_FREEZER_THAWED && state.thawed_at != 0;
  out->has_deadline_left_ms = state.phase == PVT_FREEZER_FROZEN && state.deadline != 0;
  out->deadline_left_ms = MAX (state.deadline - out->boottime, 0) / NS_PER_MS;
  *result = out;
  return TRUE;
}

gboolean
pvt_handle_guest_fstrim (PvtCall *call, const PvtGuestFstrimArgs *args,
                         PvtGuestFilesystemTrimResponse **result, GError **error)
{
  g_autoptr (GPtrArray) trims = pvt_trim (pvt_call_root (call),
                                          args->has_minimum ? (guint64) args->minimum : 0,
                                          call->cancelled, error);

  if (trims == NULL)
    return FALSE;
  *result = pvt_guest_filesystem_trim_response_new ();
  (*result)->paths = g_ptr_array_sized_new (trims->len);
  for (guint i = 0; i < trims->len; i++)
    {
      const PvtTrimResult *trim = trims->pdata[i];
      PvtGuestFilesystemTrimResult *entry = pvt_guest_filesystem_trim_result_new ();

      entry->path = g_strdup (trim->mountpoint);
      entry->error = g_strdup (trim->error);
      entry->has_trimmed = entry->has_minimum = trim->error == NULL;
      entry->trimmed = (gint64) trim->trimmed;
      entry->minimum = (gint64) trim->minimum;
      g_ptr_array_add ((*result)->paths, entry);
    }
  return TRUE;
}
