/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "reaction.h"

#include "agent/core/gate.h"
#include "agent/core/log.h"
#include "agent/core/server.h"
#include "agent/platform/announce.h"
#include "agent/platform/clock-state.h"
#include "agent/platform/identity.h"
#include "agent/telemetry/telemetry.h"
#include "event-hooks.h"
#include "gap.h"

#define ANNOUNCE_ROUNDS 3
#define ANNOUNCE_PAUSE_MS 500

static const struct
{
  guint reason;
  const char *directory, *event;
} kinds[] = {
  [PVT_DISRUPTED_PAUSED] = { PVT_REASON_GLANCE, "resume.d", "post-pause" },
  [PVT_DISRUPTED_RESUMED] = { PVT_REASON_RESUMED, "resume.d", "post-resume" },
  [PVT_DISRUPTED_GENERATION] = { PVT_REASON_GENERATION, "generation.d", "new-generation" },
  [PVT_DISRUPTED_RESTORED] = { PVT_REASON_RESTORED, "resume.d", "post-restore" },
  [PVT_DISRUPTED_MIGRATED] = { PVT_REASON_MIGRATED, "migrate.d", "post-migrate" },
  [PVT_DISRUPTED_CLONED] = { PVT_REASON_CLONED, "generation.d", "clone" },
};

static struct
{
  GThreadPool *pool; /* main loop; one thread */
  gint reasons;      /* not yet looked at */
  gint stopping;     /* as PvtCall's cancelled */
  GMutex running;    /* one reaction at a time */
  GMutex lock;       /* of the last one */
  gboolean has_last;
  PvtReaction last;
} state;

/* What is known of the most telling reason. */
static PvtDisruptedBy
kind_of (guint reasons)
{
  static const PvtDisruptedBy order[] = { PVT_DISRUPTED_CLONED, PVT_DISRUPTED_MIGRATED, PVT_DISRUPTED_GENERATION,
                                          PVT_DISRUPTED_RESTORED, PVT_DISRUPTED_RESUMED };

  for (guint i = 0; i < G_N_ELEMENTS (order); i++)
    if (reasons & kinds[order[i]].reason)
      return order[i];
  return PVT_DISRUPTED_PAUSED;
}

static void
correct_clock (const PvtGap *gap, const gint *cancelled, PvtReaction *reaction)
{
  PvtClockOrder order = { .offset = gap->offset, .uncertainty = gap->uncertainty,
                          .has_base = TRUE, .base = pvt_clock_base (), .keep_rtc = gap->from_rtc };
  g_autoptr (GError) error = NULL;

  reaction->has_clock = pvt_clock_sync (pvt_server_root (), &order, cancelled, &reaction->clock, &error);
  if (reaction->has_clock)
    {
      if (reaction->clock.action != PVT_CLOCK_SLEW)
        pvt_gap_acknowledge (reaction->clock.after);
      return;
    }
  pvt_gap_acknowledge (gap->offset);
  pvt_log (PVT_LOG_WARNING, "clock: off by %.3f s: %s", (double) gap->offset / 1e9, error->message);
}

static void
run_hooks (PvtReaction *reaction, const gint *cancelled)
{
  const gint64 gap = reaction->has_clock ? reaction->clock.before : 0;
  g_autofree char *variable = g_strdup_printf ("PVT_GAP_NS=%" G_GINT64_FORMAT, gap);
  char *const env[] = { variable, NULL };

  reaction->hooks = pvt_event_hooks_run (kinds[reaction->by].directory, kinds[reaction->by].event,
                                         env, cancelled);
}

static void
announce (PvtReaction *reaction, const gint *cancelled)
{
  g_autoptr (GError) error = NULL;
  PvtAnnounceResult result;

  if (pvt_announce_send (pvt_server_root (), ANNOUNCE_ROUNDS, ANNOUNCE_PAUSE_MS, cancelled, &result,
                         &error))
    reaction->frames = result.frames;
  else
    pvt_log (PVT_LOG_WARNING, "the network was not told: %s", error->message);
}

static void
keep (const PvtReaction *reaction)
{
  g_mutex_lock (&state.lock);
  state.last = *reaction;
  state.last.hooks = NULL;
  state.has_last = TRUE;
  g_mutex_unlock (&state.lock);
}

static void
react (guint reasons, const PvtGap *gap, const gint *cancelled, PvtReaction *reaction)
{
  reaction->by = kind_of (reasons);
  reaction->boottime = pvt_clock_boottime ();
  pvt_log (PVT_LOG_INFO, "%s%s", kinds[reaction->by].event, gap ? "" : ": no clock of the host's to compare with");
  if (gap && pvt_server_config ()->sync_clock)
    correct_clock (gap, cancelled, reaction);
  keep (reaction);
  pvt_telemetry_disrupted ((PvtDisruptionKind) reaction->by); /* in the same order */
  run_hooks (reaction, cancelled);
  announce (reaction, cancelled);
}

/* A host is there: TRUE when there was a gap before. */
static gboolean
glance (PvtGap *gap)
{
  if (!pvt_gap_suspected (pvt_server_root ()) || !pvt_gap_measure (pvt_server_root (), gap))
    return FALSE;
  if (gap->offset > (gint64) gap->uncertainty)
    return TRUE;
  if (gap->offset < -PVT_NS_PER_S)
    {
      /* The host's clock was set back: no accident of this guest's. */
      pvt_log (PVT_LOG_INFO, "the host's clock went back by %.3f s", (double) -gap->offset / 1e9);
      pvt_gap_acknowledge (gap->offset);
    }
  return FALSE;
}

/* Once the hooks have run: who is cut off before runs them again. */
static void
remember_machine (void)
{
  g_autoptr (GError) error = NULL;

  if (!pvt_identity_record (pvt_server_root (), &error))
    pvt_log (PVT_LOG_WARNING, "a clone of this guest will not know that it is one: %s", error->message);
}

static void
run_locked (guint reasons, const gint *cancelled, PvtReaction *reaction)
{
  const guint questions = PVT_REASON_GLANCE | PVT_REASON_CLOCK_SET | PVT_REASON_STARTED;
  guint certain;
  PvtGap gap;

  if ((reasons & PVT_REASON_STARTED) && pvt_identity_is_new (pvt_server_root ()))
    reasons |= PVT_REASON_CLONED;
  certain = reasons & ~questions;
  if (certain)
    react (reasons, pvt_gap_measure (pvt_server_root (), &gap) ? &gap : NULL, cancelled, reaction);
  else if ((reasons & PVT_REASON_GLANCE) && glance (&gap))
    react (reasons, &gap, cancelled, reaction);
  if ((reasons & PVT_REASON_STARTED) && (cancelled == NULL || g_atomic_int_get (cancelled) == 0))
    remember_machine ();
  if (reasons & PVT_REASON_CLOCK_SET)
    pvt_gap_rebase (pvt_server_root ());
}

void
pvt_reaction_run (guint reasons, const gint *cancelled, PvtReaction *reaction)
{
  *reaction = (PvtReaction){ .hooks = NULL };
  g_mutex_lock (&state.running);
  pvt_gate_wait ();
  run_locked (reasons, cancelled, reaction);
  g_mutex_unlock (&state.running);
}

static void
work (gpointer data G_GNUC_UNUSED, gpointer user_data G_GNUC_UNUSED)
{
  PvtReaction reaction;
  guint reasons;

  pvt_gate_wait ();
  reasons = g_atomic_int_and ((guint *) &state.reasons, 0);
  if (g_atomic_int_get (&state.stopping))
    return;
  pvt_reaction_run (reasons, &state.stopping, &reaction);
  g_clear_pointer (&reaction.hooks, g_ptr_array_unref);
}

void
pvt_reaction_push (guint reasons)
{
  static gsize made;

  if (g_once_init_enter (&made))
    {
      state.pool = g_thread_pool_new (work, NULL, 1, FALSE, NULL);
      g_once_init_leave (&made, 1);
    }
  /* Reasons that are waited with go together. */
  if (g_atomic_int_or ((guint *) &state.reasons, reasons) == 0)
    g_thread_pool_push (state.pool, GINT_TO_POINTER (1), NULL);
}

gboolean
pvt_reaction_last (PvtReaction *reaction)
{
  gboolean has;

  g_mutex_lock (&state.lock);
  has = state.has_last;
  if (has)
    *reaction = state.last;
  g_mutex_unlock (&state.lock);
  return has;
}

void
pvt_reaction_stop (void)
{
  g_atomic_int_set (&state.stopping, 1);
  if (state.pool)
    g_thread_pool_free (state.pool, TRUE, TRUE);
  state.pool = NULL;
}
