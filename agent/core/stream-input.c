/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the host sends on a stream: to the descriptor, no faster than that takes it. */
#include "stream-private.h"

#include "log.h"
#include "watch-fd.h"

#include <errno.h>
#include <unistd.h>

/* What may come beyond the window, and what the buffer keeps when it is empty. */
#define CHUNK (128 * 1024)

/* The window is opened again in steps: a packet a step, not a packet a read. */
#define WINDOW_STEP (PVT_STREAM_WINDOW / 4)

void
pvt_stream_close_input (PvtStream *stream)
{
  g_clear_handle_id (&stream->in_source, g_source_remove);
  if (stream->in >= 0)
    close (stream->in);
  stream->in = -1;
}

/* What was taken is asked for again, in steps. */
static void
open_window (PvtStream *stream, gsize taken)
{
  guint32 step;

  stream->in_taken += taken;
  if (stream->in_taken < WINDOW_STEP || stream->in_end || stream->ops == NULL)
    return;
  step = GUINT32_TO_LE ((guint32) stream->in_taken);
  stream->in_taken = 0;
  stream->ops->send (PVT_PACKET_WINDOW, 0, &step, sizeof step, stream->user_data);
}

static gboolean
feed (PvtStream *stream)
{
  gsize before = stream->in_done;

  while (stream->in_done < stream->in_buf.len)
    {
      gssize n = write (stream->in, stream->in_buf.data + stream->in_done,
                        stream->in_buf.len - stream->in_done);

      if (n < 0 && errno == EINTR)
        continue;
      if (n < 0 && errno == EAGAIN)
        break;
      if (n < 0)
        return FALSE; /* nobody reads it any more */
      stream->in_done += (gsize) n;
    }
  open_window (stream, stream->in_done - before);
  pvt_buf_settle (&stream->in_buf, &stream->in_done, CHUNK);
  return TRUE;
}

/* Whoever reads sees the end, and may ask whether it is the host's. */
static void
complete_input (PvtStream *stream)
{
  if (stream->in_end && stream->in_buf.len == 0)
    g_atomic_int_set (&stream->in_complete, TRUE);
  pvt_stream_close_input (stream);
}

static gboolean
input_writable (gint fd G_GNUC_UNUSED, GIOCondition condition G_GNUC_UNUSED, gpointer data)
{
  PvtStream *stream = data;

  if (feed (stream) && (stream->in_buf.len > 0 || !stream->in_end))
    {
      if (stream->in_buf.len > 0)
        return G_SOURCE_CONTINUE;
      stream->in_source = 0;
      return G_SOURCE_REMOVE;
    }
  stream->in_source = 0;
  complete_input (stream);
  return G_SOURCE_REMOVE;
}

/* A terminal has no end of file of its own: its end-of-input character is one. */
static void
end_input (PvtStream *stream)
{
  stream->in_end = TRUE;
  if (stream->terminal >= 0)
    pvt_buf_append_c (&stream->in_buf, 4);
}

void
pvt_stream_data (PvtStream *stream, const char *data, gsize len)
{
  if (stream->in < 0 || stream->in_end)
    {
      /* Nobody reads it, which the host learns from the end; the window stays open. */
      open_window (stream, len);
      return;
    }
  if (len == 0)
    end_input (stream);
  else if (stream->in_buf.len - stream->in_done + len > PVT_STREAM_WINDOW + CHUNK)
    {
      pvt_log (PVT_LOG_WARNING, "a stream was sent more than its window: its input is closed");
      pvt_stream_close_input (stream);
      return;
    }
  pvt_buf_append (&stream->in_buf, data, len);
  if (stream->in_source == 0 && !feed (stream))
    pvt_stream_close_input (stream);
  else if (stream->in_buf.len > 0 && stream->in_source == 0)
    stream->in_source = pvt_watch_fd (stream->in, G_IO_OUT, input_writable, stream);
  else if (stream->in_buf.len == 0 && stream->in_end && stream->terminal < 0)
    complete_input (stream);
}
