/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "stream-private.h"

#include "agent/platform/child-watch.h"
#include "dialect.h"
#include "log.h"
#include "stream-end.h"
#include "watch-fd.h"
#include "protocol/codec/object.h"
#include "protocol/message/reply.h"
#include "pvt-tables.h"
#include "pvt-types.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

/* One read of a descriptor, and one packet. */
#define CHUNK (128 * 1024)

/* How long the output of a program that has ended is waited for when somebody
 * else, whom it has started, holds it open. */
#define LINGER_MS 500

/* A feed leaves no more than this in the channel: what is offered later is of
 * more use than what is old. */
#define FEED_MARK (16 * 1024)

/* Of what a handler attaches on its thread while the host may give the stream up. */
static GMutex lock;

PvtStream *
pvt_stream_new (const PvtStreamOps *ops, gpointer user_data)
{
  PvtStream *stream = g_new0 (PvtStream, 1);

  g_atomic_ref_count_init (&stream->refs);
  stream->ops = ops;
  stream->user_data = user_data;
  stream->in = stream->terminal = -1;
  for (guint8 i = 0; i < 2; i++)
    stream->outputs[i] = (Output){ stream, (guint8) (i + 1), -1, 0, PVT_STREAM_WINDOW };
  return stream;
}

PvtStream *
pvt_stream_ref (PvtStream *stream)
{
  g_atomic_ref_count_inc (&stream->refs);
  return stream;
}

static void
close_fd (int *fd)
{
  if (*fd >= 0)
    close (*fd);
  *fd = -1;
}

static void
close_output (Output *output)
{
  g_clear_handle_id (&output->source, g_source_remove);
  close_fd (&output->fd);
}

static void
drop_feed (PvtStream *stream)
{
  const PvtStreamFeed *feed = g_steal_pointer (&stream->feed);

  if (feed)
    feed->drop (stream->feed_data);
}

static void
close_all (PvtStream *stream)
{
  g_clear_handle_id (&stream->linger, g_source_remove);
  pvt_stream_close_input (stream);
  close_output (&stream->outputs[0]);
  close_output (&stream->outputs[1]);
  close_fd (&stream->terminal);
}

static void
nobody_asks (pid_t pid G_GNUC_UNUSED, int status G_GNUC_UNUSED, gpointer data G_GNUC_UNUSED)
{
}

static gboolean
reap (gpointer data)
{
  pvt_child_watch ((pid_t) GPOINTER_TO_INT (data), nobody_asks, NULL);
  return G_SOURCE_REMOVE;
}

/* The host was gone before the program's stream began: it ends as when a line is
 * cut, and is waited for. Any thread. */
static void
give_up_child (PvtStream *stream)
{
  if (stream->pid == 0 || stream->child_watched)
    return;
  if (stream->terminal >= 0)
    kill (-stream->pid, SIGHUP);
  g_idle_add_full (G_PRIORITY_DEFAULT, reap, GINT_TO_POINTER (stream->pid), NULL);
}

void
pvt_stream_unref (PvtStream *stream)
{
  if (stream == NULL || !g_atomic_ref_count_dec (&stream->refs))
    return;
  give_up_child (stream);
  drop_feed (stream);
  close_all (stream);
  pvt_buf_clear (&stream->in_buf);
  g_free (stream->error);
  g_free (stream);
}

/* ---- the handler's side ---- */

static void
take_fd (int *place, int fd)
{
  *place = fd;
  if (fd >= 0)
    fcntl (fd, F_SETFL, fcntl (fd, F_GETFL) | O_NONBLOCK);
}

void
pvt_stream_attach (PvtStream *stream, int in, int out, int err)
{
  gboolean late;

  g_mutex_lock (&lock);
  late = stream->dropped;
  if (!late)
    {
      stream->attached = TRUE;
      take_fd (&stream->in, in);
      take_fd (&stream->outputs[0].fd, out);
      take_fd (&stream->outputs[1].fd, err);
    }
  g_mutex_unlock (&lock);
  if (!late)
    return;
  /* The host gave it up meanwhile: who is at the far ends has to see it. */
  close_fd (&in);
  close_fd (&out);
  close_fd (&err);
}

void
pvt_stream_attach_child (PvtStream *stream, pid_t pid, int terminal)
{
  stream->pid = pid;
  stream->terminal = terminal >= 0 ? fcntl (terminal, F_DUPFD_CLOEXEC, 3) : -1;
}

void
pvt_stream_attach_worker (PvtStream *stream)
{
  stream->has_worker = TRUE;
}

void
pvt_stream_attach_sum (PvtStream *stream)
{
  stream->is_summed = TRUE;
  pvt_sum64_init (&stream->sum);
}

void
pvt_stream_attach_feed (PvtStream *stream, const PvtStreamFeed *ops, gpointer feed)
{
  stream->attached = TRUE;
  stream->feed_data = feed;
  stream->feed = ops;
}

gboolean
pvt_stream_input_complete (PvtStream *stream)
{
  return g_atomic_int_get (&stream->in_complete);
}

gboolean
pvt_stream_is_attached (const PvtStream *stream)
{
  return stream->attached;
}

/* ---- the end ---- */

/* Over when all output is sent and the program or worker is done. */
static void
check_end (PvtStream *stream)
{
  const PvtStreamOps *ops = stream->ops;
  g_autofree char *end = NULL;

  if (ops == NULL || stream->feed || stream->outputs[0].fd >= 0 || stream->outputs[1].fd >= 0)
    return;
  if ((stream->pid && !stream->child_ended) || (stream->has_worker && !stream->worker_ended))
    return;
  end = stream->pid ? pvt_stream_end_of_child (stream->status)
                    : pvt_stream_end_of_worker (&stream->sum, stream->error);
  stream->ops = NULL;
  close_all (stream);
  ops->send (PVT_PACKET_END, 0, end, strlen (end), stream->user_data);
  ops->over (stream->user_data);
}

/* ---- to the host ---- */

static gboolean output_readable (gint fd, GIOCondition condition, gpointer data);

static void
watch_output (Output *output)
{
  PvtStream *stream = output->stream;
  gboolean want = output->fd >= 0 && output->credit > 0 && stream->ops
                  && stream->ops->has_room (PVT_CHANNEL_HIGH_WATER, stream->user_data);

  if (want && output->source == 0)
    output->source = pvt_watch_fd (output->fd, G_IO_IN | G_IO_HUP, output_readable, output);
  else if (!want)
    g_clear_handle_id (&output->source, g_source_remove);
}

static void
end_output (Output *output)
{
  PvtStream *stream = output->stream;

  close_output (output);
  stream->ops->send (PVT_PACKET_DATA, output->number, NULL, 0, stream->user_data);
  check_end (stream);
}

static gboolean
output_readable (gint fd, GIOCondition condition G_GNUC_UNUSED, gpointer data)
{
  Output *output = data;
  PvtStream *stream = output->stream;
  const char *bytes;
  gssize n = stream->ops->forward (fd, output->number, MIN (CHUNK, output->credit), &bytes,
                                   stream->user_data);
  gboolean goes_on;

  if (n < 0 && (errno == EAGAIN || errno == EINTR))
    return G_SOURCE_CONTINUE;
  if (n <= 0)
    {
      /* EIO is how a terminal says that the last program on it has closed it. */
      output->source = 0;
      end_output (output);
      return G_SOURCE_REMOVE;
    }
  output->credit -= (guint64) n;
  if (stream->is_summed)
    pvt_sum64_add (&stream->sum, bytes, (gsize) n);
  /* Whoever ends the stream on hearing this has dropped the source by itself. */
  pvt_stream_ref (stream);
  stream->ops->kick (stream->user_data);
  if (stream->ops)
    watch_output (output);
  goes_on = output->source != 0;
  pvt_stream_unref (stream);
  return goes_on ? G_SOURCE_CONTINUE : G_SOURCE_REMOVE;
}

void
pvt_stream_window (PvtStream *stream, guint channel, guint32 bytes)
{
  Output *output;

  if (channel < 1 || channel > 2)
    return;
  output = &stream->outputs[channel - 1];
  output->credit = MIN (output->credit + bytes, (guint64) PVT_STREAM_WINDOW * 16);
  watch_output (output);
  if (stream->feed)
    stream->feed->ready (stream->feed_data);
}

gboolean
pvt_stream_offer (PvtStream *stream, const char *data, gsize len)
{
  Output *output = &stream->outputs[0];

  if (stream->ops == NULL || output->credit < len
      || !stream->ops->has_room (FEED_MARK, stream->user_data))
    return FALSE;
  output->credit -= len;
  stream->ops->send (PVT_PACKET_DATA, output->number, data, len, stream->user_data);
  return TRUE;
}

void
pvt_stream_wake (PvtStream *stream)
{
  watch_output (&stream->outputs[0]);
  watch_output (&stream->outputs[1]);
  if (stream->feed)
    stream->feed->ready (stream->feed_data);
}

void
pvt_stream_suspend (PvtStream *stream, gboolean suspended)
{
  if (stream->feed)
    stream->feed->suspend (stream->feed_data, suspended);
}

/* ---- control ---- */

static void
resize (const PvtStream *stream, guint32 rows, guint32 columns)
{
  struct winsize size = { .ws_row = (unsigned short) rows, .ws_col = (unsigned short) columns };

  if (stream->terminal >= 0)
    ioctl (stream->terminal, TIOCSWINSZ, &size);
}

void
pvt_stream_control (PvtStream *stream, const char *json, gsize len)
{
  PvtStreamControl control = { 0 };

  if (!pvt_decode_untrusted (json, len, &pvt_stream_control_type, &control))
    return;
  /* The program leads its session: its group is its own. */
  if (control.has_signal && control.signal >= 1 && control.signal <= 64 && stream->pid > 0
      && !stream->child_ended)
    kill (-stream->pid, (int) control.signal);
  if (control.has_rows && control.has_columns)
    resize (stream, control.rows, control.columns);
  pvt_object_clear (&pvt_stream_control_type, &control);
}

/* ---- life ---- */

static gboolean
has_data (int fd)
{
  struct pollfd pfd = { .fd = fd, .events = POLLIN };

  return poll (&pfd, 1, 0) > 0 && (pfd.revents & POLLIN);
}

/* The program has ended; what it wrote is still sent, however slow the host is.
 * What others hold open without writing is closed. */
static gboolean
linger_over (gpointer data)
{
  PvtStream *stream = data;
  gboolean waits = FALSE;

  pvt_stream_ref (stream);
  for (guint i = 0; i < 2 && stream->ops; i++)
    {
      Output *output = &stream->outputs[i];

      if (output->fd >= 0 && has_data (output->fd))
        waits = TRUE;
      else if (output->fd >= 0)
        end_output (output);
    }
  waits = waits && stream->ops;
  if (!waits)
    stream->linger = 0;
  pvt_stream_unref (stream);
  return waits ? G_SOURCE_CONTINUE : G_SOURCE_REMOVE;
}

static void
child_ended (pid_t pid G_GNUC_UNUSED, int status, gpointer data)
{
  PvtStream *stream = data;

  stream->child_ended = TRUE;
  stream->status = status;
  if (stream->ops)
    {
      pvt_stream_close_input (stream);
      stream->linger = g_timeout_add (LINGER_MS, linger_over, stream);
      check_end (stream);
    }
  pvt_stream_unref (stream);
}

void
pvt_stream_begin (PvtStream *stream)
{
  stream->child_watched = stream->pid > 0;
  if (stream->child_watched)
    pvt_child_watch (stream->pid, child_ended, pvt_stream_ref (stream));
  if (stream->feed)
    stream->feed->begin (stream, stream->feed_data);
  pvt_stream_wake (stream);
  check_end (stream);
}

typedef struct
{
  PvtStream *stream;
  gboolean has_sum;
  PvtSum64 sum;
  char *error;
} Finish;

static gboolean
worker_finished (gpointer data)
{
  Finish *finish = data;

  if (finish->has_sum)
    finish->stream->sum = finish->sum;
  finish->stream->error = finish->error;
  finish->stream->worker_ended = TRUE;
  check_end (finish->stream);
  pvt_stream_unref (finish->stream);
  g_free (finish);
  return G_SOURCE_REMOVE;
}

void
pvt_stream_finish (PvtStream *stream, const PvtSum64 *sum, char *error)
{
  Finish *finish = g_new0 (Finish, 1);

  finish->stream = pvt_stream_ref (stream);
  finish->has_sum = sum != NULL;
  if (sum)
    finish->sum = *sum;
  finish->error = error;
  g_idle_add_full (G_PRIORITY_DEFAULT, worker_finished, finish, NULL);
}

void
pvt_stream_drop (PvtStream *stream)
{
  gboolean terminal;

  g_mutex_lock (&lock);
  stream->dropped = TRUE;
  g_mutex_unlock (&lock);
  terminal = stream->terminal >= 0;
  stream->ops = NULL;
  drop_feed (stream);
  close_all (stream);
  /* As when a line is cut; a program on pipes sees them close. */
  if (terminal && stream->pid > 0 && !stream->child_ended)
    kill (-stream->pid, SIGHUP);
}
