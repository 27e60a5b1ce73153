/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * qemu-ga's dialect: a line a request, a line an answer, strictly in order.
 * While a blocking command runs no further request is read.
 */
#include "dialect.h"

#include "dispatch.h"
#include "protocol/codec/limits.h"
#include "protocol/frame/framer.h"

/* One read takes this much, more when a large message is under way. */
#define READ_SIZE (16 * 1024)
#define READ_MAX (1024 * 1024)
/* What all channels together hold of messages that have no end yet, and what each may have
 * even then: sixteen of the largest would not fit into the memory the agent's unit has. */
#define UNFINISHED_MAX (2 * (gsize) PVT_MESSAGE_MAX)
#define UNFINISHED_LEAST (1024 * 1024)

static gsize all_unfinished;

typedef struct
{
  PvtChannel *channel;
  PvtFramer framer;
  gsize unfinished; /* of it, in all_unfinished */
  PvtJob *job; /* the blocking command under way */
  char *job_id;
} Compat;

static gpointer
compat_open (PvtChannel *channel)
{
  Compat *compat = g_new0 (Compat, 1);

  compat->channel = channel;
  pvt_framer_init (&compat->framer, PVT_MESSAGE_MAX);
  return compat;
}

static void
count_unfinished (Compat *compat)
{
  gsize now = compat->framer.buf.len - compat->framer.start;

  all_unfinished += now - compat->unfinished;
  compat->unfinished = now;
}

/* The largest message is what the others leave room for. */
static void
share (Compat *compat)
{
  gsize others = all_unfinished - compat->unfinished;
  gsize left = others < UNFINISHED_MAX ? UNFINISHED_MAX - others : 0;

  compat->framer.max = CLAMP (left, UNFINISHED_LEAST, PVT_MESSAGE_MAX);
  compat->framer.because = left < PVT_MESSAGE_MAX ? ", beside the unfinished ones of other clients" : NULL;
}

static void
compat_close (gpointer state)
{
  Compat *compat = state;

  if (compat->job)
    pvt_job_abandon (compat->job);
  g_free (compat->job_id);
  pvt_framer_clear (&compat->framer);
  count_unfinished (compat);
  g_free (compat);
}

static char *
compat_reserve (gpointer state, gsize *size)
{
  Compat *compat = state;

  *size = CLAMP (compat->framer.buf.len / 4, READ_SIZE, READ_MAX);
  return pvt_framer_reserve (&compat->framer, *size);
}

static void
compat_commit (gpointer state, gsize n)
{
  pvt_framer_commit (&((Compat *) state)->framer, n);
}

static gboolean
compat_may_read (gpointer state)
{
  return ((Compat *) state)->job == NULL;
}

static gboolean
compat_pending (gpointer state)
{
  return compat_may_read (state) && pvt_framer_pending (&((Compat *) state)->framer);
}

/* Nothing is sent here that was not asked for. */
static void
compat_park (gpointer state G_GNUC_UNUSED)
{
}

static void
compat_resume (gpointer state)
{
  pvt_framer_boundary (&((Compat *) state)->framer);
}

static void
job_done (const PvtCall *call, gconstpointer result, const GError *error, gpointer user_data)
{
  Compat *compat = user_data;

  compat->job = NULL;
  pvt_dispatch_write_reply (call, result, error, compat->job_id, pvt_channel_out (compat->channel));
  g_clear_pointer (&compat->job_id, g_free);
  pvt_channel_kick (compat->channel);
}

static void
handle_frames (Compat *compat)
{
  const char *name = pvt_channel_name (compat->channel);
  PvtBuf *out = pvt_channel_out (compat->channel);
  PvtFrame frame;

  while (compat_may_read (compat) && pvt_channel_has_room (compat->channel))
    {
      switch (pvt_framer_next (&compat->framer, &frame))
        {
        case PVT_FRAME_MESSAGE:
          compat->job = pvt_dispatch_message (name, frame.data, frame.len, NULL, out, job_done,
                                              compat, &compat->job_id);
          break;
        case PVT_FRAME_BAD:
          pvt_dispatch_write_bad (name, frame.error, out);
          break;
        case PVT_FRAME_RESET:
          break;
        case PVT_FRAME_NONE:
        default:
          return;
        }
    }
}

static void
compat_handle (gpointer state)
{
  Compat *compat = state;

  share (compat);
  handle_frames (compat);
  count_unfinished (compat);
}

const PvtDialect pvt_dialect_compat
    = { compat_open, compat_close,   compat_reserve,  compat_commit,
        compat_handle, compat_pending, compat_may_read, compat_park,
        compat_resume };
