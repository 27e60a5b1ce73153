/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "subscription.h"

#include "agent/platform/clock-state.h"
#include "protocol/codec/encode.h"

#include <time.h>

#define DEFAULT_FULL_PERCENT 90

/* How often filesystems are looked at for somebody who wants to know when they
 * are nearly full: the kernel does not tell by itself. */
#define SPACE_PERIOD_US (10 * G_USEC_PER_SEC)

/* Filesystems are asked on a thread, and one on a network is slow. */
#define MIN_FILESYSTEMS_US G_USEC_PER_SEC

static gint n_subscribers;

static void
set_groups (PvtSubscriber *s, GPtrArray *requests)
{
  for (guint i = 0; requests && i < requests->len; i++)
    {
      const PvtGroupRequest *request = requests->pdata[i];
      gint64 period = (gint64) request->period_ms * 1000;

      if (request->group == PVT_METRIC_GROUP_FILESYSTEMS)
        period = MAX (period, MIN_FILESYSTEMS_US);
      s->groups[request->group].period = period;
      s->always_full[request->group] = request->has_full && request->full;
    }
}

PvtSubscriber *
pvt_subscriber_new (const PvtSubscribeArgs *args, guint kinds)
{
  PvtSubscriber *s;

  if (g_atomic_int_add (&n_subscribers, 1) >= PVT_MAX_SUBSCRIPTIONS)
    {
      g_atomic_int_add (&n_subscribers, -1);
      return NULL;
    }
  s = g_new0 (PvtSubscriber, 1);
  g_atomic_ref_count_init (&s->refs);
  s->kinds = kinds;
  s->full_share = (args->has_full_percent ? args->full_percent : DEFAULT_FULL_PERCENT) / 100.0;
  if (args->has_heartbeat_ms)
    s->heartbeat.period = (gint64) args->heartbeat_ms * 1000;
  if (kinds & PVT_EVENT_BIT (PVT_EVENT_KIND_FILESYSTEM))
    s->space.period = SPACE_PERIOD_US;
  set_groups (s, args->groups);
  return s;
}

PvtSubscriber *
pvt_subscriber_ref (PvtSubscriber *s)
{
  g_atomic_ref_count_inc (&s->refs);
  return s;
}

void
pvt_subscriber_unref (PvtSubscriber *s)
{
  if (!g_atomic_ref_count_dec (&s->refs))
    return;
  for (guint i = 0; i < PVT_N_GROUPS; i++)
    pvt_changes_clear (&s->changes[i]);
  g_clear_pointer (&s->nearly_full, g_hash_table_unref);
  pvt_event_queue_clear (&s->queue);
  g_free (s);
  g_atomic_int_add (&n_subscribers, -1);
}

/* ---- when ---- */

static PvtSchedule *
schedule_of (PvtSubscriber *s, guint i)
{
  return i == 0 ? &s->heartbeat : i == 1 ? &s->space : &s->groups[i - 2];
}

void
pvt_subscriber_start (PvtSubscriber *s, gint64 now)
{
  for (guint i = 0; i < PVT_N_GROUPS + 2; i++)
    schedule_of (s, i)->due = now;
}

gint64
pvt_subscriber_due (const PvtSubscriber *s)
{
  gint64 due = G_MAXINT64;

  for (guint i = 0; i < PVT_N_GROUPS + 2; i++)
    {
      const PvtSchedule *schedule = schedule_of ((PvtSubscriber *) s, i);

      if (schedule->period > 0)
        due = MIN (due, schedule->due);
    }
  return due;
}

gboolean
pvt_schedule_take (PvtSchedule *schedule, gint64 now)
{
  if (schedule->period == 0 || schedule->due > now)
    return FALSE;
  schedule->due = (now / schedule->period + 1) * schedule->period;
  return TRUE;
}

/* ---- what ---- */

/* @flags: the groups whose figures are in it. */
static void
push (PvtSubscriber *s, const char *name, const char *body, gsize len, guint flags)
{
  PvtBuf text = { 0 };

  PVT_BUF_APPEND_LITERAL (&text, "\"event\": ");
  pvt_encode_string (&text, name);
  PVT_BUF_APPEND_LITERAL (&text, ", ");
  pvt_encode_string (&text, name);
  PVT_BUF_APPEND_LITERAL (&text, ": ");
  pvt_buf_append (&text, body, len);
  /* What the host has not heard of can be no base of changes. */
  s->lost |= pvt_event_queue_push (&s->queue, text.data, text.len, pvt_clock_ns (CLOCK_REALTIME),
                                   flags);
  pvt_buf_clear (&text);
}

void
pvt_subscriber_push (PvtSubscriber *s, const char *name, const char *body, gsize len)
{
  push (s, name, body, len, 0);
}

static void
append_separator (PvtBuf *out)
{
  if (out->len > 0 && out->data[out->len - 1] != '[' && out->data[out->len - 1] != '{')
    PVT_BUF_APPEND_LITERAL (out, ", ");
}

/* `"group": ` and what is to be sent of it. */
static void
append_group (PvtSubscriber *s, PvtMetricGroup group, const PvtSample *sample, PvtBuf *out)
{
  gboolean any = FALSE;

  for (guint i = 0; i < sample->entries->len; i++)
    {
      const PvtSampleEntry *entry = sample->entries->pdata[i];

      if (!pvt_changes_differs (&s->changes[group], entry->name, entry->text, entry->len))
        continue;
      append_separator (out);
      if (!any)
        {
          pvt_encode_string (out, pvt_group_name (group));
          pvt_buf_append_str (out, sample->list ? ": [" : ": ");
        }
      any = TRUE;
      pvt_buf_append (out, entry->text, entry->len);
    }
  if (any && sample->list)
    pvt_buf_append_c (out, ']');
}

static void
append_pair (PvtBuf *out, const char *group, const char *key, const char *name, guint64 number)
{
  append_separator (out);
  PVT_BUF_APPEND_LITERAL (out, "{\"group\": ");
  pvt_encode_string (out, group);
  PVT_BUF_APPEND_LITERAL (out, ", ");
  pvt_encode_string (out, key);
  PVT_BUF_APPEND_LITERAL (out, ": ");
  if (name)
    pvt_encode_string (out, name);
  else
    pvt_encode_u64 (out, number);
  pvt_buf_append_c (out, '}');
}

typedef struct
{
  PvtBuf names, full, gone, truncated, figures;
} Report;

static void
append_name (PvtBuf *out, const char *name)
{
  append_separator (out);
  pvt_encode_string (out, name);
}

static void
report_group (PvtSubscriber *s, PvtMetricGroup group, const PvtSample *sample, Report *report)
{
  g_autoptr (GPtrArray) gone = g_ptr_array_new_with_free_func (g_free);
  const char *name = pvt_group_name (group);
  gboolean full = s->always_full[group] || (s->lost & (1u << group)) || !s->changes[group].seen;

  pvt_changes_begin (&s->changes[group], full);
  append_name (&report->names, name);
  if (full)
    append_name (&report->full, name);
  append_group (s, group, sample, &report->figures);
  pvt_changes_end (&s->changes[group], gone);
  for (guint i = 0; !full && i < gone->len; i++)
    append_pair (&report->gone, name, "name", gone->pdata[i], 0);
  if (sample->total > sample->entries->len)
    append_pair (&report->truncated, name, "total", NULL, sample->total);
  s->lost &= ~(1u << group);
}

static void
append_part (PvtBuf *out, const char *before, PvtBuf *part, const char *after)
{
  if (part->len > 0)
    {
      pvt_buf_append_str (out, before);
      pvt_buf_append (out, part->data, part->len);
      pvt_buf_append_str (out, after);
    }
  pvt_buf_clear (part);
}

static void
push_report (PvtSubscriber *s, Report *report, guint groups)
{
  PvtBuf out = { 0 };

  PVT_BUF_APPEND_LITERAL (&out, "{\"monotonic-ns\": ");
  pvt_encode_i64 (&out, pvt_clock_ns (CLOCK_MONOTONIC));
  append_part (&out, ", \"groups\": [", &report->names, "]");
  append_part (&out, ", \"full\": [", &report->full, "]");
  append_part (&out, ", \"gone\": [", &report->gone, "]");
  append_part (&out, ", \"truncated\": [", &report->truncated, "]");
  append_part (&out, ", ", &report->figures, "");
  pvt_buf_append_c (&out, '}');
  push (s, "metrics", out.data, out.len, groups);
  pvt_buf_clear (&out);
}

void
pvt_subscriber_report (PvtSubscriber *s, const PvtMetricGroup *groups,
                       const PvtSample *const *samples, guint n)
{
  Report report = { .names = { 0 } };
  guint mask = 0;

  for (guint i = 0; i < n; i++)
    if (samples[i])
      {
        report_group (s, groups[i], samples[i], &report);
        mask |= 1u << groups[i];
      }
  if (report.figures.len + report.gone.len > 0)
    push_report (s, &report, mask);
  else
    {
      /* Nothing is new. */
      pvt_buf_clear (&report.names);
      pvt_buf_clear (&report.full);
      pvt_buf_clear (&report.truncated);
    }
}

/* ---- out ---- */

static void
write_event (const PvtSubscriber *s, const PvtQueuedEvent *event, PvtBuf *out)
{
  PVT_BUF_APPEND_LITERAL (out, "{\"number\": ");
  pvt_encode_u64 (out, event->number);
  if (s->queue.dropped > 0)
    {
      PVT_BUF_APPEND_LITERAL (out, ", \"dropped\": ");
      pvt_encode_u64 (out, s->queue.dropped);
    }
  PVT_BUF_APPEND_LITERAL (out, ", \"realtime-ns\": ");
  pvt_encode_i64 (out, event->realtime_ns);
  PVT_BUF_APPEND_LITERAL (out, ", ");
  pvt_buf_append (out, event->body, event->len);
  pvt_buf_append_c (out, '}');
}

/* Sending may find that the host is gone: the stream drops its feed then. */
static gboolean
send_one (PvtSubscriber *s, const PvtQueuedEvent *event)
{
  PvtStream *stream = pvt_stream_ref (s->stream);
  PvtBuf text = { 0 };
  gboolean taken;

  write_event (s, event, &text);
  taken = pvt_stream_offer (stream, text.data, text.len);
  pvt_buf_clear (&text);
  pvt_stream_unref (stream);
  return taken;
}

void
pvt_subscriber_flush (PvtSubscriber *s)
{
  const PvtQueuedEvent *event;

  /* To send is to wake the channel, which tells its streams that it has room. */
  if (s->flushing)
    return;
  pvt_subscriber_ref (s);
  s->flushing = TRUE;
  while (s->stream && !s->suspended && (event = pvt_event_queue_peek (&s->queue))
         && send_one (s, event))
    pvt_event_queue_pop (&s->queue);
  s->flushing = FALSE;
  pvt_subscriber_unref (s);
}
