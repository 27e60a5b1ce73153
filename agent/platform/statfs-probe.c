/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "statfs-probe.h"

#include "bounds.h"

#include <errno.h>
#include <string.h>

/* One list being asked. Threads and caller each hold a reference: a stuck
 * thread may come back long after the caller has left. */
typedef struct
{
  gint refs; /* under the lock */
  guint n;
  char **mountpoints;
  PvtStatfsResult *results;
  guint next;          /* the first mount nobody has begun */
  guint current;       /* what the walking thread is at */
  gint64 began;        /* when it began with it */
  guint walker;        /* number of the thread that walks; others are stuck */
  gboolean done;
} Probe;

typedef struct
{
  Probe *probe;
  guint number; /* of this walker */
} Walker;

static GMutex lock;
static GCond changed;
static GPtrArray *latched; /* mountpoints, owned */

static void
probe_unref (Probe *probe)
{
  if (--probe->refs > 0)
    return;
  g_strfreev (probe->mountpoints);
  g_free (probe->results);
  g_free (probe);
}

static gboolean
is_latched (const char *mountpoint, guint *index)
{
  for (guint i = 0; latched && i < latched->len; i++)
    if (strcmp (latched->pdata[i], mountpoint) == 0)
      {
        *index = i;
        return TRUE;
      }
  return FALSE;
}

static void
latch (const char *mountpoint)
{
  if (latched == NULL)
    latched = g_ptr_array_new_with_free_func (g_free);
  g_ptr_array_add (latched, g_strdup (mountpoint));
}

static void
unlatch (const char *mountpoint)
{
  guint index;

  if (is_latched (mountpoint, &index))
    g_ptr_array_remove_index_fast (latched, index);
}

/* The next mount to ask, past those that are latched; FALSE when none is left. */
static gboolean
begin_next (Probe *probe)
{
  guint index;

  while (probe->next < probe->n && is_latched (probe->mountpoints[probe->next], &index))
    probe->results[probe->next++].outcome = PVT_STATFS_LATCHED;
  if (probe->next == probe->n)
    {
      probe->done = TRUE;
      return FALSE;
    }
  probe->current = probe->next++;
  probe->began = g_get_monotonic_time ();
  return TRUE;
}

/* Asks one mount without the lock; FALSE when it took so long that somebody
 * else walks on. */
static gboolean
ask (Walker *walker)
{
  Probe *probe = walker->probe;
  guint index = probe->current;
  PvtStatfsResult result = { PVT_STATFS_OK, 0, { 0 } };

  g_mutex_unlock (&lock);
  if (statvfs (probe->mountpoints[index], &result.figures) < 0)
    {
      result.outcome = PVT_STATFS_FAILED;
      result.error_number = errno;
    }
  g_mutex_lock (&lock);
  if (walker->number != probe->walker)
    {
      unlatch (probe->mountpoints[index]);
      return FALSE;
    }
  probe->results[index] = result;
  return TRUE;
}

static void
walk (gpointer data, gpointer user_data G_GNUC_UNUSED)
{
  Walker *walker = data;

  g_mutex_lock (&lock);
  while (walker->number == walker->probe->walker && begin_next (walker->probe))
    if (!ask (walker))
      break;
  g_cond_broadcast (&changed);
  probe_unref (walker->probe);
  g_mutex_unlock (&lock);
  g_free (walker);
}

/* Starts another thread on the rest of the list. */
static void
start_walker (Probe *probe)
{
  static GThreadPool *pool;
  Walker *walker = g_new (Walker, 1);

  if (pool == NULL)
    pool = g_thread_pool_new (walk, NULL, PVT_MAX_STUCK_PROBES + 4, FALSE, NULL);
  walker->probe = probe;
  walker->number = ++probe->walker;
  probe->refs++;
  probe->current = G_MAXUINT; /* not begun */
  probe->began = g_get_monotonic_time ();
  g_thread_pool_push (pool, walker, NULL);
}

/* The walker is late: its mount is latched and the rest goes to another. */
static void
give_up_current (Probe *probe)
{
  if (probe->current != G_MAXUINT)
    {
      probe->results[probe->current].outcome = PVT_STATFS_TIMEOUT;
      latch (probe->mountpoints[probe->current]);
    }
  if (probe->current != G_MAXUINT && latched->len < PVT_MAX_STUCK_PROBES)
    {
      start_walker (probe);
      return;
    }
  /* Too many threads are stuck, or none could begin: say so of the rest. */
  while (probe->next < probe->n)
    probe->results[probe->next++].outcome = PVT_STATFS_TIMEOUT;
  probe->walker++;
  probe->done = TRUE;
}

void
pvt_statfs_probe (const char *const *mountpoints, guint n, guint each_ms, PvtStatfsResult *results)
{
  Probe *probe = g_new0 (Probe, 1);

  probe->refs = 1;
  probe->n = n;
  probe->mountpoints = g_new0 (char *, n + 1);
  for (guint i = 0; i < n; i++)
    probe->mountpoints[i] = g_strdup (mountpoints[i]);
  probe->results = g_new0 (PvtStatfsResult, n);
  g_mutex_lock (&lock);
  start_walker (probe);
  while (!probe->done)
    {
      gint64 limit = probe->began + (gint64) each_ms * 1000;

      if (!g_cond_wait_until (&changed, &lock, limit) && !probe->done
          && g_get_monotonic_time () >= probe->began + (gint64) each_ms * 1000)
        give_up_current (probe);
    }
  memcpy (results, probe->results, n * sizeof *results);
  probe_unref (probe);
  g_mutex_unlock (&lock);
}

char **
pvt_statfs_hung (void)
{
  GPtrArray *names = g_ptr_array_new ();

  g_mutex_lock (&lock);
  for (guint i = 0; latched && i < latched->len; i++)
    g_ptr_array_add (names, g_strdup (latched->pdata[i]));
  g_mutex_unlock (&lock);
  g_ptr_array_add (names, NULL);
  return (char **) g_ptr_array_free (names, FALSE);
}

char *
pvt_statfs_explain (const PvtStatfsResult *result)
{
  switch (result->outcome)
    {
    case PVT_STATFS_FAILED:
      return g_strdup (g_strerror (result->error_number));
    case PVT_STATFS_TIMEOUT:
      return g_strdup ("the filesystem did not answer in time");
    case PVT_STATFS_LATCHED:
      return g_strdup ("the filesystem hangs since an earlier request");
    case PVT_STATFS_OK:
    default:
      return NULL;
    }
}
