/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hub.h"

#include "agent/core/gate.h"
#include "agent/core/server.h"
#include "agent/lifecycle/disruption.h"
#include "agent/platform/clock-state.h"
#include "page.h"
#include "protocol/codec/encode.h"
#include "pvt-tables.h"
#include "source.h"
#include "space.h"
#include "telemetry.h"

#include <time.h>

/* Only the host's coming tells that the guest was away: somebody who wants to
 * know of it has it looked at this often. */
#define GLANCE_US (10 * G_USEC_PER_SEC)

static struct
{
  GPtrArray *subscribers; /* each with a reference; NULL: none ever */
  GSource *timer;         /* NULL while there are none */
  gint kinds;             /* that somebody wants; any thread reads it */
  guint running;          /* kinds whose sources run */
  gint64 glanced;
} hub;

/* What a visitor does may end a subscription. */
static GPtrArray *
snapshot (void)
{
  GPtrArray *copy = g_ptr_array_new_with_free_func ((GDestroyNotify) pvt_subscriber_unref);

  for (guint i = 0; hub.subscribers && i < hub.subscribers->len; i++)
    g_ptr_array_add (copy, pvt_subscriber_ref (hub.subscribers->pdata[i]));
  return copy;
}

/* ---- events ---- */

gboolean
pvt_hub_wants (PvtEventKind kind)
{
  return ((guint) g_atomic_int_get (&hub.kinds) & PVT_EVENT_BIT (kind)) != 0;
}

void
pvt_hub_visit (PvtEventKind kind, PvtHubVisit visit, gpointer data)
{
  g_autoptr (GPtrArray) all = snapshot ();

  for (guint i = 0; i < all->len; i++)
    if (((PvtSubscriber *) all->pdata[i])->kinds & PVT_EVENT_BIT (kind))
      visit (all->pdata[i], data);
}

void
pvt_hub_publish (PvtEventKind kind, const PvtType *type, gconstpointer object)
{
  const char *name = pvt_event_kind_type.values[kind];
  g_autoptr (GPtrArray) all = snapshot ();
  PvtBuf text = { 0 };

  pvt_encode_object (&text, type, object);
  for (guint i = 0; i < all->len; i++)
    if (((PvtSubscriber *) all->pdata[i])->kinds & PVT_EVENT_BIT (kind))
      pvt_subscriber_push (all->pdata[i], name, text.data, text.len);
  pvt_buf_clear (&text);
}

void
pvt_hub_flush (void)
{
  g_autoptr (GPtrArray) all = snapshot ();

  for (guint i = 0; i < all->len; i++)
    pvt_subscriber_flush (all->pdata[i]);
}

/* ---- heartbeats and figures ---- */

static void
beat (PvtSubscriber *s)
{
  PvtHeartbeat heartbeat = { .sequence = ++s->heartbeats,
                             .boot_id = (char *) pvt_telemetry_boot_id (),
                             .monotonic_ns = (guint64) pvt_clock_ns (CLOCK_MONOTONIC),
                             .period_ms = (guint32) (s->heartbeat.period / 1000),
                             .frozen = pvt_gate_is_closed (),
                             .pressure = pvt_sampler_pressure () };
  PvtBuf text = { 0 };

  pvt_encode_object (&text, &pvt_heartbeat_type, &heartbeat);
  pvt_subscriber_push (s, "heartbeat", text.data, text.len);
  pvt_buf_clear (&text);
  pvt_pressure_free (heartbeat.pressure);
}

static void
report (PvtSubscriber *s, gint64 now)
{
  PvtMetricGroup groups[PVT_N_GROUPS];
  const PvtSample *samples[PVT_N_GROUPS];
  guint n = 0;

  for (guint i = 0; i < PVT_N_GROUPS; i++)
    {
      if (!pvt_schedule_take (&s->groups[i], now))
        continue;
      if (i == PVT_METRIC_GROUP_FILESYSTEMS)
        {
          s->wants_filesystems = TRUE;
          pvt_space_ask (pvt_server_root ());
          continue;
        }
      groups[n] = (PvtMetricGroup) i;
      samples[n++] = pvt_sampler_get ((PvtMetricGroup) i);
    }
  pvt_subscriber_report (s, groups, samples, n);
}

void
pvt_hub_filesystems (const PvtSample *sample)
{
  static const PvtMetricGroup group = PVT_METRIC_GROUP_FILESYSTEMS;
  g_autoptr (GPtrArray) all = snapshot ();

  for (guint i = 0; i < all->len; i++)
    {
      PvtSubscriber *s = all->pdata[i];

      if (s->wants_filesystems)
        pvt_subscriber_report (s, &group, &sample, 1);
      s->wants_filesystems = FALSE;
    }
}

static void
serve (PvtSubscriber *s, gint64 now)
{
  if (pvt_schedule_take (&s->heartbeat, now))
    beat (s);
  if (pvt_schedule_take (&s->space, now))
    pvt_space_ask (pvt_server_root ());
  report (s, now);
}

static gint64
next_due (void)
{
  gint64 due = pvt_shared_figures_due ();

  for (guint i = 0; i < hub.subscribers->len; i++)
    {
      const PvtSubscriber *s = hub.subscribers->pdata[i];

      if (!s->suspended)
        due = MIN (due, pvt_subscriber_due (s));
    }
  return due;
}

/* -1: never. */
static void
set_timer (void)
{
  gint64 due = next_due ();

  g_source_set_ready_time (hub.timer, due == G_MAXINT64 ? -1 : due);
}

static gboolean
tick (GSource *source G_GNUC_UNUSED, GSourceFunc callback G_GNUC_UNUSED,
      gpointer data G_GNUC_UNUSED)
{
  g_autoptr (GPtrArray) all = snapshot ();
  gint64 now = g_get_monotonic_time ();

  pvt_sampler_tick ();
  for (guint i = 0; i < all->len; i++)
    if (!((PvtSubscriber *) all->pdata[i])->suspended)
      serve (all->pdata[i], now);
  pvt_shared_figures_serve (now);
  if (pvt_hub_wants (PVT_EVENT_KIND_DISRUPTION) && now - hub.glanced >= GLANCE_US)
    {
      hub.glanced = now;
      pvt_disruption_glance ();
    }
  pvt_hub_flush ();
  if (hub.timer)
    set_timer ();
  return G_SOURCE_CONTINUE;
}

static GSourceFuncs timer_funcs = { .dispatch = tick };

/* ---- who ---- */

/* Starts and stops sources as they are wanted now. */
static void
update_sources (void)
{
  guint kinds = 0;

  for (guint i = 0; i < hub.subscribers->len; i++)
    {
      const PvtSubscriber *s = hub.subscribers->pdata[i];

      kinds |= s->suspended ? 0 : s->kinds;
    }
  g_atomic_int_set (&hub.kinds, (gint) kinds);
  for (guint i = 0; pvt_sources[i]; i++)
    {
      const PvtSource *source = pvt_sources[i];
      gboolean wanted = (kinds & source->kinds) != 0, runs = (hub.running & source->kinds) != 0;

      if (wanted && !runs)
        source->start (pvt_server_root ());
      else if (!wanted && runs)
        source->stop ();
      hub.running = wanted ? hub.running | source->kinds : hub.running & ~source->kinds;
    }
}

static void
open_up (void)
{
  if (hub.timer)
    return;
  if (hub.subscribers == NULL)
    hub.subscribers
        = g_ptr_array_new_with_free_func ((GDestroyNotify) pvt_subscriber_unref);
  pvt_sampler_open (pvt_server_root ());
  hub.timer = g_source_new (&timer_funcs, sizeof (GSource));
  g_source_attach (hub.timer, NULL);
}

/* The last one is gone: nothing is open and nothing wakes up any more. */
static void
close_down (void)
{
  if (hub.timer == NULL || hub.subscribers->len > 0 || pvt_shared_figures_due () != G_MAXINT64)
    return;
  g_source_destroy (hub.timer);
  g_clear_pointer (&hub.timer, g_source_unref);
  pvt_sampler_close ();
}

void
pvt_hub_serve_page (gboolean on)
{
  if (!on)
    {
      close_down ();
      return;
    }
  open_up ();
  g_source_set_ready_time (hub.timer, 0);
}

/* ---- as a stream's feed ---- */

static void
begin (PvtStream *stream, gpointer feed)
{
  PvtSubscriber *s = feed;

  open_up ();
  s->stream = stream;
  pvt_subscriber_start (s, g_get_monotonic_time ());
  g_ptr_array_add (hub.subscribers, pvt_subscriber_ref (s));
  update_sources ();
  /* What is due now is sent from the loop: here it could end the stream, which
   * has only begun. */
  g_source_set_ready_time (hub.timer, 0);
}

static void
ready (gpointer feed)
{
  pvt_subscriber_flush (feed);
}

static void
suspend (gpointer feed, gboolean suspended)
{
  PvtSubscriber *s = feed;

  if (s->stream == NULL || s->suspended == suspended)
    return;
  s->suspended = suspended;
  update_sources ();
  g_source_set_ready_time (hub.timer, 0);
}

static void
drop (gpointer feed)
{
  PvtSubscriber *s = feed;

  if (s->stream)
    {
      s->stream = NULL;
      g_ptr_array_remove_fast (hub.subscribers, s);
      update_sources ();
      close_down ();
    }
  pvt_subscriber_unref (s);
}

const PvtStreamFeed pvt_hub_feed = { begin, ready, suspend, drop };
