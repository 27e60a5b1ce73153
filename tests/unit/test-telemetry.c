/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What waits for a slow host, what has changed, and when things are due. */
#include "tap-main.h"

#include "agent/platform/kmsg-record.h"
#include "agent/platform/netdev.h"
#include "agent/platform/system-bus.h"
#include "agent/telemetry/changes.h"
#include "agent/telemetry/event-queue.h"
#include "agent/telemetry/rate.h"
#include "agent/telemetry/subscription.h"
#include "pvt-tables.h"

static guint
push (PvtEventQueue *queue, const char *body, guint flags)
{
  return pvt_event_queue_push (queue, body, strlen (body), 1, flags);
}

static void
queue_keeps_order (void **state G_GNUC_UNUSED)
{
  PvtEventQueue queue = { .bytes = 0 };

  assert_null (pvt_event_queue_peek (&queue));
  assert_int_equal (push (&queue, "a", 1), 0);
  assert_int_equal (push (&queue, "b", 2), 0);
  assert_int_equal (pvt_event_queue_peek (&queue)->number, 1);
  assert_memory_equal (pvt_event_queue_peek (&queue)->body, "a", 1);
  pvt_event_queue_pop (&queue);
  assert_int_equal (pvt_event_queue_peek (&queue)->number, 2);
  pvt_event_queue_pop (&queue);
  assert_null (pvt_event_queue_peek (&queue));
  assert_int_equal (queue.bytes, 0);
  assert_int_equal (queue.dropped, 0);
  pvt_event_queue_clear (&queue);
}

/* At the bound nothing is dropped; one past it the oldest is, and that is known. */
static void
queue_drops_the_oldest (void **state G_GNUC_UNUSED)
{
  PvtEventQueue queue = { .bytes = 0 };

  for (guint i = 0; i < PVT_EVENT_QUEUE_MAX; i++)
    assert_int_equal (push (&queue, "x", i == 0 ? 4 : i == 1 ? 2 : 0), 0);
  assert_int_equal (queue.dropped, 0);
  assert_int_equal (push (&queue, "y", 0), 4);
  assert_int_equal (queue.dropped, 1);
  assert_int_equal (pvt_event_queue_peek (&queue)->number, 2);
  assert_int_equal (push (&queue, "z", 0), 2);
  assert_int_equal (queue.events.length, PVT_EVENT_QUEUE_MAX);
  pvt_event_queue_clear (&queue);
  assert_int_equal (queue.events.length, 0);
}

static void
queue_is_bounded_in_bytes (void **state G_GNUC_UNUSED)
{
  g_autofree char *large = g_malloc0 (PVT_EVENT_MAX + 1);
  PvtEventQueue queue = { .bytes = 0 };
  guint fit = PVT_EVENT_QUEUE_BYTES / PVT_EVENT_MAX;

  for (guint i = 0; i < fit; i++)
    assert_int_equal (pvt_event_queue_push (&queue, large, PVT_EVENT_MAX, 1, 1), 0);
  assert_int_equal (queue.bytes, PVT_EVENT_QUEUE_BYTES);
  assert_int_equal (push (&queue, "x", 0), 1);
  assert_int_equal (queue.events.length, fit);
  /* What is too large is dropped itself, and its number is missing. */
  assert_int_equal (pvt_event_queue_push (&queue, large, PVT_EVENT_MAX + 1, 1, 8), 8);
  assert_int_equal (queue.dropped, 2);
  assert_int_equal (queue.last_number, fit + 2);
  pvt_event_queue_clear (&queue);
}

static gboolean
differs (PvtChanges *changes, const char *name, const char *text)
{
  return pvt_changes_differs (changes, name, text, strlen (text));
}

static void
changes_are_seen (void **state G_GNUC_UNUSED)
{
  g_autoptr (GPtrArray) gone = g_ptr_array_new_with_free_func (g_free);
  PvtChanges changes = { .seen = NULL };

  pvt_changes_begin (&changes, FALSE);
  assert_true (differs (&changes, "a", "1"));
  assert_true (differs (&changes, "b", "1"));
  pvt_changes_end (&changes, gone);
  assert_int_equal (gone->len, 0);
  pvt_changes_begin (&changes, FALSE);
  assert_false (differs (&changes, "a", "1"));
  assert_true (differs (&changes, "c", "1"));
  pvt_changes_end (&changes, gone);
  assert_int_equal (gone->len, 1);
  assert_string_equal (gone->pdata[0], "b");
  /* It is told once that it is gone, and what comes back is new. */
  pvt_changes_begin (&changes, FALSE);
  assert_true (differs (&changes, "a", "2"));
  assert_true (differs (&changes, "b", "1"));
  assert_false (differs (&changes, "c", "1"));
  pvt_changes_end (&changes, gone);
  assert_int_equal (gone->len, 1);
  pvt_changes_begin (&changes, TRUE);
  assert_true (differs (&changes, "a", "2"));
  pvt_changes_end (&changes, gone);
  assert_int_equal (gone->len, 3);
  pvt_changes_clear (&changes);
}

/* Whoever has the same period is served in the same wake-up. */
static void
schedules_meet (void **state G_GNUC_UNUSED)
{
  PvtSchedule a = { 1000, 5 }, b = { 1000, 777 }, never = { 0, 0 };

  assert_true (pvt_schedule_take (&a, 5));
  assert_int_equal (a.due, 1000);
  assert_false (pvt_schedule_take (&b, 776));
  assert_true (pvt_schedule_take (&b, 777));
  assert_int_equal (b.due, 1000);
  assert_false (pvt_schedule_take (&never, G_MAXINT64));
  /* What was slept through is not made up for. */
  assert_true (pvt_schedule_take (&a, 1000000));
  assert_int_equal (a.due, 1001000);
}

static void
subscribers_are_bounded (void **state G_GNUC_UNUSED)
{
  PvtSubscribeArgs args = { .has_heartbeat_ms = TRUE, .heartbeat_ms = 100 };
  PvtSubscriber *all[PVT_MAX_SUBSCRIPTIONS];

  for (guint i = 0; i < PVT_MAX_SUBSCRIPTIONS; i++)
    {
      all[i] = pvt_subscriber_new (&args, 0);
      assert_non_null (all[i]);
    }
  assert_null (pvt_subscriber_new (&args, 0));
  pvt_subscriber_unref (all[0]);
  all[0] = pvt_subscriber_new (&args, 0);
  assert_non_null (all[0]);
  for (guint i = 0; i < PVT_MAX_SUBSCRIPTIONS; i++)
    pvt_subscriber_unref (all[i]);
}

/* The event that waits, as text. */
static char *
waiting (PvtSubscriber *s)
{
  const PvtQueuedEvent *event = pvt_event_queue_peek (&s->queue);
  char *text = event ? g_strndup (event->body, event->len) : NULL;

  if (event)
    pvt_event_queue_pop (&s->queue);
  return text;
}

static void
report (PvtSubscriber *s, guint first, guint n)
{
  static const PvtMetricGroup group = PVT_METRIC_GROUP_LINKS;
  PvtSample *sample = pvt_sample_new (TRUE);
  const PvtSample *samples[] = { sample };

  for (guint i = first; i < first + n; i++)
    {
      g_autofree char *name = g_strdup_printf ("eth%u", i);
      PvtLinkTotals totals = { .name = name };

      pvt_sample_add (sample, name, &pvt_link_totals_type, &totals);
    }
  pvt_subscriber_report (s, &group, samples, 1);
  pvt_sample_free (sample);
}

static void
reports (void **state G_GNUC_UNUSED)
{
  PvtSubscribeArgs args = { .has_heartbeat_ms = FALSE };
  PvtSubscriber *s = pvt_subscriber_new (&args, 0);
  g_autofree char *first = NULL, *second = NULL, *third = NULL, *fourth = NULL;

  report (s, 0, 2);
  first = waiting (s);
  assert_non_null (strstr (first, "\"full\": [\"links\"]"));
  assert_non_null (strstr (first, "eth1"));
  report (s, 0, 2);
  assert_null (waiting (s));
  report (s, 1, 2);
  second = waiting (s);
  assert_null (strstr (second, "\"full\""));
  assert_null (strstr (second, "eth1"));
  assert_non_null (strstr (second, "\"gone\": [{\"group\": \"links\", \"name\": \"eth0\"}]"));
  assert_non_null (strstr (second, "eth2"));
  /* A list that is cut says so. */
  report (s, 0, PVT_SAMPLE_MAX_ENTRIES + 1);
  third = waiting (s);
  assert_non_null (strstr (third, "\"truncated\": [{\"group\": \"links\", \"total\": 65}]"));
  assert_null (strstr (third, "eth64"));
  /* A report that never left: the next is whole. */
  report (s, 0, 1);
  for (guint i = 0; i < PVT_EVENT_QUEUE_MAX; i++)
    pvt_subscriber_push (s, "heartbeat", "{}", 2);
  pvt_event_queue_clear (&s->queue);
  report (s, 0, 1);
  fourth = waiting (s);
  assert_non_null (strstr (fourth, "\"full\": [\"links\"]"));
  assert_non_null (strstr (fourth, "eth0"));
  pvt_subscriber_unref (s);
}

static void
netdev (void **state G_GNUC_UNUSED)
{
  static const char text[]
      = "Inter-|   Receive                                                |  Transmit\n"
        " face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed\n"
        "    lo:    1296      16    0    0    0     0          0         0     1296      16    0    0    0     0       0          0\n"
        "enp0s3:12 13 14 15 0 0 0 0 22 23 24 25 0 0 0 0\n"
        "short: 1 2 3\n"
        "a-name-that-is-too-long: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n";
  g_autoptr (GArray) devices = g_array_new (FALSE, FALSE, sizeof (PvtNetdev));
  const PvtNetdev *second;

  pvt_netdev_parse (text, strlen (text), devices);
  assert_int_equal (devices->len, 2);
  second = &g_array_index (devices, PvtNetdev, 1);
  assert_string_equal (second->name, "enp0s3");
  assert_int_equal (second->rx_bytes, 12);
  assert_int_equal (second->rx_dropped, 15);
  assert_int_equal (second->tx_bytes, 22);
  assert_int_equal (second->tx_dropped, 25);
}

static gboolean
parse (const char *text, PvtKmsgRecord *record)
{
  return pvt_kmsg_parse (text, strlen (text), record);
}

static void
kernel_records (void **state G_GNUC_UNUSED)
{
  g_autofree char *filler = g_strnfill (PVT_KMSG_TEXT + 100, 'x');
  g_autofree char *long_one = g_strconcat ("4,1,2,-;", filler, NULL);
  PvtKmsgRecord record;

  assert_true (parse ("4,339,5140900,-;NET: Registered \\x1b[1m\n SUBSYSTEM=net\n", &record));
  assert_int_equal (record.level, 4);
  assert_int_equal (record.facility, 0);
  assert_int_equal (record.sequence, 339);
  assert_int_equal (record.time_us, 5140900);
  assert_string_equal (record.text, "NET: Registered \x1b[1m");
  assert_true (parse ("30,1,2,c,caller=T1;systemd[1]: x", &record));
  assert_int_equal (record.level, 6);
  assert_int_equal (record.facility, 3);
  assert_true (parse (long_one, &record));
  assert_int_equal (strlen (record.text), PVT_KMSG_TEXT);
  assert_true (parse ("4,1,2,-;a\\x00b\\xzz", &record));
  assert_string_equal (record.text, "ab\\xzz");
  assert_true (parse ("4,1,2,-;", &record));
  assert_string_equal (record.text, "");
  assert_false (parse ("", &record));
  assert_false (parse ("4,1,2,-", &record));
  assert_false (parse ("4,1;2,-;x", &record));
  assert_false (parse ("4,,2,-;x", &record));
  assert_false (parse ("x4,1,2,-;x", &record));
  assert_false (parse ("4,99999999999999999999,2,-;x", &record));
}

static void
out_of_memory (void **state G_GNUC_UNUSED)
{
  PvtKmsgRecord record;
  PvtKmsgOom oom;

  assert_true (parse ("3,1,2,-;Out of memory: Killed process 812 (tail) total-vm:3072000kB, anon-rss:900000kB\n", &record));
  assert_true (pvt_kmsg_is_oom (&record, &oom));
  assert_int_equal (oom.pid, 812);
  assert_string_equal (oom.process, "tail");
  assert_false (oom.cgroup);
  assert_true (parse ("3,1,2,-;Memory cgroup out of memory: Killed process 9 (a) (b) total-vm:1kB\n", &record));
  assert_true (pvt_kmsg_is_oom (&record, &oom));
  assert_string_equal (oom.process, "a) (b");
  assert_true (oom.cgroup);
  /* A program that writes the same is not believed. */
  assert_true (parse ("11,1,2,-;Out of memory: Killed process 812 (tail) total-vm:1kB\n", &record));
  assert_false (pvt_kmsg_is_oom (&record, &oom));
  assert_true (parse ("3,1,2,-;Out of memory: Killed process x (tail)", &record));
  assert_false (pvt_kmsg_is_oom (&record, &oom));
  assert_true (parse ("3,1,2,-;Out of memory: Killed process 812 (tail", &record));
  assert_false (pvt_kmsg_is_oom (&record, &oom));
  assert_true (parse ("3,1,2,-;Out of memory: Killed process 812 ", &record));
  assert_false (pvt_kmsg_is_oom (&record, &oom));
}

static void
rates (void **state G_GNUC_UNUSED)
{
  PvtRate rate = { .burst = 3, .per_second = 2 };
  guint64 suppressed = 9;

  for (guint i = 0; i < 3; i++)
    assert_true (pvt_rate_pass (&rate, 1000, &suppressed));
  assert_int_equal (suppressed, 0);
  assert_false (pvt_rate_pass (&rate, 1000, &suppressed));
  assert_false (pvt_rate_pass (&rate, 400000, &suppressed));
  assert_true (pvt_rate_pass (&rate, 600000, &suppressed));
  assert_int_equal (suppressed, 2);
  assert_false (pvt_rate_pass (&rate, 600000, &suppressed));
  /* A long time makes no more than the burst. */
  for (guint i = 0; i < 3; i++)
    assert_true (pvt_rate_pass (&rate, G_GINT64_CONSTANT (3600000000), &suppressed));
  assert_false (pvt_rate_pass (&rate, G_GINT64_CONSTANT (3600000000), &suppressed));
}

static void
unit_names (void **state G_GNUC_UNUSED)
{
  char name[16];

  assert_true (pvt_unit_of_path ("/org/freedesktop/systemd1/unit/cron_2eservice", name, sizeof name));
  assert_string_equal (name, "cron.service");
  assert_false (pvt_unit_of_path ("/org/freedesktop/systemd1/unit/", name, sizeof name));
  assert_false (pvt_unit_of_path ("/org/freedesktop/systemd1/unit/a_2", name, sizeof name));
  assert_false (pvt_unit_of_path ("/org/freedesktop/login1", name, sizeof name));
  assert_true (pvt_unit_of_path ("/org/freedesktop/systemd1/unit/0123456789abcdefg", name, sizeof name));
  assert_string_equal (name, "0123456789abcde");
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (queue_keeps_order),         cmocka_unit_test (queue_drops_the_oldest),
    cmocka_unit_test (queue_is_bounded_in_bytes), cmocka_unit_test (changes_are_seen),
    cmocka_unit_test (schedules_meet),            cmocka_unit_test (subscribers_are_bounded),
    cmocka_unit_test (reports),                   cmocka_unit_test (netdev),
    cmocka_unit_test (kernel_records),            cmocka_unit_test (out_of_memory),
    cmocka_unit_test (rates),                     cmocka_unit_test (unit_names),
  };

  return cmocka_run_group_tests_name ("telemetry", tests, NULL, NULL);
}
