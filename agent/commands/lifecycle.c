/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "agent/core/call.h"
#include "agent/lifecycle/event-hooks.h"
#include "agent/lifecycle/reaction.h"
#include "agent/platform/announce.h"
#include "describe-clock.h"

#define ROUNDS 3
#define PAUSE_MS 500

static GPtrArray *
describe_hooks (const GPtrArray *runs)
{
  GPtrArray *out = g_ptr_array_sized_new (runs ? runs->len : 0);

  for (guint i = 0; runs && i < runs->len; i++)
    {
      const PvtHookRun *run = runs->pdata[i];
      PvtHookRunReport *entry = pvt_hook_run_report_new ();

      entry->path = g_strdup (run->path);
      entry->took_ms = (guint64) run->took_ms;
      entry->ok = run->ok;
      g_ptr_array_add (out, entry);
    }
  return out;
}

static void
before (const char *directory, const char *event, PvtCall *call, PvtLifecycleReport *report)
{
  g_autoptr (GPtrArray) runs = pvt_event_hooks_run (directory, event, NULL, call->cancelled);

  report->hooks = describe_hooks (runs);
}

static void
after (guint reason, PvtCall *call, PvtLifecycleReport *report)
{
  PvtReaction reaction;

  pvt_reaction_run (reason, call->cancelled, &reaction);
  report->hooks = describe_hooks (reaction.hooks);
  if (reaction.has_clock)
    report->clock = pvt_describe_clock (&reaction.clock);
  report->has_announced_frames = TRUE;
  report->announced_frames = reaction.frames;
  g_clear_pointer (&reaction.hooks, g_ptr_array_unref);
}

gboolean
pvt_handle_notify_lifecycle (PvtCall *call, const PvtNotifyLifecycleArgs *args,
                             PvtLifecycleReport **result, GError **error G_GNUC_UNUSED)
{
  *result = pvt_lifecycle_report_new ();
  switch (args->event)
    {
    case PVT_LIFECYCLE_EVENT_PRE_MIGRATE:
      before ("migrate.d", "pre-migrate", call, *result);
      break;
    case PVT_LIFECYCLE_EVENT_PRE_SUSPEND:
      before ("suspend.d", "pre-suspend", call, *result);
      break;
    case PVT_LIFECYCLE_EVENT_POST_MIGRATE:
      after (PVT_REASON_MIGRATED, call, *result);
      break;
    case PVT_LIFECYCLE_EVENT_POST_RESTORE:
    default:
      after (PVT_REASON_RESTORED, call, *result);
      break;
    }
  return TRUE;
}

gboolean
pvt_handle_announce (PvtCall *call, PvtAnnouncement **result, GError **error)
{
  PvtAnnounceResult sent;

  if (!pvt_announce_send (pvt_call_root (call), ROUNDS, PAUSE_MS, call->cancelled, &sent, error))
    return FALSE;
  *result = pvt_announcement_new ();
  (*result)->interfaces = sent.links;
  (*result)->addresses = sent.addresses;
  (*result)->frames = sent.frames;
  (*result)->failed = sent.failed;
  return TRUE;
}
