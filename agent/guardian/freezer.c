/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "freezer-private.h"

#include "agent/core/gate.h"
#include "agent/core/log.h"
#include "agent/platform/freeze-plan.h"
#include "agent/platform/rcu.h"

#include <errno.h>
#include <glib-unix.h>
#include <unistd.h>

/* How much longer than the freeze a hook may hold what it holds. */
#define HOOK_GRACE_S 60

/* Filesystems that are frozen at the same time. */
#define MAX_TOGETHER 8

#define NS_PER_MS G_GINT64_CONSTANT (1000000)

static void
free_fs (gpointer data)
{
  PvtFrozenFs *fs = data;

  g_free (fs->mountpoint);
  g_free (fs->type);
  g_free (fs->skipped);
  g_free (fs);
}

void
pvt_freeze_clear (PvtFreeze *freeze)
{
  g_clear_pointer (&freeze->filesystems, g_ptr_array_unref);
  g_clear_pointer (&freeze->hooks, g_ptr_array_unref);
}

static gboolean
fail (GError **error, const char *format, ...) G_GNUC_PRINTF (2, 3);

static gboolean
fail (GError **error, const char *format, ...)
{
  va_list args;

  va_start (args, format);
  if (error)
    *error = g_error_new_valist (G_FILE_ERROR, G_FILE_ERROR_FAILED, format, args);
  va_end (args);
  return FALSE;
}

static gboolean
tell_automatic_end (GError **error)
{
  const PvtFreezeRecord *record = &pvt_freezer.record;

  return fail (error,
               "the filesystems were thawed automatically after %.1f s (freeze %" G_GUINT64_FORMAT
               "): %s; a snapshot taken after that is not consistent",
               (double) (record->thawed_at - record->frozen_at) / 1e9, record->generation,
               pvt_freeze_end_text (record->end));
}

/* The guardian has thawed, or was killed: the rest is done here. */
static gpointer
after_automatic_end (gpointer data G_GNUC_UNUSED)
{
  PvtFreezeEnd end;
  gint64 when;
  guint n;

  if (!pvt_freezer_begin_thaw ())
    return NULL;
  pvt_freezer_thaw_filesystems (&n);
  end = pvt_guardian_end (pvt_freezer.guardian, &when);
  pvt_freezer_wind_up (end, when, TRUE);
  pvt_log (PVT_LOG_WARNING, "freeze %" G_GUINT64_FORMAT " ended by itself: %s",
           pvt_freezer.record.generation, pvt_freeze_end_text (end));
  return NULL;
}

/* Main loop: hooks take long, so a thread sees to it. */
static gboolean
guardian_ended (gint fd G_GNUC_UNUSED, GIOCondition condition G_GNUC_UNUSED,
                gpointer data G_GNUC_UNUSED)
{
  GThread *thread = g_thread_try_new ("after-freeze", after_automatic_end, NULL, NULL);

  if (thread)
    g_thread_unref (thread);
  else
    after_automatic_end (NULL);
  return G_SOURCE_REMOVE;
}

/* ---- the way into a freeze ---- */

static gboolean
begin_freeze (GError **error)
{
  gboolean ours;

  g_mutex_lock (&pvt_freezer.lock);
  ours = pvt_freezer.phase == PVT_FREEZER_THAWED;
  if (ours)
    pvt_freezer.phase = PVT_FREEZER_FREEZING;
  g_mutex_unlock (&pvt_freezer.lock);
  if (!ours)
    return fail (error, "freeze %" G_GUINT64_FORMAT " is in force already",
                 pvt_freezer.record.generation);
  pvt_freezer.lock_fd = pvt_freezer_take_lock ();
  if (pvt_freezer.lock_fd >= 0)
    return TRUE;
  if (errno == EWOULDBLOCK)
    fail (error, "the freeze of an earlier agent is still being undone");
  else
    fail (error, "the state directory %s cannot be locked: %s", pvt_freezer.config->statedir,
          g_strerror (errno));
  pvt_freezer_set_phase (PVT_FREEZER_THAWED);
  return FALSE;
}

static PvtFrozenFs *
add_filesystem (PvtFreeze *freeze, const PvtFreezeTarget *target, const char *mountpoint)
{
  PvtFrozenFs *fs = g_new0 (PvtFrozenFs, 1);

  fs->mountpoint = g_strdup (mountpoint);
  fs->type = g_strdup (target->type);
  fs->major = target->major;
  fs->minor = target->minor;
  fs->tier = target->tier;
  g_ptr_array_add (freeze->filesystems, fs);
  return fs;
}

/* Opens all before the first is frozen: a path may lead through another. Those
 * that no path leads to any more are passed over and named. */
static gboolean
open_filesystems (PvtFreeze *freeze, GError **error)
{
  g_autoptr (GPtrArray) mounts = pvt_mountinfo_read (pvt_freezer.root, error);
  g_autoptr (GPtrArray) plan = mounts ? pvt_freeze_plan (pvt_freezer.root, mounts, freeze->only) : NULL;

  if (plan == NULL)
    return FALSE;
  pvt_freezer.fds = g_array_new (FALSE, FALSE, sizeof (int));
  for (guint i = 0; i < plan->len; i++)
    {
      const char *mountpoint = NULL;
      g_autoptr (GError) why = NULL;
      int fd = pvt_freeze_open (plan->pdata[i], &mountpoint, &why);

      if (fd >= 0)
        {
          add_filesystem (freeze, plan->pdata[i], mountpoint);
          g_array_append_val (pvt_freezer.fds, fd);
        }
      else if (g_error_matches (why, G_FILE_ERROR, G_FILE_ERROR_NOENT))
        pvt_log (PVT_LOG_WARNING, "%s; it is passed over", why->message);
      else
        {
          g_propagate_error (error, g_steal_pointer (&why));
          return FALSE;
        }
    }
  return TRUE;
}

static void
note_mountpoints (const PvtFreeze *freeze)
{
  g_ptr_array_set_size (pvt_freezer.record.mountpoints, 0);
  for (guint i = 0; i < freeze->filesystems->len; i++)
    g_ptr_array_add (pvt_freezer.record.mountpoints,
                     g_strdup (((PvtFrozenFs *) freeze->filesystems->pdata[i])->mountpoint));
}

static guint
deadline_ms (const PvtFreeze *freeze)
{
  return freeze->deadline_ms == G_MAXUINT ? pvt_freezer.config->freeze_deadline * 1000
                                          : freeze->deadline_ms;
}

/* On the way in no longer than somebody waits: one filesystem that hangs in its freeze
 * must not hold others frozen of which the caller was told that nothing is. */
static gint64
first_deadline (const PvtFreeze *freeze, gint64 now, gint64 deadline)
{
  gint64 patience = freeze->patience_ms ? now + freeze->patience_ms * NS_PER_MS : 0;

  return patience && (deadline == 0 || patience < deadline) ? patience : deadline;
}

static gboolean
start_guardian (PvtFreeze *freeze, GError **error)
{
  guint ms = deadline_ms (freeze);
  gint64 now = pvt_boottime (), deadline = ms ? now + ms * NS_PER_MS : 0;
  PvtGuardianCharge charge = { (const int *) (gpointer) pvt_freezer.fds->data, pvt_freezer.fds->len,
                               pvt_freezer.lock_fd, pvt_freezer.hurry_fd,
                               first_deadline (freeze, now, deadline) };
  PvtGuardian *guardian = pvt_guardian_start (&charge, error);

  g_mutex_lock (&pvt_freezer.lock);
  pvt_freezer.guardian = guardian;
  pvt_freezer.deadline = deadline;
  g_mutex_unlock (&pvt_freezer.lock);
  return guardian != NULL;
}

static gboolean
run_freeze_hooks (PvtFreeze *freeze, GError **error)
{
  PvtHooksConfig hooks = pvt_freezer_hooks (pvt_freezer.config);
  /* Past the guardian's, which may also be moved: a hook that holds a lock must
   * not let go before the filesystems are thawed. */
  guint hold_s = deadline_ms (freeze) ? deadline_ms (freeze) / 1000 + HOOK_GRACE_S : 0;
  gboolean ok = pvt_hooks_freeze (&hooks, pvt_freezer.record.generation, hold_s,
                                  freeze->cancelled, pvt_freezer.record.hooks, pvt_freezer_save, error);

  for (guint i = 0; i < pvt_freezer.record.hooks->len; i++)
    {
      PvtHookRun *copy = g_memdup2 (pvt_freezer.record.hooks->pdata[i], sizeof (PvtHookRun));

      copy->path = g_strdup (copy->path);
      g_ptr_array_add (freeze->hooks, copy);
    }
  return ok;
}

static gboolean
explain (const PvtFrozenFs *fs, int failed, GError **error)
{
  if (failed == -ECANCELED)
    return fail (error, "the freeze was given up or took longer than its deadline; nothing is frozen");
  if (failed == -EBUSY)
    return fail (error, "%s is frozen already, by somebody else", fs->mountpoint);
  return fail (error, "%s (%s) could not be frozen: %s", fs->mountpoint, fs->type,
               g_strerror (-failed));
}

static gboolean
is_cancelled (const PvtFreeze *freeze)
{
  return freeze->cancelled && g_atomic_int_get (freeze->cancelled);
}

/* One of several filesystems that are frozen at the same time: each waits for
 * its own disk and for the kernel's grace periods, which may as well pass once. */
typedef struct
{
  guint index;
  int failed;
} Freezing;

static gpointer
freeze_one (gpointer data)
{
  Freezing *freezing = data;

  freezing->failed = pvt_guardian_freeze (pvt_freezer.guardian, freezing->index);
  return NULL;
}

/* @n filesystems from @first on, which are of one tier; the last is done by this
 * thread, and a thread that cannot be had is done without. */
static void
freeze_together (guint first, guint n, Freezing *freezing)
{
  GThread *threads[MAX_TOGETHER] = { NULL };

  for (guint i = 0; i < n; i++)
    {
      freezing[i] = (Freezing){ first + i, 0 };
      threads[i] = i + 1 < n ? g_thread_try_new ("freeze", freeze_one, &freezing[i], NULL) : NULL;
      if (threads[i] == NULL)
        freeze_one (&freezing[i]);
    }
  for (guint i = 0; i < n; i++)
    if (threads[i])
      g_thread_join (threads[i]);
}

static gboolean
take_outcome (PvtFreeze *freeze, const Freezing *freezing, GError **error)
{
  PvtFrozenFs *fs = freeze->filesystems->pdata[freezing->index];

  if (freezing->failed == 0)
    freeze->n_frozen++;
  else if (freezing->failed == -EOPNOTSUPP || freezing->failed == -ENOTTY)
    {
      /* vfat and its like: what can be done is to write it out. */
      syncfs (g_array_index (pvt_freezer.fds, int, freezing->index));
      fs->skipped = g_strdup ("its kind cannot be frozen; it was written out");
    }
  else
    return explain (fs, freezing->failed, error);
  return TRUE;
}

/* How many from @first on are of its tier. */
static guint
count_tier (const PvtFreeze *freeze, guint first)
{
  const PvtFrozenFs *fs = freeze->filesystems->pdata[first];
  guint n = 1;

  while (n < MAX_TOGETHER && first + n < freeze->filesystems->len
         && ((PvtFrozenFs *) freeze->filesystems->pdata[first + n])->tier == fs->tier)
    n++;
  return n;
}

static gboolean
freeze_filesystems (PvtFreeze *freeze, GError **error)
{
  guint first = 0;

  while (first < freeze->filesystems->len)
    {
      guint n = count_tier (freeze, first);
      Freezing freezing[MAX_TOGETHER];

      if (is_cancelled (freeze))
        return explain (freeze->filesystems->pdata[first], -ECANCELED, error);
      freeze_together (first, n, freezing);
      for (guint i = 0; i < n; i++)
        if (!take_outcome (freeze, &freezing[i], error))
          return FALSE;
      first += n;
    }
  return TRUE;
}

/* From here on the caller learns of the freeze, unless it gave up before. */
static gboolean
commit (PvtFreeze *freeze, GError **error)
{
  PvtFrozenFs none = { 0 };
  gint64 when;

  if (freeze->cancelled && !g_atomic_int_compare_and_exchange (freeze->cancelled, 0, 2))
    return explain (&none, -ECANCELED, error);
  if (pvt_guardian_end (pvt_freezer.guardian, &when) != PVT_FREEZE_END_GUARDIAN_DIED)
    return explain (&none, -ECANCELED, error);
  pvt_freezer.watch = g_unix_fd_source_new (pvt_guardian_fd (pvt_freezer.guardian), G_IO_IN | G_IO_HUP);
  g_source_set_callback (pvt_freezer.watch, G_SOURCE_FUNC (guardian_ended), NULL, NULL);
  pvt_freezer_set_phase (PVT_FREEZER_FROZEN);
  g_source_attach (pvt_freezer.watch, NULL);
  return TRUE;
}

/* The way into a freeze may take long, what comes after is the host's to renew. */
static void
begin_lease (const PvtFreeze *freeze)
{
  gint64 end = pvt_boottime () + freeze->lease_ms * NS_PER_MS;

  if (freeze->lease_ms == 0 || (pvt_freezer.deadline && end > pvt_freezer.deadline))
    end = pvt_freezer.deadline;
  if (pvt_guardian_renew (pvt_freezer.guardian, end))
    pvt_freezer.deadline = end;
}

static gboolean
try_freeze (PvtFreeze *freeze, GError **error)
{
  gboolean ok;

  /* A path may lead through a dead mount: all else goes on meanwhile. */
  if (!open_filesystems (freeze, error))
    return FALSE;
  if (is_cancelled (freeze))
    return fail (error, "the freeze was given up; nothing is frozen");
  pvt_gate_close ();
  note_mountpoints (freeze);
  pvt_freezer.hurry_fd = pvt_freezer.fds->len ? pvt_rcu_open (pvt_freezer.root, "0") : -1;
  if (!start_guardian (freeze, error))
    return FALSE;
  /* While the guardian makes itself ready. */
  pvt_freezer.record.frozen = TRUE;
  pvt_freezer.record.hurried = pvt_freezer.hurry_fd >= 0;
  pvt_freezer_save ();
  if (!pvt_guardian_await (pvt_freezer.guardian, error) || !run_freeze_hooks (freeze, error))
    return FALSE;
  pvt_log_hold ();
  pvt_guardian_hurry (pvt_freezer.guardian, TRUE);
  ok = freeze_filesystems (freeze, error);
  pvt_guardian_hurry (pvt_freezer.guardian, FALSE);
  if (!ok)
    return FALSE;
  freeze->frozen_at = pvt_freezer.record.frozen_at = pvt_boottime ();
  if (freeze->n_frozen == 0)
    return TRUE;
  begin_lease (freeze);
  return commit (freeze, error);
}

gboolean
pvt_freezer_freeze (PvtFreeze *freeze, GError **error)
{
  gboolean ok;
  guint n;

  freeze->filesystems = g_ptr_array_new_with_free_func (free_fs);
  freeze->hooks = pvt_hook_runs_new ();
  if (!begin_freeze (error))
    return FALSE;
  pvt_freezer.record.generation++;
  pvt_freezer.record.end = PVT_FREEZE_END_NONE;
  pvt_freezer.record.untold = FALSE;
  freeze->generation = pvt_freezer.record.generation;
  freeze->started = pvt_freezer.record.started = pvt_boottime ();
  ok = try_freeze (freeze, error);
  if (ok && freeze->n_frozen > 0)
    return TRUE;
  /* Failed, or nothing to freeze: no thaw will be asked for. */
  pvt_freezer_thaw_filesystems (&n);
  pvt_freezer_wind_up (PVT_FREEZE_END_HOST, pvt_boottime (), FALSE);
  return ok;
}

/* ---- the host's thaw ---- */

/* Another channel's freeze that is on its way: it fails, and thaws by that. */
static void
stop_freezing (void)
{
  PvtFreezerPhase phase;

  do
    {
      g_mutex_lock (&pvt_freezer.lock);
      phase = pvt_freezer.phase;
      if (phase == PVT_FREEZER_FREEZING && pvt_freezer.guardian)
        pvt_guardian_abort (pvt_freezer.guardian);
      g_mutex_unlock (&pvt_freezer.lock);
      if (phase == PVT_FREEZER_FREEZING || phase == PVT_FREEZER_THAWING)
        g_usleep (2000);
    }
  while (phase == PVT_FREEZER_FREEZING || phase == PVT_FREEZER_THAWING);
}

/* Nothing is frozen: an automatic end that nobody was told of is told once. */
static gboolean
thaw_of_nothing (GError **error)
{
  gboolean untold;

  g_mutex_lock (&pvt_freezer.lock);
  untold = pvt_freezer.phase == PVT_FREEZER_THAWED && pvt_freezer.record.untold;
  if (untold)
    pvt_freezer.record.untold = FALSE;
  g_mutex_unlock (&pvt_freezer.lock);
  if (!untold)
    return TRUE;
  pvt_freezer_save ();
  return tell_automatic_end (error);
}

gboolean
pvt_freezer_thaw (guint64 generation, guint *n_thawed, gint64 *when, GError **error)
{
  gboolean all_ours;
  PvtFreezeEnd end;
  gint64 ended;
  guint failed;

  *n_thawed = 0;
  if (generation && generation != pvt_freezer.record.generation)
    return fail (error, "freeze %" G_GUINT64_FORMAT " is not in force; the last one is %" G_GUINT64_FORMAT,
                 generation, pvt_freezer.record.generation);
  stop_freezing ();
  *when = pvt_boottime ();
  if (!pvt_freezer_begin_thaw ())
    return thaw_of_nothing (error);
  all_ours = pvt_freezer_thaw_filesystems (n_thawed);
  end = pvt_guardian_end (pvt_freezer.guardian, &ended);
  if (end != PVT_FREEZE_END_GUARDIAN_DIED)
    {
      /* The guardian was faster by a moment. */
      pvt_freezer_wind_up (end, ended, FALSE);
      return tell_automatic_end (error);
    }
  failed = pvt_freezer_wind_up (PVT_FREEZE_END_HOST, *when, FALSE);
  if (failed)
    return fail (error, "thawed, but the thaw of %u hooks failed, see the guest's log; a snapshot "
                        "taken in the freeze may not be consistent", failed);
  return all_ours
         || fail (error, "a filesystem was thawed by somebody else during the freeze; a snapshot "
                         "taken in it is not consistent");
}

gboolean
pvt_freezer_renew (guint64 generation, guint ms, GError **error)
{
  gint64 deadline = pvt_boottime () + ms * NS_PER_MS;
  gboolean ok = FALSE;

  g_mutex_lock (&pvt_freezer.lock);
  if (pvt_freezer.phase != PVT_FREEZER_FROZEN || pvt_freezer.record.generation != generation)
    fail (error, "freeze %" G_GUINT64_FORMAT " is not in force", generation);
  else if (!pvt_guardian_renew (pvt_freezer.guardian, deadline))
    fail (error, "freeze %" G_GUINT64_FORMAT " has just ended", generation);
  else
    ok = TRUE;
  if (ok)
    pvt_freezer.deadline = deadline;
  g_mutex_unlock (&pvt_freezer.lock);
  return ok;
}

void
pvt_freezer_state (PvtFreezerState *state)
{
  const PvtFreezeRecord *record = &pvt_freezer.record;

  g_mutex_lock (&pvt_freezer.lock);
  *state = (PvtFreezerState){ pvt_freezer.phase,     record->generation, record->end,
                              record->started,   record->frozen_at,  record->thawed_at,
                              pvt_freezer.deadline,  record->untold };
  g_mutex_unlock (&pvt_freezer.lock);
}

