/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "worker.h"

#include "protocol/codec/object.h"

/* Room for any return value that is not a pointer. */
typedef union
{
  gpointer pointer;
  gint64 integer;
  double number;
} Result;

struct _PvtJob
{
  gatomicrefcount refs; /* the thread's and the main loop's */
  PvtCall call;
  gint cancelled;
  char *channel;
  gpointer args;
  Result result;
  GError *error;
  /* main loop only */
  PvtJobDone done; /* NULL once answered or abandoned */
  gpointer user_data;
  guint budget_ms, timer;
  gboolean lost; /* nobody waits for it, but its thread is not back yet */
};

/* What ends a freeze has threads of its own: all others may hang, on what is frozen
 * above all. */
static GThreadPool *pool, *thaw_pool;

/* Main loop. A thread that hangs, as on a dead mount, is made up for by another. */
static guint n_lost;

static void
count_lost (gint change)
{
  n_lost += (guint) change;
  g_thread_pool_set_max_threads (pool, (gint) (PVT_MAX_WORKERS + MIN (n_lost, PVT_MAX_LOST_WORKERS)), NULL);
}

static void
lose (PvtJob *job)
{
  if (!job->lost)
    count_lost (1);
  job->lost = TRUE;
}

static void
job_unref (PvtJob *job)
{
  const PvtCommandInfo *info = job->call.command->info;

  if (!g_atomic_ref_count_dec (&job->refs))
    return;
  if (info->returns)
    pvt_field_clear (info->returns, &job->result);
  if (info->args)
    pvt_object_free (info->args, job->args);
  g_clear_error (&job->error);
  pvt_stream_unref (job->call.stream);
  g_free (job->channel);
  g_free (job);
}

/* Main loop: hands the answer over once. */
static void
answer (PvtJob *job, const GError *error)
{
  PvtJobDone done = job->done;

  g_clear_handle_id (&job->timer, g_source_remove);
  job->done = NULL;
  if (done)
    done (&job->call, &job->result, error, job->user_data);
}

static gboolean
finished (gpointer data)
{
  PvtJob *job = data;

  if (job->lost)
    count_lost (-1);
  answer (job, job->error);
  job_unref (job);
  return G_SOURCE_REMOVE;
}

static gboolean
out_of_time (gpointer data)
{
  PvtJob *job = data;
  g_autoptr (GError) error
      = g_error_new (PVT_AGENT_ERROR, PVT_AGENT_ERROR_GENERIC,
                     "%s did not finish within %u ms and was given up",
                     job->call.command->info->name, job->budget_ms);

  job->timer = 0;
  /* A handler that is past giving up answers in a moment. */
  if (!g_atomic_int_compare_and_exchange (&job->cancelled, 0, 1))
    return G_SOURCE_REMOVE;
  lose (job);
  answer (job, error);
  return G_SOURCE_REMOVE;
}

static void
run (gpointer data, gpointer user_data G_GNUC_UNUSED)
{
  PvtJob *job = data;

  /* A job that waited for a thread until nobody wanted it any more is not begun. */
  if (!g_atomic_int_get (&job->cancelled))
    job->call.command->handler (&job->call, job->args, &job->result, &job->error);
  g_idle_add_full (G_PRIORITY_DEFAULT, finished, job, NULL);
}

static gboolean
ends_a_freeze (const PvtCommandInfo *info)
{
  return info->frozen && info->command_class == PVT_CLASS_QUIESCE;
}

PvtJob *
pvt_worker_submit (const PvtCommand *command, const char *channel, PvtStream *stream,
                   gpointer args, guint deadline_ms, PvtJobDone done, gpointer user_data)
{
  PvtJob *job = g_new0 (PvtJob, 1);
  guint budget_ms = command->info->budget_ms;

  if (pool == NULL)
    {
      pool = g_thread_pool_new (run, NULL, PVT_MAX_WORKERS, FALSE, NULL);
      thaw_pool = g_thread_pool_new (run, NULL, PVT_MAX_THAWERS, FALSE, NULL);
    }
  job->budget_ms = deadline_ms ? MIN (deadline_ms, budget_ms) : budget_ms;
  g_atomic_ref_count_init (&job->refs);
  job->channel = g_strdup (channel);
  job->call.command = command;
  job->call.stream = stream ? pvt_stream_ref (stream) : NULL;
  job->call.channel = job->channel;
  job->call.deadline = g_get_monotonic_time () + (gint64) job->budget_ms * 1000;
  job->call.cancelled = &job->cancelled;
  job->args = args;
  job->call.args = args;
  job->call.started = g_get_monotonic_time ();
  job->done = done;
  job->user_data = user_data;
  job->timer = g_timeout_add (job->budget_ms, out_of_time, job);
  g_thread_pool_push (ends_a_freeze (command->info) ? thaw_pool : pool, job, NULL);
  return job;
}

void
pvt_job_abandon (PvtJob *job)
{
  job->done = NULL;
  lose (job);
  g_atomic_int_compare_and_exchange (&job->cancelled, 0, 1);
  g_clear_handle_id (&job->timer, g_source_remove);
}
