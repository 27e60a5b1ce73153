/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "top-guest.h"

#include "page-look.h"
#include "top-page.h"

#include <string.h>

#define RETRY_MS 2000

/* Two reports: rates are differences. */
#define ENOUGH 2

/* Filesystems fill up slowly, and to ask them costs most. */
#define FILESYSTEMS_S 10

/* Of /proc/diskstats, whatever the disk's are: iostats.rst. */
#define SECTOR 512

typedef struct
{
  PvtTopGuest shown;
  const PvtTopOptions *options;
  gatomicrefcount refs; /* a poll that is under way has one */
  PvtWatch *watch;
  guint timer;
  gboolean closed;
  PvtTopPage *page;
  gboolean alone;            /* it has no channel */
  gboolean by_channel;       /* or by its page */
  gboolean starting, polling; /* an answer of the channel is still to come */
} Guest;

static void start (Guest *guest);
static void poll_soon (Guest *guest, guint ms);

static void
unref (Guest *guest)
{
  if (!g_atomic_ref_count_dec (&guest->refs))
    return;
  pvt_top_state_clear (&guest->shown.state);
  g_free (guest->shown.name);
  g_free (guest->shown.address);
  g_free (guest->shown.trouble);
  g_free (guest);
}

static void
changed (Guest *guest)
{
  if (!guest->closed)
    guest->options->changed (guest->options->user_data);
}

static void
set_trouble (Guest *guest, const GError *error)
{
  const char *text = error->message;

  if (g_error_matches (error, PVT_CLIENT_ERROR, PVT_CLIENT_ERROR_NOT_CONNECTED)
      || g_error_matches (error, PVT_CLIENT_ERROR, PVT_CLIENT_ERROR_DISCONNECTED))
    text = "no channel";
  else if (g_error_matches (error, PVT_CLIENT_ERROR, PVT_CLIENT_ERROR_TIMEOUT_BEFORE_SENT)
           || g_error_matches (error, PVT_CLIENT_ERROR, PVT_CLIENT_ERROR_TIMEOUT_AFTER_SENT))
    text = "no answer";
  g_free (guest->shown.trouble);
  guest->shown.trouble = g_strdup (text);
  /* Rates over the time it was away would be wrong. */
  pvt_top_state_clear (&guest->shown.state);
  changed (guest);
}

/* ---- asked ---- */

typedef struct
{
  PvtEvent event; /* what a guest that pushes would have told */
  PvtMetricsReport report;
  gboolean has_times;
  guint64 busy_ms, all_ms;
  gboolean has_share;
  double share;
  GPtrArray *any_filesystems; /* PvtGuestFilesystemInfo */
  gboolean has_disks, has_links;
  PvtDiskTotals disks; /* all of them, and all interfaces but the loopback */
  PvtLinkTotals links;
  GError *error;
} Answer;

static void
free_answer (gpointer data)
{
  Answer *answer = data;

  g_clear_pointer (&answer->report.memory, pvt_memory_free);
  g_clear_pointer (&answer->report.load, pvt_guest_load_average_free);
  g_clear_pointer (&answer->report.filesystems, g_ptr_array_unref);
  g_clear_pointer (&answer->any_filesystems, g_ptr_array_unref);
  g_clear_error (&answer->error);
  g_free (answer);
}

static void
ask_pvtools (Answer *answer, PvtClient *client)
{
  PvtGetCpuUsageArgs args = { .has_interval_ms = TRUE, .interval_ms = 200 };
  g_autoptr (PvtCpuUsage) cpu = pvt_client_get_cpu_usage (client, &args, -1, NULL, NULL);

  answer->has_share = cpu != NULL;
  answer->share = cpu ? CLAMP (1 - cpu->total->idle - cpu->total->iowait, 0, 1) : 0;
  answer->report.memory = pvt_client_get_memory (client, -1, NULL, NULL);
  answer->report.filesystems = pvt_client_get_filesystems (client, -1, NULL, NULL);
}

/* qemu-ga 7.1 and later count ticks of each CPU. */
static void
ask_stock (Answer *answer, PvtClient *client)
{
  g_autoptr (GPtrArray) cpus = pvt_client_guest_get_cpustats (client, -1, NULL, NULL);

  for (guint i = 0; cpus && i < cpus->len; i++)
    {
      const PvtGuestCpuStats *stats = cpus->pdata[i];
      const PvtGuestLinuxCpuStats *c = stats->linux_;
      guint64 busy;

      if (c == NULL)
        continue;
      busy = c->user + c->nice + c->system + c->irq + c->softirq + c->steal;
      answer->has_times = TRUE;
      answer->busy_ms += busy;
      answer->all_ms += busy + c->idle + c->iowait;
    }
  answer->any_filesystems = pvt_client_guest_get_fsinfo (client, -1, NULL, NULL);
}

/* Parts of disks are among them. */
static void
ask_disks (Answer *answer, PvtClient *client)
{
  g_autoptr (GPtrArray) disks = pvt_client_guest_get_diskstats (client, -1, NULL, NULL);
  g_autoptr (GHashTable) names = g_hash_table_new (g_str_hash, g_str_equal);

  for (guint i = 0; disks && i < disks->len; i++)
    g_hash_table_add (names, ((PvtGuestDiskStatsInfo *) disks->pdata[i])->name);
  for (guint i = 0; disks && i < disks->len; i++)
    {
      const PvtGuestDiskStatsInfo *disk = disks->pdata[i];

      if (!disk->stats->has_read_sectors || !disk->stats->has_write_sectors || !pvt_top_counts_disk (disk->name, names))
        continue;
      answer->has_disks = TRUE;
      answer->disks.read_bytes += disk->stats->read_sectors * SECTOR;
      answer->disks.written_bytes += disk->stats->write_sectors * SECTOR;
    }
}

static void
ask_links (Answer *answer, PvtClient *client)
{
  g_autoptr (GPtrArray) links = pvt_client_guest_network_get_interfaces (client, -1, NULL, NULL);

  for (guint i = 0; links && i < links->len; i++)
    {
      const PvtGuestNetworkInterface *link = links->pdata[i];

      if (link->statistics == NULL || strcmp (link->name, "lo") == 0)
        continue;
      answer->has_links = TRUE;
      answer->links.rx_bytes += link->statistics->rx_bytes;
      answer->links.tx_bytes += link->statistics->tx_bytes;
    }
}

static void
poll_thread (GTask *task, gpointer source G_GNUC_UNUSED, gpointer data,
             GCancellable *cancellable G_GNUC_UNUSED)
{
  Guest *guest = data;
  Answer *answer = g_new0 (Answer, 1);
  g_autoptr (PvtClient) client = pvt_client_connect (guest->shown.address, guest->options->timeout_ms,
                                                     NULL, &answer->error);

  if (client)
    pvt_client_set_timeout (client, guest->options->timeout_ms);
  if (client && pvt_client_get_agent_version (client, -1, NULL, &answer->error))
    {
      answer->report.load = pvt_client_guest_get_load (client, -1, NULL, NULL);
      if (pvt_client_is_pvtools (client, -1, NULL, NULL))
        ask_pvtools (answer, client);
      else
        ask_stock (answer, client);
      ask_disks (answer, client);
      ask_links (answer, client);
      /* By our clock: a stock agent does not tell the guest's. */
      answer->report.monotonic_ns = (guint64) g_get_monotonic_time () * 1000;
    }
  g_task_return_pointer (task, answer, free_answer);
}

static void
take_answer (Guest *guest, const Answer *answer)
{
  PvtTopState *state = &guest->shown.state;
  PvtEvent event = answer->event;
  PvtMetricsReport report = answer->report;
  g_autoptr (GPtrArray) disks = g_ptr_array_new (), links = g_ptr_array_new ();
  gboolean first = TRUE;

  report.disks = answer->has_disks ? disks : NULL;
  report.links = answer->has_links ? links : NULL;
  g_ptr_array_add (disks, (gpointer) &answer->disks);
  g_ptr_array_add (links, (gpointer) &answer->links);
  event.metrics = &report;
  pvt_top_take (state, &event);
  if (answer->has_times)
    pvt_top_take_times (state, answer->busy_ms, answer->all_ms);
  if (answer->has_share)
    {
      state->figures.has_cpu = TRUE;
      state->figures.cpu = answer->share;
    }
  for (guint i = 0; answer->any_filesystems && i < answer->any_filesystems->len; i++)
    {
      const PvtGuestFilesystemInfo *fs = answer->any_filesystems->pdata[i];

      if (!fs->has_used_bytes || !fs->has_total_bytes || fs->used_bytes > fs->total_bytes)
        continue;
      pvt_top_take_filesystem (state, first, fs->mountpoint, fs->used_bytes,
                               fs->total_bytes - fs->used_bytes);
      first = FALSE;
    }
  g_clear_pointer (&guest->shown.trouble, g_free);
  guest->shown.source = "polled";
  guest->shown.reports++;
  changed (guest);
}

static void
polled (GObject *source G_GNUC_UNUSED, GAsyncResult *result, gpointer data)
{
  Guest *guest = data;
  Answer *answer = g_task_propagate_pointer (G_TASK (result), NULL);

  guest->polling = FALSE;
  if (answer && !guest->closed && guest->by_channel)
    {
      if (answer->error)
        set_trouble (guest, answer->error);
      else
        take_answer (guest, answer);
      poll_soon (guest, answer->error ? RETRY_MS : (guint) (guest->options->interval * 1000));
    }
  if (answer)
    free_answer (answer);
  unref (guest);
}

static gboolean
poll_now (gpointer data)
{
  Guest *guest = data;
  g_autoptr (GTask) task = NULL;

  guest->timer = 0;
  guest->polling = TRUE;
  g_atomic_ref_count_inc (&guest->refs);
  task = g_task_new (NULL, NULL, polled, guest);
  g_task_set_task_data (task, guest, NULL);
  g_task_run_in_thread (task, poll_thread);
  return G_SOURCE_REMOVE;
}

static void
poll_soon (Guest *guest, guint ms)
{
  guest->timer = g_timeout_add (ms, poll_now, guest);
}

/* ---- pushed ---- */

static void
on_event (PvtWatch *watch G_GNUC_UNUSED, const PvtEvent *event, gpointer data)
{
  Guest *guest = data;

  pvt_top_take (&guest->shown.state, event);
  if (event->metrics && event->metrics->cpu)
    guest->shown.reports++;
  changed (guest);
}

static gboolean
try_again (gpointer data)
{
  Guest *guest = data;

  guest->timer = 0;
  start (guest);
  return G_SOURCE_REMOVE;
}

static void
on_closed (PvtWatch *watch G_GNUC_UNUSED, const GError *error, gpointer data)
{
  Guest *guest = data;

  set_trouble (guest, error);
  guest->timer = g_timeout_add (RETRY_MS, try_again, guest);
}

static void
on_started (GObject *source, GAsyncResult *result, gpointer data)
{
  Guest *guest = data;
  g_autoptr (GError) error = NULL;
  gboolean ok = pvt_watch_start_finish (PVT_WATCH (source), result, &error);

  guest->starting = FALSE;
  if (guest->closed || !guest->by_channel)
    pvt_watch_stop (PVT_WATCH (source));
  else if (ok)
    {
      guest->shown.source = "pushed";
      g_clear_pointer (&guest->shown.trouble, g_free);
    }
  /* No extended channel, or an agent of before telemetry: it is asked. */
  else if (g_error_matches (error, PVT_CLIENT_ERROR, PVT_CLIENT_ERROR_UNSUPPORTED)
           || error->domain == PVT_AGENT_ERROR)
    poll_soon (guest, 0);
  else
    on_closed (guest->watch, error, guest);
  unref (guest);
}

static void
start (Guest *guest)
{
  guest->starting = TRUE;
  g_atomic_ref_count_inc (&guest->refs);
  pvt_watch_start_async (guest->watch, guest->options->timeout_ms, on_started, guest);
}

/* ---- page or channel ---- */

static void
use_channel (Guest *guest)
{
  if (guest->by_channel)
    return;
  guest->by_channel = TRUE;
  /* What was under way when it was left goes on. */
  if (!guest->starting && !guest->polling)
    start (guest);
}

static void
leave_channel (Guest *guest)
{
  if (!guest->by_channel)
    return;
  guest->by_channel = FALSE;
  g_clear_handle_id (&guest->timer, g_source_remove);
  if (!guest->starting)
    pvt_watch_stop (guest->watch);
  pvt_top_state_clear (&guest->shown.state);
}

static void
on_page (const PvtPageFigures *figures, const char *why, gpointer data)
{
  Guest *guest = data;
  g_autoptr (GError) error = NULL;

  if (figures)
    {
      leave_channel (guest);
      pvt_top_take_page (&guest->shown.state, figures);
      g_clear_pointer (&guest->shown.trouble, g_free);
      guest->shown.source = "page";
      guest->shown.reports++;
      changed (guest);
    }
  else if (why && guest->alone)
    {
      error = g_error_new_literal (PVT_CLIENT_ERROR, PVT_CLIENT_ERROR_FAILED, why);
      set_trouble (guest, error);
    }
  else if (why && !guest->by_channel)
    {
      pvt_top_state_clear (&guest->shown.state);
      use_channel (guest);
    }
}

PvtTopGuest *
pvt_top_guest_new (const char *name, const char *address, const char *page, const PvtTopOptions *options)
{
  static const PvtMetricGroup groups[]
      = { PVT_METRIC_GROUP_CPU,  PVT_METRIC_GROUP_MEMORY, PVT_METRIC_GROUP_LOAD,
          PVT_METRIC_GROUP_DISKS, PVT_METRIC_GROUP_LINKS };
  Guest *guest = g_new0 (Guest, 1);
  guint period = (guint) (options->interval * 1000);

  g_atomic_ref_count_init (&guest->refs);
  guest->options = options;
  guest->shown.name = g_strdup (name);
  guest->shown.address = g_strdup (address);
  guest->shown.source = "-";
  guest->watch = pvt_watch_new (address);
  pvt_watch_set_heartbeat (guest->watch, period);
  for (guint i = 0; i < G_N_ELEMENTS (groups); i++)
    pvt_watch_add_metrics (guest->watch, groups[i], period, TRUE);
  pvt_watch_add_metrics (guest->watch, PVT_METRIC_GROUP_FILESYSTEMS,
                         MAX (period, FILESYSTEMS_S * 1000), TRUE);
  g_signal_connect (guest->watch, "event", G_CALLBACK (on_event), guest);
  g_signal_connect (guest->watch, "closed", G_CALLBACK (on_closed), guest);
  guest->alone = pvt_page_address_file (address) != NULL;
  if (page)
    guest->page = pvt_top_page_new (page, period, on_page, guest);
  else
    use_channel (guest);
  return &guest->shown;
}

void
pvt_top_guest_free (PvtTopGuest *shown)
{
  Guest *guest = (Guest *) shown;

  guest->closed = TRUE;
  g_clear_pointer (&guest->page, pvt_top_page_free);
  g_clear_handle_id (&guest->timer, g_source_remove);
  g_signal_handlers_disconnect_by_data (guest->watch, guest);
  g_clear_object (&guest->watch);
  unref (guest);
}

gboolean
pvt_top_guest_is_settled (const PvtTopGuest *guest)
{
  return guest->trouble != NULL || guest->reports >= ENOUGH;
}
