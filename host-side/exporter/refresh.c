/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "refresh.h"

/* Guests that came or went are noticed after this long at the latest. */
#define LIST_US (5 * G_USEC_PER_SEC)

/* Guests that are due within this are asked together: fewer wake-ups. */
#define TOGETHER_US (50 * (G_USEC_PER_SEC / 1000))

struct _PvtRefresh
{
  PvtGuests *guests;
  PvtTargets *targets;
  GMutex lock;
  GCond cond;
  gboolean quit;
  GThread *thread;
};

static void
look_for_guests (PvtRefresh *refresh)
{
  g_autoptr (GPtrArray) found = pvt_targets_list (refresh->targets);

  for (guint i = 0; i < found->len; i++)
    pvt_guests_want (refresh->guests, ((const PvtFound *) found->pdata[i])->address);
}

static gpointer
refresh_thread (gpointer data)
{
  PvtRefresh *refresh = data;
  gint64 listed = 0, now, next;

  g_mutex_lock (&refresh->lock);
  while (!refresh->quit)
    {
      g_mutex_unlock (&refresh->lock);
      now = g_get_monotonic_time ();
      if (listed == 0 || listed + LIST_US <= now)
        {
          look_for_guests (refresh);
          listed = now;
        }
      next = pvt_guests_ask_due (refresh->guests);
      next = MIN (MAX (next, now + TOGETHER_US), listed + LIST_US);
      g_mutex_lock (&refresh->lock);
      if (!refresh->quit)
        g_cond_wait_until (&refresh->cond, &refresh->lock, next);
    }
  g_mutex_unlock (&refresh->lock);
  return NULL;
}

PvtRefresh *
pvt_refresh_start (PvtGuests *guests, PvtTargets *targets)
{
  PvtRefresh *refresh = g_new0 (PvtRefresh, 1);

  refresh->guests = guests;
  refresh->targets = targets;
  g_mutex_init (&refresh->lock);
  g_cond_init (&refresh->cond);
  refresh->thread = g_thread_new ("refresh", refresh_thread, refresh);
  return refresh;
}

void
pvt_refresh_stop (PvtRefresh *refresh)
{
  if (refresh == NULL)
    return;
  g_mutex_lock (&refresh->lock);
  refresh->quit = TRUE;
  g_cond_signal (&refresh->cond);
  g_mutex_unlock (&refresh->lock);
  g_thread_join (refresh->thread);
  g_mutex_clear (&refresh->lock);
  g_cond_clear (&refresh->cond);
  g_free (refresh);
}
