/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Pushed telemetry: a subscription begins. */
#include "agent/telemetry/telemetry.h"

#include "agent/core/call.h"
#include "agent/telemetry/hub.h"
#include "agent/telemetry/source.h"
#include "pvt-tables.h"

#include <string.h>

typedef struct
{
  guint kinds;
  GPtrArray *unavailable; /* PvtUnavailable */
  GPtrArray *names;       /* borrowed */
} Wish;

static void
refuse (Wish *wish, const char *name, const char *reason)
{
  PvtUnavailable *entry = pvt_unavailable_new ();

  entry->name = g_strdup (name);
  entry->reason = g_strdup (reason);
  g_ptr_array_add (wish->unavailable, entry);
}

static void
wish_for (Wish *wish, PvtEventKind kind, const PvtRoot *root)
{
  const char *name = pvt_event_kind_type.values[kind];
  const char *reason = pvt_source_missing (kind, root);

  if (wish->kinds & PVT_EVENT_BIT (kind))
    return;
  if (reason)
    {
      refuse (wish, name, reason);
      return;
    }
  wish->kinds |= PVT_EVENT_BIT (kind);
  g_ptr_array_add (wish->names, (gpointer) name);
}

/* A host may know kinds that this agent does not. */
static void
add_events (Wish *wish, char *const *events, const PvtRoot *root)
{
  const PvtType *type = &pvt_event_kind_type;

  for (guint i = 0; events && events[i]; i++)
    {
      gboolean all = strcmp (events[i], "all") == 0, known = all;

      for (guint kind = 0; kind < type->n_values; kind++)
        if (all || strcmp (events[i], type->values[kind]) == 0)
          {
            known = TRUE;
            wish_for (wish, (PvtEventKind) kind, root);
          }
      if (!known)
        refuse (wish, events[i], "this agent knows no such event");
    }
}

gboolean
pvt_handle_subscribe (PvtCall *call, const PvtSubscribeArgs *args, PvtSubscription **result,
                      GError **error)
{
  g_autoptr (GPtrArray) names = g_ptr_array_new ();
  Wish wish = { 0, g_ptr_array_new (), names };
  PvtSubscriber *subscriber;

  if (!args->has_heartbeat_ms && (args->groups == NULL || args->groups->len == 0)
      && (args->events == NULL || args->events[0] == NULL))
    {
      g_ptr_array_unref (wish.unavailable);
      return pvt_call_fail (error, "nothing is subscribed to");
    }
  add_events (&wish, args->events, pvt_call_root (call));
  *result = pvt_subscription_new ();
  (*result)->boot_id = g_strdup (pvt_telemetry_boot_id ());
  (*result)->queue = PVT_EVENT_QUEUE_MAX;
  g_ptr_array_add (names, NULL);
  (*result)->events = g_strdupv ((char **) names->pdata);
  (*result)->unavailable = wish.unavailable;
  subscriber = pvt_subscriber_new (args, wish.kinds);
  if (subscriber == NULL)
    return pvt_call_fail (error, "there are %u subscriptions already", PVT_MAX_SUBSCRIPTIONS);
  pvt_stream_attach_feed (call->stream, &pvt_hub_feed, subscriber);
  return TRUE;
}
