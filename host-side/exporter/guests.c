/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guests.h"

#include "collect.h"
#include "gather.h"
#include "guest.h"
#include "libvirt-names.h"

#include <string.h>

/* Threads that ask guests which answered last time, and all others. Those of
 * libvirt have their own: when it hangs, no deadline of ours ends a call. */
#define WORKERS_TRUSTED 8
#define WORKERS_DOUBTFUL 24
#define WORKERS_LIBVIRT 8
/* Those that ask guests for what their pages do not hold: nobody waits for them. */
#define WORKERS_REST 8

/* Records that nobody wanted for so long are forgotten. */
#define FORGET_US (15 * 60 * (gint64) G_USEC_PER_SEC)

/* A monitor is connected to in milliseconds, unless another has it. */
#define CHANNEL_WAIT_US (2 * G_USEC_PER_SEC)

/* Upper bounds of the histogram's buckets, seconds. */
static const double bounds[] = { 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10 };

struct _PvtGuests
{
  PvtGuestsConfig config;
  GMutex lock;
  GCond told; /* a channel, or the end */
  GHashTable *by_address; /* PvtGuest */
  GThreadPool *trusted, *doubtful, *libvirt, *rest;
  PvtGatherTimer *timer;
  gint64 swept;
  gboolean ending; /* who is in the queue is not asked any more */
  guint64 succeeded, failed, cached;
  guint64 buckets[G_N_ELEMENTS (bounds) + 1];
  double seconds;
  guint64 late_buckets[G_N_ELEMENTS (bounds) + 1];
  double late_seconds;
  PvtMetrics *states[PVT_HEALTH_N_STATES]; /* sealed, one for each */
};

static guint
bucket_of (double seconds)
{
  guint i = 0;

  while (i < G_N_ELEMENTS (bounds) && seconds > bounds[i])
    i++;
  return i;
}

/* How much later than its turn a guest is asked. */
static void
count_late (PvtGuests *guests, const PvtGuest *guest)
{
  double late = (double) MAX (g_get_monotonic_time () - guest->due, 0) / 1e6;

  guests->late_buckets[bucket_of (late)]++;
  guests->late_seconds += late;
}

static void
count (PvtGuests *guests, gboolean ok, double seconds)
{
  guests->buckets[bucket_of (seconds)]++;
  guests->seconds += seconds;
  if (ok)
    guests->succeeded++;
  else
    guests->failed++;
}

/* With the lock held: whoever still waits? */
static gboolean
is_wanted (const PvtGuest *guest)
{
  if (guest->in_turn)
    return TRUE;
  for (guint i = 0; i < guest->waiters->len; i++)
    if (!pvt_gather_is_over (guest->waiters->pdata[i]))
      return TRUE;
  return FALSE;
}

/* With the lock held, and dropped meanwhile: those that wait have no lock order
 * with us. */
static void
tell_waiters (PvtGuests *guests, PvtGuest *guest)
{
  g_autoptr (GPtrArray) waiters = guest->waiters;
  g_autoptr (PvtMetrics) metrics = guest->metrics ? pvt_metrics_ref (guest->metrics) : NULL;

  guest->waiters = g_ptr_array_new ();
  guest->asking = guest->in_turn = FALSE;
  g_mutex_unlock (&guests->lock);
  for (guint i = 0; i < waiters->len; i++)
    {
      pvt_gather_deliver (waiters->pdata[i], guest->address, metrics);
      pvt_gather_unref (waiters->pdata[i]);
    }
  g_mutex_lock (&guests->lock);
}

static PvtGuestTimes
times_of (const PvtGuestsConfig *config)
{
  return (PvtGuestTimes){ (gint64) config->max_age_ms * 1000, (gint64) config->refresh_ms * 1000,
                          (gint64) config->timeout_ms * 1000, (gint64) config->rest_ms * 1000 };
}

/* With the lock held, and dropped meanwhile. Where the guest is asked: the caller
 * frees. NULL: its monitor has not told yet. */
static char *
channel_of (PvtGuests *guests, const PvtGuest *guest)
{
  gint64 until = g_get_monotonic_time () + CHANNEL_WAIT_US;

  while (guest->monitored && guest->channel == NULL && !guests->ending)
    if (!g_cond_wait_until (&guests->told, &guests->lock, until))
      break;
  return g_strdup (guest->monitored ? guest->channel : guest->address);
}

#define PAGE_SCHEME "page:"

/* A guest that is nothing but its page. */
static gboolean
has_channel (const PvtGuest *guest)
{
  return !g_str_has_prefix (guest->address, PAGE_SCHEME);
}

/* The caller frees. */
static char *
page_of (PvtGuests *guests, const PvtGuest *guest)
{
  if (!has_channel (guest))
    return g_strdup (guest->address + strlen (PAGE_SCHEME));
  return guests->config.page_of ? guests->config.page_of (guests->config.user_data, guest->address) : NULL;
}

static void
collect (const char *channel, int timeout_ms, PvtMetrics *metrics, PvtSign *sign, GError **error)
{
  if (channel)
    pvt_collect_guest (channel, timeout_ms, metrics, sign, error);
  else
    g_set_error_literal (error, PVT_CLIENT_ERROR, PVT_CLIENT_ERROR_DISCONNECTED,
                         "the monitor does not tell where the agent's channel is");
}

/* One look at a guest: its page if that serves, or else its channel. */
typedef struct
{
  PvtMetrics *metrics;
  PvtSign sign;
  GError *error;
  double seconds;
  gboolean by_page;
} Round;

/* Without the lock. */
static void
look_at_page (PvtGuests *guests, PvtGuest *guest, PvtMetrics *rest, const char *boot_id, Round *round)
{
  const PvtGuestTimes times = times_of (&guests->config);
  /* Whom nobody can ask is worth waiting for, unless its turn comes again by itself. */
  gboolean comes_again = times.refresh > 0 && !has_channel (guest);
  gint64 patience = (has_channel (guest) && times.rest) || comes_again ? 0 : times.timeout;

  round->by_page = pvt_shared_collect (&guest->shared, boot_id, patience, rest, round->metrics,
                                       &round->sign, &round->error);
}

/* With the lock held, and dropped meanwhile. */
static void
ask_channel (PvtGuests *guests, PvtGuest *guest, Round *round)
{
  g_autofree char *channel = channel_of (guests, guest);

  guest->rest.rounds++;
  g_mutex_unlock (&guests->lock);
  g_clear_error (&round->error);
  collect (channel, guests->config.timeout_ms, round->metrics, &round->sign, &round->error);
  g_mutex_lock (&guests->lock);
}

/* With the lock held, and dropped meanwhile. */
static void
go_round (PvtGuests *guests, PvtGuest *guest, Round *round)
{
  const PvtGuestTimes times = times_of (&guests->config);
  g_autoptr (PvtMetrics) rest = pvt_guest_rest (guest, &times);
  g_autofree char *boot_id = g_strdup (guest->rest.boot_id);
  gint64 began = g_get_monotonic_time ();

  round->metrics = pvt_metrics_new ();
  g_mutex_unlock (&guests->lock);
  {
    g_autofree char *file = page_of (guests, guest);

    pvt_shared_set_file (&guest->shared, file);
    if (file)
      look_at_page (guests, guest, rest, boot_id, round);
  }
  g_mutex_lock (&guests->lock);
  if (!round->by_page && has_channel (guest))
    ask_channel (guests, guest, round);
  if (guests->config.libvirt_names)
    pvt_libvirt_names_add (round->metrics);
  round->seconds = (double) (g_get_monotonic_time () - began) / 1e6;
}

/* With the lock held: what its page does not hold is asked when it is old, and nobody
 * waits for that. */
static void
renew_rest (PvtGuests *guests, PvtGuest *guest)
{
  if (guests->config.rest_ms == 0 || !has_channel (guest) || guest->rest.asking
      || guest->rest.due > g_get_monotonic_time ())
    return;
  guest->rest.asking = TRUE;
  g_thread_pool_push (guests->rest, pvt_guest_ref (guest), NULL);
}

/* A thread's work: the rest of one guest. */
static void
ask_rest (gpointer data, gpointer user_data)
{
  PvtGuest *guest = data;
  PvtGuests *guests = user_data;
  const PvtGuestTimes times = times_of (&guests->config);
  Round round = { .metrics = pvt_metrics_new () };

  g_mutex_lock (&guests->lock);
  if (!guests->ending)
    {
      ask_channel (guests, guest, &round);
      pvt_metrics_seal (round.metrics);
      if (round.error)
        guest->errors[pvt_reason_of (round.error)]++;
      pvt_guest_take_rest (guest, round.metrics, &round.sign, round.error, &times);
    }
  guest->rest.asking = FALSE;
  guest->left_at = g_get_monotonic_time ();
  g_mutex_unlock (&guests->lock);
  pvt_metrics_unref (round.metrics);
  g_clear_error (&round.error);
  pvt_guest_unref (guest);
}

/* A thread's work: one guest. */
static void
ask (gpointer data, gpointer user_data)
{
  PvtGuest *guest = data;
  PvtGuests *guests = user_data;
  const PvtGuestTimes times = times_of (&guests->config);
  g_autofree char *news = NULL;
  Round round = { 0 };

  g_mutex_lock (&guests->lock);
  /* It waited in the queue for so long that nobody waits for it any more. */
  if (!guests->ending && is_wanted (guest))
    {
      if (guest->in_turn && guest->metrics)
        count_late (guests, guest);
      go_round (guests, guest, &round);
      count (guests, round.error == NULL, round.seconds);
      /* A page alone is new in its first turn. */
      if (!times.refresh || guest->shared.file == NULL || guest->shared.state != PVT_SHARED_NEW)
        news = pvt_guest_news (guest, round.error);
      pvt_guest_finish (guest, round.metrics, &round.sign, round.error, round.seconds, &times);
      if (round.by_page)
        renew_rest (guests, guest);
      else if (guest->shared.file)
        pvt_guest_take_rest (guest, guest->metrics, &round.sign, round.error, &times);
    }
  tell_waiters (guests, guest);
  g_mutex_unlock (&guests->lock);
  if (news)
    g_printerr ("pvtools-exporter: %s\n", news);
  g_clear_error (&round.error);
  pvt_guest_unref (guest);
}

/* A set of samples for each state, which guests share. */
static void
make_states (PvtGuests *guests)
{
  for (guint state = 0; state < PVT_HEALTH_N_STATES; state++)
    {
      guests->states[state] = pvt_metrics_new ();
      for (guint other = 0; other < PVT_HEALTH_N_STATES; other++)
        pvt_metrics_add (guests->states[state], PVT_F_HEALTH, state == other, "state",
                         pvt_health_state_name (other), NULL);
      if (guests->config.libvirt_names)
        pvt_libvirt_names_add_state (guests->states[state], state);
      pvt_metrics_seal (guests->states[state]);
    }
}

PvtGuests *
pvt_guests_new (const PvtGuestsConfig *config)
{
  PvtGuests *guests = g_new0 (PvtGuests, 1);

  guests->config = *config;
  g_mutex_init (&guests->lock);
  g_cond_init (&guests->told);
  guests->by_address
      = g_hash_table_new_full (g_str_hash, g_str_equal, NULL, (GDestroyNotify) pvt_guest_unref);
  guests->trusted = g_thread_pool_new (ask, guests, WORKERS_TRUSTED, FALSE, NULL);
  guests->doubtful = g_thread_pool_new (ask, guests, WORKERS_DOUBTFUL, FALSE, NULL);
  guests->libvirt = g_thread_pool_new (ask, guests, WORKERS_LIBVIRT, FALSE, NULL);
  guests->rest = g_thread_pool_new (ask_rest, guests, WORKERS_REST, FALSE, NULL);
  guests->timer = pvt_gather_timer_new ();
  make_states (guests);
  return guests;
}

void
pvt_guests_free (PvtGuests *guests)
{
  g_mutex_lock (&guests->lock);
  guests->ending = TRUE;
  g_cond_broadcast (&guests->told);
  g_mutex_unlock (&guests->lock);
  g_thread_pool_free (guests->trusted, FALSE, TRUE);
  g_thread_pool_free (guests->doubtful, FALSE, TRUE);
  g_thread_pool_free (guests->libvirt, FALSE, TRUE);
  g_thread_pool_free (guests->rest, FALSE, TRUE);
  pvt_gather_timer_free (guests->timer);
  g_hash_table_unref (guests->by_address);
  for (guint i = 0; i < PVT_HEALTH_N_STATES; i++)
    pvt_metrics_unref (guests->states[i]);
  g_mutex_clear (&guests->lock);
  g_cond_clear (&guests->told);
  g_free (guests);
}

static gboolean
is_forgettable (gpointer key G_GNUC_UNUSED, gpointer value, gpointer user_data)
{
  const PvtGuest *guest = value;
  gint64 now = *(gint64 *) user_data;

  return !guest->asking && guest->used + FORGET_US < now;
}

static PvtGuest *
find_or_make (PvtGuests *guests, const char *address)
{
  PvtGuest *guest;
  gint64 now = g_get_monotonic_time ();

  if (guests->swept + FORGET_US / 10 < now)
    {
      g_hash_table_foreach_remove (guests->by_address, is_forgettable, &now);
      guests->swept = now;
    }
  guest = g_hash_table_lookup (guests->by_address, address);
  if (guest == NULL)
    {
      guest = pvt_guest_new (address);
      g_hash_table_insert (guests->by_address, guest->address, guest);
    }
  guest->used = now;
  return guest;
}

PvtMetrics *
pvt_guests_known (PvtGuests *guests, const char *address)
{
  PvtMetrics *metrics = NULL;
  PvtGuest *guest;

  g_mutex_lock (&guests->lock);
  guest = find_or_make (guests, address);
  if (guest->metrics && guest->keep_until > g_get_monotonic_time ())
    {
      metrics = pvt_metrics_ref (guest->metrics);
      guests->cached++;
    }
  g_mutex_unlock (&guests->lock);
  return metrics;
}

void
pvt_guests_take_news (PvtGuests *guests, const char *address, const PvtHealthInput *input)
{
  g_mutex_lock (&guests->lock);
  pvt_health_input (&find_or_make (guests, address)->health, input, g_get_monotonic_time ());
  g_mutex_unlock (&guests->lock);
}

void
pvt_guests_set_channel (PvtGuests *guests, const char *address, const char *channel)
{
  PvtGuest *guest;

  g_mutex_lock (&guests->lock);
  guest = find_or_make (guests, address);
  guest->monitored = TRUE;
  g_free (guest->channel);
  guest->channel = g_strdup (channel);
  g_cond_broadcast (&guests->told);
  g_mutex_unlock (&guests->lock);
}

PvtGuestLook
pvt_guests_look (PvtGuests *guests, const char *address)
{
  PvtGuestLook look;
  const PvtGuest *guest;

  g_mutex_lock (&guests->lock);
  guest = find_or_make (guests, address);
  /* While its page is looked at its channel is left alone, or asked for the rest. */
  look = (PvtGuestLook){ guest->asking || guest->rest.asking, guest->failures, guest->left_at };
  g_mutex_unlock (&guests->lock);
  return look;
}

const PvtMetrics *
pvt_guests_health (PvtGuests *guests, const char *address)
{
  const PvtMetrics *state = NULL;
  PvtGuest *guest;

  g_mutex_lock (&guests->lock);
  guest = g_hash_table_lookup (guests->by_address, address);
  if (guest && guest->metrics)
    state = guests->states[pvt_guest_health (guest, g_get_monotonic_time ())];
  g_mutex_unlock (&guests->lock);
  return state;
}

static GThreadPool *
pool_of (PvtGuests *guests, const PvtGuest *guest)
{
  if (g_str_has_prefix (guest->address, "libvirt:"))
    return guests->libvirt;
  return guest->answered ? guests->trusted : guests->doubtful;
}

/* With the lock held. */
static void
hand_over (PvtGuests *guests, PvtGuest *guest)
{
  if (guest->asking)
    return;
  guest->asking = TRUE;
  g_thread_pool_push (pool_of (guests, guest), pvt_guest_ref (guest), NULL);
}

void
pvt_guests_ask (PvtGuests *guests, const char *address, PvtGather *gather)
{
  PvtGuest *guest;

  g_mutex_lock (&guests->lock);
  guest = find_or_make (guests, address);
  g_ptr_array_add (guest->waiters, pvt_gather_ref (gather));
  hand_over (guests, guest);
  g_mutex_unlock (&guests->lock);
}

void
pvt_guests_want (PvtGuests *guests, const char *address)
{
  gint64 period = (gint64) guests->config.refresh_ms * 1000, now = g_get_monotonic_time ();
  PvtGuest *guest;

  g_mutex_lock (&guests->lock);
  guest = find_or_make (guests, address);
  if (guest->due == 0 && !guest->asking)
    guest->due = guest->metrics ? pvt_guest_next_turn (guest, now, period) : now;
  g_mutex_unlock (&guests->lock);
}

gint64
pvt_guests_ask_due (PvtGuests *guests)
{
  gint64 now = g_get_monotonic_time (), next = G_MAXINT64;
  gint64 period = (gint64) guests->config.refresh_ms * 1000;
  GHashTableIter iter;
  gpointer value;

  g_mutex_lock (&guests->lock);
  g_hash_table_iter_init (&iter, guests->by_address);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    {
      PvtGuest *guest = value;

      if (guest->due == 0)
        continue;
      if (guest->due <= now && !guest->asking)
        {
          guest->in_turn = TRUE;
          hand_over (guests, guest);
        }
      /* When one that is being asked is due again is known when it has answered. */
      next = MIN (next, guest->asking ? pvt_guest_next_turn (guest, now, period) : guest->due);
    }
  g_mutex_unlock (&guests->lock);
  return next;
}

PvtGatherTimer *
pvt_guests_timer (PvtGuests *guests)
{
  return guests->timer;
}

static guint
count_backed_off (PvtGuests *guests)
{
  gint64 now = g_get_monotonic_time ();
  GHashTableIter iter;
  gpointer value;
  guint n = 0;

  g_hash_table_iter_init (&iter, guests->by_address);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    n += pvt_guest_is_backed_off (value, now);
  return n;
}

void
pvt_guests_add_metrics (PvtGuests *guests, PvtMetrics *metrics)
{
  g_mutex_lock (&guests->lock);
  pvt_metrics_add (metrics, PVT_F_BACKED_OFF, count_backed_off (guests), NULL);
  pvt_metrics_add (metrics, PVT_F_COLLECTS, (double) guests->succeeded, "result", "success", NULL);
  pvt_metrics_add (metrics, PVT_F_COLLECTS, (double) guests->failed, "result", "failure", NULL);
  pvt_metrics_add (metrics, PVT_F_CACHED, (double) guests->cached, NULL);
  pvt_metrics_add_histogram (metrics, PVT_F_DURATION, bounds, guests->buckets,
                             G_N_ELEMENTS (bounds), guests->seconds);
  if (guests->config.refresh_ms)
    pvt_metrics_add_histogram (metrics, PVT_F_LATE, bounds, guests->late_buckets,
                               G_N_ELEMENTS (bounds), guests->late_seconds);
  g_mutex_unlock (&guests->lock);
}
