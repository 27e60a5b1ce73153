/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gather.h"

#include <string.h>

struct _PvtGather
{
  int refs;
  PvtGuests *guests;
  GMutex lock;
  GCond cond;
  char **addresses;
  PvtMetrics **results; /* NULL: not there yet */
  guint n, pending;
  gint64 deadline;
  gboolean over;
  PvtGatherReady ready;
  gpointer user_data;
};

struct _PvtGatherTimer
{
  GMutex lock;
  GCond cond;
  GThread *thread;
  GPtrArray *gathers; /* with a reference each */
  gboolean quit;
};

PvtGather *
pvt_gather_ref (PvtGather *gather)
{
  g_atomic_int_inc (&gather->refs);
  return gather;
}

void
pvt_gather_unref (PvtGather *gather)
{
  if (!g_atomic_int_dec_and_test (&gather->refs))
    return;
  for (guint i = 0; i < gather->n; i++)
    pvt_metrics_unref (gather->results[i]);
  g_free (gather->results);
  g_strfreev (gather->addresses);
  g_mutex_clear (&gather->lock);
  g_cond_clear (&gather->cond);
  g_free (gather);
}

PvtGather *
pvt_gather_new (PvtGuests *guests, const char *const *addresses, guint n, gint64 deadline)
{
  PvtGather *gather = g_new0 (PvtGather, 1);

  gather->refs = 1;
  gather->guests = guests;
  g_mutex_init (&gather->lock);
  g_cond_init (&gather->cond);
  gather->addresses = g_new0 (char *, n + 1);
  gather->results = g_new0 (PvtMetrics *, n + 1);
  gather->n = n;
  gather->deadline = deadline;
  for (guint i = 0; i < n; i++)
    {
      gather->addresses[i] = g_strdup (addresses[i]);
      gather->results[i] = pvt_guests_known (guests, addresses[i]);
      gather->pending += gather->results[i] == NULL;
    }
  gather->over = gather->pending == 0;
  return gather;
}

gboolean
pvt_gather_is_over (PvtGather *gather)
{
  gboolean over;

  g_mutex_lock (&gather->lock);
  over = gather->over;
  g_mutex_unlock (&gather->lock);
  return over;
}

gboolean
pvt_gather_is_done (PvtGather *gather)
{
  return pvt_gather_is_over (gather);
}

static PvtMetrics *
late (void)
{
  PvtMetrics *metrics = pvt_metrics_new ();

  pvt_metrics_add (metrics, PVT_F_UP, 0, NULL);
  pvt_metrics_seal (metrics);
  return metrics;
}

/* With the lock held. TRUE for the one who must call ready(). */
static gboolean
finish (PvtGather *gather)
{
  if (gather->over)
    return FALSE;
  gather->over = TRUE;
  for (guint i = 0; i < gather->n; i++)
    if (gather->results[i] == NULL)
      gather->results[i] = late ();
  g_cond_broadcast (&gather->cond);
  return gather->ready != NULL;
}

void
pvt_gather_leave_out (PvtGather *gather)
{
  for (guint i = 0; i < gather->n; i++)
    if (gather->results[i] == NULL)
      {
        gather->results[i] = pvt_metrics_new ();
        pvt_metrics_seal (gather->results[i]);
      }
  gather->pending = 0;
  gather->over = TRUE;
}

static void
expire (PvtGather *gather)
{
  gboolean call;

  g_mutex_lock (&gather->lock);
  call = finish (gather);
  g_mutex_unlock (&gather->lock);
  if (call)
    gather->ready (gather->user_data);
}

void
pvt_gather_deliver (PvtGather *gather, const char *address, PvtMetrics *metrics)
{
  gboolean call = FALSE;

  g_mutex_lock (&gather->lock);
  for (guint i = 0; i < gather->n && !gather->over; i++)
    if (gather->results[i] == NULL && strcmp (gather->addresses[i], address) == 0)
      {
        gather->results[i] = metrics ? pvt_metrics_ref (metrics) : late ();
        gather->pending--;
      }
  if (gather->pending == 0)
    call = finish (gather);
  g_mutex_unlock (&gather->lock);
  if (call)
    gather->ready (gather->user_data);
}

static void
watch (PvtGatherTimer *timer, PvtGather *gather)
{
  g_mutex_lock (&timer->lock);
  g_ptr_array_add (timer->gathers, pvt_gather_ref (gather));
  g_cond_signal (&timer->cond);
  g_mutex_unlock (&timer->lock);
}

void
pvt_gather_start (PvtGather *gather, PvtGatherReady ready, gpointer user_data)
{
  /* Whoever is told may let go of it at once. */
  g_autoptr (PvtGather) self = pvt_gather_ref (gather);
  g_autofree gboolean *wanted = g_new0 (gboolean, self->n + 1);

  self->ready = ready;
  self->user_data = user_data;
  for (guint i = 0; i < self->n; i++)
    wanted[i] = self->results[i] == NULL;
  watch (pvt_guests_timer (self->guests), self);
  for (guint i = 0; i < self->n; i++)
    if (wanted[i])
      pvt_guests_ask (self->guests, self->addresses[i], self);
}

void
pvt_gather_wait (PvtGather *gather)
{
  if (!pvt_gather_is_done (gather))
    pvt_gather_start (gather, NULL, NULL);
  g_mutex_lock (&gather->lock);
  while (!gather->over)
    g_cond_wait (&gather->cond, &gather->lock);
  g_mutex_unlock (&gather->lock);
}

const PvtMetrics *
pvt_gather_result (PvtGather *gather, guint i)
{
  return gather->results[i];
}

const PvtMetrics *
pvt_gather_health (PvtGather *gather, guint i)
{
  return pvt_guests_health (gather->guests, gather->addresses[i]);
}

/* With the timer's lock held: takes out one that is over or late, or NULL and
 * when the next will be. */
static PvtGather *
take_due (PvtGatherTimer *timer, gint64 *next)
{
  gint64 now = g_get_monotonic_time ();

  *next = now + 3600 * (gint64) G_USEC_PER_SEC;
  for (guint i = 0; i < timer->gathers->len; i++)
    {
      PvtGather *gather = timer->gathers->pdata[i];

      if (gather->deadline <= now || pvt_gather_is_over (gather))
        return g_ptr_array_remove_index_fast (timer->gathers, i);
      *next = MIN (*next, gather->deadline);
    }
  return NULL;
}

static gpointer
timer_thread (gpointer data)
{
  PvtGatherTimer *timer = data;
  PvtGather *due;
  gint64 next;

  g_mutex_lock (&timer->lock);
  while (!timer->quit)
    {
      due = take_due (timer, &next);
      if (due)
        {
          g_mutex_unlock (&timer->lock);
          expire (due);
          pvt_gather_unref (due);
          g_mutex_lock (&timer->lock);
        }
      else
        g_cond_wait_until (&timer->cond, &timer->lock, next);
    }
  g_mutex_unlock (&timer->lock);
  return NULL;
}

PvtGatherTimer *
pvt_gather_timer_new (void)
{
  PvtGatherTimer *timer = g_new0 (PvtGatherTimer, 1);

  g_mutex_init (&timer->lock);
  g_cond_init (&timer->cond);
  timer->gathers = g_ptr_array_new ();
  timer->thread = g_thread_new ("deadlines", timer_thread, timer);
  return timer;
}

void
pvt_gather_timer_free (PvtGatherTimer *timer)
{
  g_mutex_lock (&timer->lock);
  timer->quit = TRUE;
  g_cond_signal (&timer->cond);
  g_mutex_unlock (&timer->lock);
  g_thread_join (timer->thread);
  for (guint i = 0; i < timer->gathers->len; i++)
    pvt_gather_unref (timer->gathers->pdata[i]);
  g_ptr_array_unref (timer->gathers);
  g_mutex_clear (&timer->lock);
  g_cond_clear (&timer->cond);
  g_free (timer);
}
