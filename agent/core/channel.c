/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "channel.h"

#include "dispatch.h"
#include "protocol/codec/limits.h"
#include "protocol/frame/framer.h"

#include <errno.h>
#include <glib-unix.h>
#include <unistd.h>

/* One read takes this much, more when a large message is under way. */
#define READ_SIZE (16 * 1024)
#define READ_MAX (1024 * 1024)

/* With more than this waiting to be written no further request is handled. */
#define OUT_HIGH_WATER (256 * 1024)

typedef struct
{
  GSource source;
  PvtChannel *channel;
} ChannelSource;

struct _PvtChannel
{
  int fd;
  char *name;
  PvtChannelGone gone;
  gpointer user_data;
  PvtFramer framer;
  PvtBuf out;
  gsize out_done; /* bytes of out that are written */
  PvtJob *job;    /* the blocking command under way */
  char *job_id;
  GSource *source;
  gpointer tag;
  GIOCondition watched;
  gboolean parked; /* the peer is gone, nobody watches the descriptor */
};

static void process (PvtChannel *channel);

static gsize
out_waiting (const PvtChannel *channel)
{
  return channel->out.len - channel->out_done;
}

static gboolean
may_read (const PvtChannel *channel)
{
  return channel->job == NULL && out_waiting (channel) < OUT_HIGH_WATER;
}

static void
watch (PvtChannel *channel)
{
  GIOCondition want = 0;

  if (channel->parked)
    {
      /* A hang-up is reported even to who asks for nothing: do not ask. */
      if (channel->tag)
        g_source_remove_unix_fd (channel->source, channel->tag);
      channel->tag = NULL;
      return;
    }
  want = (may_read (channel) ? G_IO_IN : 0) | (out_waiting (channel) ? G_IO_OUT : 0);
  if (channel->tag == NULL)
    channel->tag = g_source_add_unix_fd (channel->source, channel->fd, want);
  else if (want != channel->watched)
    g_source_modify_unix_fd (channel->source, channel->tag, want);
  channel->watched = want;
}

static void
drop (PvtChannel *channel)
{
  if (channel->job)
    pvt_job_abandon (channel->job);
  channel->job = NULL;
  g_clear_pointer (&channel->job_id, g_free);
  pvt_framer_reset (&channel->framer);
  pvt_buf_clear (&channel->out);
  channel->out_done = 0;
}

/* The owner decides what becomes of the channel, and of what is under way. */
static void
peer_gone (PvtChannel *channel, int error_number)
{
  if (channel->parked)
    return;
  channel->parked = TRUE;
  watch (channel);
  channel->gone (channel, error_number, channel->user_data);
}

/* FALSE when the peer is gone, and the channel perhaps with it. */
static gboolean
flush (PvtChannel *channel)
{
  while (out_waiting (channel) > 0)
    {
      gssize n = write (channel->fd, channel->out.data + channel->out_done, out_waiting (channel));

      if (n < 0 && errno == EINTR)
        continue;
      if (n < 0 && errno == EAGAIN)
        return TRUE;
      if (n < 0)
        {
          peer_gone (channel, errno);
          return FALSE;
        }
      channel->out_done += (gsize) n;
    }
  channel->out_done = 0;
  pvt_buf_empty (&channel->out, READ_SIZE);
  return TRUE;
}

static void
job_done (const PvtCall *call, gconstpointer result, const GError *error, gpointer user_data)
{
  PvtChannel *channel = user_data;

  channel->job = NULL;
  pvt_dispatch_write_reply (call, result, error, channel->job_id, &channel->out);
  g_clear_pointer (&channel->job_id, g_free);
  process (channel);
}

/* Handles what the framer has until it must wait for something. */
static void
handle_frames (PvtChannel *channel)
{
  PvtFrame frame;

  while (may_read (channel))
    {
      switch (pvt_framer_next (&channel->framer, &frame))
        {
        case PVT_FRAME_MESSAGE:
          channel->job = pvt_dispatch_message (channel->name, frame.data, frame.len, &channel->out,
                                               job_done, channel, &channel->job_id);
          break;
        case PVT_FRAME_BAD:
          pvt_dispatch_write_bad (channel->name, frame.error, &channel->out);
          break;
        case PVT_FRAME_RESET:
          break;
        case PVT_FRAME_NONE:
        default:
          return;
        }
    }
}

/* Handles and writes in turns until both have to wait. */
static void
process (PvtChannel *channel)
{
  do
    {
      handle_frames (channel);
      if (!flush (channel))
        return;
    }
  while (may_read (channel) && pvt_framer_pending (&channel->framer));
  watch (channel);
}

static gsize
read_size (const PvtChannel *channel)
{
  return CLAMP (channel->framer.buf.len / 4, READ_SIZE, READ_MAX);
}

static void
readable (PvtChannel *channel)
{
  gsize size = read_size (channel);
  char *room = pvt_framer_reserve (&channel->framer, size);
  gssize n = read (channel->fd, room, size);

  if (n < 0 && (errno == EINTR || errno == EAGAIN))
    return;
  if (n <= 0)
    {
      peer_gone (channel, n < 0 ? errno : 0);
      return;
    }
  pvt_framer_commit (&channel->framer, (gsize) n);
  process (channel);
}

static gboolean
dispatch_source (GSource *source, GSourceFunc callback G_GNUC_UNUSED, gpointer data G_GNUC_UNUSED)
{
  PvtChannel *channel = ((ChannelSource *) source)->channel;
  GIOCondition ready = g_source_query_unix_fd (source, channel->tag);

  /* Data first: what came before a hang-up is still answered. */
  if (ready & G_IO_IN)
    readable (channel);
  else if (ready & (G_IO_HUP | G_IO_ERR | G_IO_NVAL))
    peer_gone (channel, 0);
  else if (ready & G_IO_OUT)
    process (channel);
  return G_SOURCE_CONTINUE;
}

static GSourceFuncs source_funcs = { .dispatch = dispatch_source };

PvtChannel *
pvt_channel_new (int fd, const char *name, PvtChannelGone gone, gpointer user_data)
{
  PvtChannel *channel = g_new0 (PvtChannel, 1);

  channel->fd = fd;
  channel->name = g_strdup (name);
  channel->gone = gone;
  channel->user_data = user_data;
  pvt_framer_init (&channel->framer, PVT_MESSAGE_MAX);
  channel->source = g_source_new (&source_funcs, sizeof (ChannelSource));
  ((ChannelSource *) channel->source)->channel = channel;
  channel->watched = G_IO_IN;
  channel->tag = g_source_add_unix_fd (channel->source, fd, G_IO_IN);
  g_source_attach (channel->source, NULL);
  return channel;
}

void
pvt_channel_free (PvtChannel *channel)
{
  drop (channel);
  pvt_framer_clear (&channel->framer);
  g_source_destroy (channel->source);
  g_source_unref (channel->source);
  close (channel->fd);
  g_free (channel->name);
  g_free (channel);
}

int
pvt_channel_fd (const PvtChannel *channel)
{
  return channel->fd;
}

void
pvt_channel_resume (PvtChannel *channel)
{
  channel->parked = FALSE;
  /* Replies by the megabyte are nobody's any more. */
  if (out_waiting (channel) > OUT_HIGH_WATER)
    {
      pvt_buf_clear (&channel->out);
      channel->out_done = 0;
    }
  pvt_framer_boundary (&channel->framer);
  process (channel);
}
