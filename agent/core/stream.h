/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Data that flows beside a request: the standard input and output of a program,
 * the bytes of a file. Each direction has a window: a side sends no more than
 * the other has asked for, so that nobody's memory grows and no stream holds up
 * another.
 *
 * A command's handler, on its thread, attaches descriptors; from the reply on
 * the main loop moves the data.
 */
#pragma once

#include "protocol/codec/sum64.h"
#include "protocol/frame/packet.h"

#include <sys/types.h>

typedef struct _PvtStream PvtStream;

/* How a stream speaks to its channel; main loop only. */
typedef struct
{
  /* Sends a packet of the stream's. */
  void (*send) (PvtPacketType type, guint8 channel, const void *data, gsize len, gpointer user_data);
  /* Reads up to @max bytes of @fd right behind what waits in the channel, as a packet
   * of data; returns as read(2). *@data: where they are, until something is sent. */
  gssize (*forward) (int fd, guint8 channel, gsize max, const char **data, gpointer user_data);
  /* Has the channel send what was forwarded. */
  void (*kick) (gpointer user_data);
  /* TRUE while less than @mark bytes wait in the channel. After FALSE the stream
   * is woken once that is so. */
  gboolean (*has_room) (gsize mark, gpointer user_data);
  /* It is over: END was sent. The stream may be freed. */
  void (*over) (gpointer user_data);
} PvtStreamOps;

/*
 * Data that the agent makes itself, such as events; all on the main loop. What
 * a host is slow to take waits at the feed, not in the channel: see
 * pvt_stream_offer().
 */
typedef struct
{
  /* The reply was sent: pvt_stream_offer() may be called from here on. */
  void (*begin) (PvtStream *stream, gpointer feed);
  /* What was refused may be offered again. */
  void (*ready) (gpointer feed);
  /* Nobody listens for the time being, or again. */
  void (*suspend) (gpointer feed, gboolean suspended);
  /* It is over, perhaps before it began; the feed may be freed. */
  void (*drop) (gpointer feed);
} PvtStreamFeed;

/* ---- the handler's side ---- */

/*
 * Descriptors that the stream takes over and closes, -1 for none: what the host
 * sends is written to @in; what is read from @out and @err is sent to it. All
 * become non-blocking.
 */
void pvt_stream_attach (PvtStream *stream, int in, int out, int err);

/* The program behind them, whose end is the stream's; waited for by it. With a
 * terminal, @terminal is its end of it, which is one of those attached. */
void pvt_stream_attach_child (PvtStream *stream, pid_t pid, int terminal);

/*
 * A thread does the work on the far ends of the descriptors. It calls
 * pvt_stream_finish() when it is done, from whatever thread.
 */
void pvt_stream_attach_worker (PvtStream *stream);

/* The end tells the sum of what was sent to the host, and how much it was. */
void pvt_stream_attach_sum (PvtStream *stream);

/* The stream's output is what @ops offers. */
void pvt_stream_attach_feed (PvtStream *stream, const PvtStreamFeed *ops, gpointer feed);

/*
 * Sends @len bytes as one packet, or refuses: as long as the host has not asked
 * for so much more, or other things wait in the channel. Main loop only.
 */
gboolean pvt_stream_offer (PvtStream *stream, const char *data, gsize len);

/* @sum: of what came from the host; NULL: that of pvt_stream_attach_sum(). @error:
 * what went wrong, taken over; NULL when nothing did. */
void pvt_stream_finish (PvtStream *stream, const PvtSum64 *sum, char *error);

/* TRUE once the host has sent the end of its data and all of it was passed on.
 * Any thread that has seen the end of file. */
gboolean pvt_stream_input_complete (PvtStream *stream);

PvtStream *pvt_stream_ref (PvtStream *stream);
void pvt_stream_unref (PvtStream *stream);

/* ---- the channel's side; main loop only ---- */

PvtStream *pvt_stream_new (const PvtStreamOps *ops, gpointer user_data);

/* TRUE when a handler attached something. */
gboolean pvt_stream_is_attached (const PvtStream *stream);

/* The reply was sent: data may flow. */
void pvt_stream_begin (PvtStream *stream);

/* What the host sent for it. */
void pvt_stream_data (PvtStream *stream, const char *data, gsize len);
void pvt_stream_window (PvtStream *stream, guint channel, guint32 bytes);
void pvt_stream_control (PvtStream *stream, const char *json, gsize len);

/* The channel has room again. */
void pvt_stream_wake (PvtStream *stream);

/* The channel's peer has gone for the time being, or is back. */
void pvt_stream_suspend (PvtStream *stream, gboolean suspended);

/* The host is gone or gave it up: closes all, calls nothing any more. */
void pvt_stream_drop (PvtStream *stream);
