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

/* A call under way, or stuck. */
typedef struct
{
  char *mountpoint;
  gint64 since;
} Flight;

static GMutex lock;
static GCond changed;
static GArray *flights;

static void
probe_unref (Probe *probe)
{
  if (--probe->refs > 0)
    return;
  g_strfreev (probe->mountpoints);
  g_free (probe->results);
  g_free (probe);
}

/* Under way for so long that it counts as stuck. */
static gboolean
is_stuck (const Flight *flight)
{
  return g_get_monotonic_time () - flight->since >= PVT_STATFS_EACH_MS * 1000;
}

static gboolean
is_latched (const char *mountpoint)
{
  for (guint i = 0; flights && i < flights->len; i++)
    {
      const Flight *flight = &g_array_index (flights, Flight, i);

      if (is_stuck (flight) && strcmp (flight->mountpoint, mountpoint) == 0)
        return TRUE;
    }
  return FALSE;
}

static guint
count_stuck (void)
{
  guint n = 0;

  for (guint i = 0; flights && i < flights->len; i++)
    n += is_stuck (&g_array_index (flights, Flight, i));
  return n;
}

static void
take_off (const char *mountpoint, gint64 since)
{
  Flight flight = { g_strdup (mountpoint), since };

  if (flights == NULL)
    flights = g_array_new (FALSE, FALSE, sizeof (Flight));
  g_array_append_val (flights, flight);
}

static void
land (const char *mountpoint, gint64 since)
{
  for (guint i = 0; flights && i < flights->len; i++)
    {
      Flight *flight = &g_array_index (flights, Flight, i);

      if (flight->since != since || strcmp (flight->mountpoint, mountpoint) != 0)
        continue;
      g_free (flight->mountpoint);
      g_array_remove_index_fast (flights, i);
      return;
    }
}

/* The call itself, without the lock. */
static PvtStatfsResult
ask_kernel (const char *mountpoint)
{
  PvtStatfsResult result = { PVT_STATFS_OK, 0, { 0 } };

  if (statvfs (mountpoint, &result.figures) < 0)
    {
      result.outcome = PVT_STATFS_FAILED;
      result.error_number = errno;
    }
  return result;
}

/* The next mount to ask, past those that are latched; FALSE when none is left. */
static gboolean
begin_next (Probe *probe)
{
  while (probe->next < probe->n && is_latched (probe->mountpoints[probe->next]))
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
  gint64 began = probe->began;
  PvtStatfsResult result;

  take_off (probe->mountpoints[index], began);
  g_mutex_unlock (&lock);
  result = ask_kernel (probe->mountpoints[index]);
  g_mutex_lock (&lock);
  land (probe->mountpoints[index], began);
  if (walker->number != probe->walker)
    return FALSE;
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

/* The walker is late: the rest goes to another. */
static void
give_up_current (Probe *probe)
{
  if (probe->current != G_MAXUINT)
    probe->results[probe->current].outcome = PVT_STATFS_TIMEOUT;
  if (probe->current != G_MAXUINT && count_stuck () < PVT_MAX_STUCK_PROBES)
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

/* By threads, those of the queries that may hang. */
static void
probe_by_threads (const PvtStatfsQuery *queries, const guint *which, guint n,
                  PvtStatfsResult *results)
{
  Probe *probe = g_new0 (Probe, 1);

  probe->refs = 1;
  probe->n = n;
  probe->mountpoints = g_new0 (char *, n + 1);
  for (guint i = 0; i < n; i++)
    probe->mountpoints[i] = g_strdup (queries[which[i]].mountpoint);
  probe->results = g_new0 (PvtStatfsResult, n);
  start_walker (probe);
  while (!probe->done)
    {
      gint64 limit = probe->began + PVT_STATFS_EACH_MS * 1000;

      if (!g_cond_wait_until (&changed, &lock, limit) && !probe->done
          && g_get_monotonic_time () >= probe->began + PVT_STATFS_EACH_MS * 1000)
        give_up_current (probe);
    }
  for (guint i = 0; i < n; i++)
    results[which[i]] = probe->results[i];
  probe_unref (probe);
}

static void
probe_directly (const char *mountpoint, PvtStatfsResult *result)
{
  gint64 now = g_get_monotonic_time ();

  if (is_latched (mountpoint))
    {
      result->outcome = PVT_STATFS_LATCHED;
      return;
    }
  take_off (mountpoint, now);
  g_mutex_unlock (&lock);
  *result = ask_kernel (mountpoint);
  g_mutex_lock (&lock);
  land (mountpoint, now);
}

void
pvt_statfs_probe (const PvtStatfsQuery *queries, guint n, PvtStatfsResult *results)
{
  g_autofree guint *slow = g_new (guint, n + 1);
  guint n_slow = 0;

  g_mutex_lock (&lock);
  for (guint i = 0; i < n; i++)
    {
      if (queries[i].direct)
        probe_directly (queries[i].mountpoint, &results[i]);
      else
        slow[n_slow++] = i;
    }
  if (n_slow > 0)
    probe_by_threads (queries, slow, n_slow, results);
  g_mutex_unlock (&lock);
}

char **
pvt_statfs_hung (void)
{
  GPtrArray *names = g_ptr_array_new ();

  g_mutex_lock (&lock);
  for (guint i = 0; flights && i < flights->len; i++)
    {
      const Flight *flight = &g_array_index (flights, Flight, i);

      if (is_stuck (flight))
        g_ptr_array_add (names, g_strdup (flight->mountpoint));
    }
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
