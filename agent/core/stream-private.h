/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A stream as stream.c and stream-input.c see it. */
#pragma once

#include "protocol/codec/buf.h"
#include "stream.h"

typedef struct
{
  PvtStream *stream;
  guint8 number; /* on the wire */
  int fd;        /* -1 once at its end */
  guint source;
  guint64 credit; /* bytes that the host takes */
} Output;

struct _PvtStream
{
  gatomicrefcount refs;
  const PvtStreamOps *ops; /* NULL once dropped */
  gpointer user_data;
  gboolean attached, dropped; /* under the lock */
  Output outputs[2];
  int in; /* -1 once closed */
  guint in_source;
  PvtBuf in_buf;   /* what the descriptor did not take yet */
  gsize in_done;
  gsize in_taken;  /* bytes since the window was opened last */
  gboolean in_end;  /* the host has sent all of it */
  gint in_complete; /* and all of it was passed on; workers look at it */
  pid_t pid;       /* 0: no program */
  int terminal;
  gboolean child_watched, child_ended;
  int status;
  guint linger;
  gboolean has_worker, worker_ended;
  char *error;        /* the worker's */
  gboolean is_summed; /* what goes to the host */
  PvtSum64 sum;       /* of that, or the worker's */
  const PvtStreamFeed *feed; /* NULL: none, or dropped */
  gpointer feed_data;
};

/* Nothing more is taken of what the host sends. */
void pvt_stream_close_input (PvtStream *stream);
