/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Programs that the host runs and asks about later. Their output is collected
 * on the main loop; what nobody asks for is forgotten, oldest first, so that
 * ten thousand of them leave nothing behind.
 */
#include "agent/core/call.h"
#include "agent/core/log.h"
#include "agent/platform/child.h"
#include "agent/platform/child-watch.h"

#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* Programs that run or whose end was not told yet. */
#define MAX_PROCESSES 256

/* What is kept of one stream, and of all streams together. */
#define MAX_OUTPUT (16 * 1024 * 1024)
#define MAX_ALL_OUTPUT (64 * 1024 * 1024)

typedef struct
{
  int fd; /* -1 once done */
  GByteArray *data;
  gboolean truncated;
  guint source;
} Stream;

typedef struct
{
  pid_t pid;
  gboolean ended;
  int status;
  Stream out, err;
  int in; /* -1 once done */
  GBytes *input;
  gsize input_done;
  guint in_source;
} Process;

/* In the order of their start; main loop only, as is the count of output. */
static GPtrArray *processes;
static gsize all_output;

/* Those that have not ended; workers look at it. */
static gint n_running;

static void
close_fd (int *fd)
{
  if (*fd >= 0)
    close (*fd);
  *fd = -1;
}

static void
clear_stream (Stream *stream)
{
  if (stream->source)
    g_source_remove (stream->source);
  close_fd (&stream->fd);
  if (stream->data)
    {
      all_output -= stream->data->len;
      g_byte_array_unref (stream->data);
    }
}

/* Not before it has ended once it is adopted: the watch for that refers to it. */
static void
process_free (gpointer data)
{
  Process *process = data;

  clear_stream (&process->out);
  clear_stream (&process->err);
  if (process->in_source)
    g_source_remove (process->in_source);
  close_fd (&process->in);
  g_clear_pointer (&process->input, g_bytes_unref);
  g_free (process);
}

/* All is known of it: what a client waits for. */
static gboolean
is_finished (const Process *process)
{
  return process->ended && process->out.fd < 0 && process->err.fd < 0;
}

/* Past the bounds output is read and dropped: the program must not block. */
static void
keep (Stream *stream, const guint8 *data, gsize len)
{
  gsize room = MIN (MAX_OUTPUT - stream->data->len, MAX_ALL_OUTPUT - all_output);

  if (len > room)
    {
      stream->truncated = TRUE;
      len = room;
    }
  g_byte_array_append (stream->data, data, (guint) len);
  all_output += len;
}

static gboolean
stream_readable (gint fd, GIOCondition condition G_GNUC_UNUSED, gpointer data)
{
  static guint8 chunk[65536]; /* main loop only */
  Stream *stream = data;
  gssize n = read (fd, chunk, sizeof chunk);

  if (n < 0 && (errno == EAGAIN || errno == EINTR))
    return G_SOURCE_CONTINUE;
  if (n > 0)
    {
      keep (stream, chunk, (gsize) n);
      return G_SOURCE_CONTINUE;
    }
  stream->source = 0;
  close_fd (&stream->fd);
  return G_SOURCE_REMOVE;
}

static gboolean
stdin_writable (gint fd, GIOCondition condition G_GNUC_UNUSED, gpointer data)
{
  Process *process = data;
  gsize len;
  const char *input = g_bytes_get_data (process->input, &len);
  gssize n = write (fd, input + process->input_done, len - process->input_done);

  if (n < 0 && (errno == EAGAIN || errno == EINTR))
    return G_SOURCE_CONTINUE;
  if (n >= 0)
    process->input_done += (gsize) n;
  if (n >= 0 && process->input_done < len)
    return G_SOURCE_CONTINUE;
  process->in_source = 0;
  close_fd (&process->in);
  return G_SOURCE_REMOVE;
}

static void
child_ended (pid_t pid, int status, gpointer data)
{
  Process *process = data;

  process->status = status;
  process->ended = TRUE;
  g_atomic_int_add (&n_running, -1);
  if (WIFSIGNALED (status))
    pvt_log (PVT_LOG_INFO, "exec: process %d was killed by signal %d", (int) pid, WTERMSIG (status));
  else
    pvt_log (PVT_LOG_INFO, "exec: process %d exited with code %d", (int) pid, WEXITSTATUS (status));
}

/* What nobody asked for in time is forgotten. */
static void
make_room (void)
{
  for (guint i = 0; processes->len >= MAX_PROCESSES && i < processes->len; i++)
    if (((Process *) processes->pdata[i])->ended)
      g_ptr_array_remove_index (processes, i--);
}

/* Which streams are kept, from the request's flag or mode. */
static PvtGuestExecCaptureOutputMode
capture_mode (const PvtGuestExecCaptureOutput *capture)
{
  if (capture == NULL)
    return PVT_GUEST_EXEC_CAPTURE_OUTPUT_MODE_NONE;
  if (capture->branch == PVT_GUEST_EXEC_CAPTURE_OUTPUT_IS_MODE)
    return capture->mode;
  return capture->flag ? PVT_GUEST_EXEC_CAPTURE_OUTPUT_MODE_SEPARATED
                       : PVT_GUEST_EXEC_CAPTURE_OUTPUT_MODE_NONE;
}

/* @ours is the agent's end and does not block, @theirs the child's. */
static gboolean
make_pipe (int *ours, int *theirs, gboolean child_reads)
{
  int ends[2];

  if (pipe2 (ends, O_CLOEXEC) < 0)
    return FALSE;
  *ours = ends[child_reads ? 1 : 0];
  *theirs = ends[child_reads ? 0 : 1];
  return fcntl (*ours, F_SETFL, O_NONBLOCK) == 0;
}

static gboolean
make_pipes (Process *process, PvtGuestExecCaptureOutputMode mode, PvtChildSpec *spec)
{
  gboolean merged = mode == PVT_GUEST_EXEC_CAPTURE_OUTPUT_MODE_MERGED;
  gboolean separated = mode == PVT_GUEST_EXEC_CAPTURE_OUTPUT_MODE_SEPARATED;
  gboolean out = merged || separated || mode == PVT_GUEST_EXEC_CAPTURE_OUTPUT_MODE_STDOUT;
  gboolean err = separated || mode == PVT_GUEST_EXEC_CAPTURE_OUTPUT_MODE_STDERR;

  if ((process->input && !make_pipe (&process->in, &spec->in, TRUE))
      || (out && !make_pipe (&process->out.fd, &spec->out, FALSE))
      || (err && !make_pipe (&process->err.fd, &spec->err, FALSE)))
    return FALSE;
  if (merged)
    spec->err = spec->out;
  return TRUE;
}

static void
close_child_ends (PvtChildSpec *spec)
{
  if (spec->err == spec->out)
    spec->err = -1;
  close_fd (&spec->in);
  close_fd (&spec->out);
  close_fd (&spec->err);
}

static char **
make_argv (const PvtGuestExecArgs *args)
{
  guint n = args->arg ? g_strv_length (args->arg) : 0;
  char **argv = g_new0 (char *, n + 2);

  argv[0] = args->path; /* borrowed, as all */
  for (guint i = 0; i < n; i++)
    argv[i + 1] = args->arg[i];
  return argv;
}

static void
watch_stream (Stream *stream)
{
  if (stream->fd < 0)
    return;
  stream->data = g_byte_array_new ();
  stream->source = g_unix_fd_add (stream->fd, G_IO_IN, stream_readable, stream);
}

/* The kernel may give a number again before its end was asked for. */
static void
forget_number (pid_t pid)
{
  for (guint i = 0; i < processes->len; i++)
    if (((Process *) processes->pdata[i])->pid == pid)
      {
        g_ptr_array_remove_index (processes, i);
        return;
      }
}

/* Main loop: before the reply to guest-exec is written, which is queued behind it. */
static gboolean
adopt (gpointer data)
{
  Process *process = data;

  if (processes == NULL)
    processes = g_ptr_array_new_with_free_func (process_free);
  forget_number (process->pid);
  make_room ();
  g_ptr_array_add (processes, process);
  watch_stream (&process->out);
  watch_stream (&process->err);
  if (process->in >= 0)
    process->in_source = g_unix_fd_add (process->in, G_IO_OUT, stdin_writable, process);
  pvt_child_watch (process->pid, child_ended, process);
  return G_SOURCE_REMOVE;
}

static gboolean
start (Process *process, const PvtGuestExecArgs *args, GError **error)
{
  g_autofree char **argv = make_argv (args);
  PvtChildSpec spec = { .argv = argv, .env = args->env, .in = -1, .out = -1, .err = -1, .apart = TRUE };
  g_autoptr (GError) why = NULL;
  gboolean ok = make_pipes (process, capture_mode (args->capture_output), &spec);

  if (!ok)
    pvt_call_fail (error, "cannot make a pipe: %s", g_strerror (errno));
  else if (!pvt_child_start (&spec, &process->pid, &why))
    ok = pvt_call_fail (error, "failed to execute child process: %s", why->message);
  close_child_ends (&spec);
  return ok;
}

gboolean
pvt_handle_guest_exec (PvtCall *call, const PvtGuestExecArgs *args, PvtGuestExec **result,
                       GError **error)
{
  Process *process;

  if (g_atomic_int_add (&n_running, 1) >= MAX_PROCESSES)
    {
      g_atomic_int_add (&n_running, -1);
      return pvt_call_fail (error, "%d programs run already", MAX_PROCESSES);
    }
  process = g_new0 (Process, 1);
  process->in = process->out.fd = process->err.fd = -1;
  process->input = args->input_data ? g_bytes_ref (args->input_data) : NULL;
  if (!start (process, args, error))
    {
      g_atomic_int_add (&n_running, -1);
      process_free (process);
      return FALSE;
    }
  pvt_log (PVT_LOG_INFO, "%s: exec of %s is process %d", call->channel, args->path,
           (int) process->pid);
  *result = pvt_guest_exec_new ();
  (*result)->pid = process->pid;
  g_idle_add_full (G_PRIORITY_DEFAULT, adopt, process, NULL);
  return TRUE;
}

/* Empty output is not told, as in qemu-ga; what was, is no longer counted. */
static GBytes *
take_output (Stream *stream)
{
  GByteArray *data = g_steal_pointer (&stream->data);

  if (data == NULL)
    return NULL;
  all_output -= data->len;
  if (data->len > 0)
    return g_byte_array_free_to_bytes (data);
  g_byte_array_unref (data);
  return NULL;
}

static void
tell_end (Process *process, PvtGuestExecStatus *status)
{
  status->exited = TRUE;
  status->has_exitcode = WIFEXITED (process->status);
  status->exitcode = WEXITSTATUS (process->status);
  status->has_signal = WIFSIGNALED (process->status);
  status->signal = WTERMSIG (process->status);
  status->out_truncated = status->has_out_truncated = process->out.truncated;
  status->err_truncated = status->has_err_truncated = process->err.truncated;
  status->out_data = take_output (&process->out);
  status->err_data = take_output (&process->err);
}

gboolean
pvt_handle_guest_exec_status (PvtCall *call G_GNUC_UNUSED, const PvtGuestExecStatusArgs *args,
                              PvtGuestExecStatus **result, GError **error)
{
  for (guint i = 0; processes && i < processes->len; i++)
    {
      Process *process = processes->pdata[i];

      if (process->pid != args->pid)
        continue;
      *result = pvt_guest_exec_status_new ();
      if (is_finished (process))
        {
          tell_end (process, *result);
          g_ptr_array_remove_index (processes, i);
        }
      return TRUE;
    }
  return pvt_call_fail (error, "no process %" G_GINT64_FORMAT " was started, or its end was told "
                        "already", args->pid);
}
