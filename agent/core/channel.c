/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "channel.h"

#include "dialect.h"

#include <errno.h>
#include <glib-unix.h>
#include <unistd.h>

/* What an output buffer keeps when it is empty. */
#define RESTING (16 * 1024)

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
  const PvtDialect *dialect;
  gpointer state; /* the dialect's */
  PvtBuf out;
  gsize out_done; /* bytes of out that are written */
  gsize keep;     /* what out keeps when it is empty */
  gsize counted;  /* of what waits, in all_waiting */
  GSource *source;
  gpointer tag;
  GIOCondition watched;
  gboolean parked;  /* the peer is gone, nobody watches the descriptor */
  gboolean running; /* inside process() */
  int broken;       /* errno of a write: to be told of from the main loop; 0: none */
};

static gsize all_waiting;

gsize
pvt_channels_waiting (void)
{
  return (gsize) g_atomic_pointer_get (&all_waiting);
}

gsize
pvt_channel_waiting (const PvtChannel *channel)
{
  return channel->out.len - channel->out_done;
}

const char *
pvt_channel_name (const PvtChannel *channel)
{
  return channel->name;
}

PvtBuf *
pvt_channel_out (PvtChannel *channel)
{
  return &channel->out;
}

gboolean
pvt_channel_has_room (const PvtChannel *channel)
{
  return pvt_channel_waiting (channel) < PVT_CHANNEL_HIGH_WATER;
}

void
pvt_channel_keep (PvtChannel *channel, gsize bytes)
{
  channel->keep = bytes;
  if (channel->out.len == 0)
    pvt_buf_empty (&channel->out, MAX (bytes, RESTING));
}

static gboolean
may_read (const PvtChannel *channel)
{
  return pvt_channel_has_room (channel) && channel->dialect->may_read (channel->state);
}

static void
ask_for (PvtChannel *channel, GIOCondition want)
{
  if (channel->tag == NULL)
    channel->tag = g_source_add_unix_fd (channel->source, channel->fd, want);
  else if (want != channel->watched)
    g_source_modify_unix_fd (channel->source, channel->tag, want);
  channel->watched = want;
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
  if (may_read (channel))
    want |= G_IO_IN;
  if (pvt_channel_waiting (channel))
    want |= G_IO_OUT;
  /* Who waits for an answer sends nothing: to look away for its time would be two
   * changes of the poll a request. It is done once something comes. */
  if (channel->tag)
    want |= channel->watched & G_IO_IN;
  ask_for (channel, want);
}

/* The owner decides what becomes of the channel, and of what is under way. */
static void
peer_gone (PvtChannel *channel, int error_number)
{
  if (channel->parked)
    return;
  channel->parked = TRUE;
  watch (channel);
  channel->dialect->park (channel->state);
  channel->gone (channel, error_number, channel->user_data);
}

/* FALSE when the peer is gone. Whoever sends, streams and jobs among them, is in the
 * middle of something: the owner, who may free the channel with all of it, hears of it
 * from the main loop. */
static gboolean
flush (PvtChannel *channel)
{
  while (pvt_channel_waiting (channel) > 0)
    {
      gssize n = write (channel->fd, channel->out.data + channel->out_done, pvt_channel_waiting (channel));

      if (n < 0 && errno == EINTR)
        continue;
      if (n < 0 && errno == EAGAIN)
        break;
      if (n < 0)
        {
          channel->broken = errno;
          g_source_set_ready_time (channel->source, 0);
          return FALSE;
        }
      channel->out_done += (gsize) n;
    }
  pvt_buf_settle (&channel->out, &channel->out_done, MAX (channel->keep, RESTING));
  return TRUE;
}

static void
count_waiting (PvtChannel *channel)
{
  gsize now = pvt_channel_waiting (channel);

  if (now == channel->counted)
    return; /* as a rule: what was said was written */
  g_atomic_pointer_add (&all_waiting, (gssize) (now - channel->counted));
  channel->counted = now;
}

/* Handles and writes in turns until both have to wait. */
static void
process (PvtChannel *channel)
{
  gboolean ok;

  if (channel->running || channel->broken)
    return; /* asked for from inside: the loop goes round once more anyway */
  channel->running = TRUE;
  do
    {
      channel->dialect->handle (channel->state);
      ok = flush (channel);
    }
  while (ok && pvt_channel_has_room (channel) && channel->dialect->pending (channel->state));
  channel->running = FALSE;
  count_waiting (channel);
  if (ok)
    watch (channel);
}

void
pvt_channel_kick (PvtChannel *channel)
{
  process (channel);
}

static void
readable (PvtChannel *channel)
{
  gsize size = 0;
  char *room = channel->dialect->reserve (channel->state, &size);
  gssize n = read (channel->fd, room, size);

  if (n < 0 && (errno == EINTR || errno == EAGAIN))
    return;
  if (n <= 0)
    {
      peer_gone (channel, n < 0 ? errno : 0);
      return;
    }
  channel->dialect->commit (channel->state, (gsize) n);
  process (channel);
}

static void
write_failed (PvtChannel *channel)
{
  int error_number = channel->broken;

  channel->broken = 0;
  g_source_set_ready_time (channel->source, -1);
  peer_gone (channel, error_number);
}

static gboolean
dispatch_source (GSource *source, GSourceFunc callback G_GNUC_UNUSED, gpointer data G_GNUC_UNUSED)
{
  PvtChannel *channel = ((ChannelSource *) source)->channel;
  GIOCondition ready;

  if (channel->broken)
    {
      write_failed (channel);
      return G_SOURCE_CONTINUE;
    }
  ready = g_source_query_unix_fd (source, channel->tag);
  /* Data first: what came before a hang-up is still answered. */
  if ((ready & G_IO_IN) && !may_read (channel))
    ask_for (channel, channel->watched & ~(guint) G_IO_IN);
  else if (ready & G_IO_IN)
    readable (channel);
  else if (ready & (G_IO_HUP | G_IO_ERR | G_IO_NVAL))
    peer_gone (channel, 0);
  else if (ready & G_IO_OUT)
    process (channel);
  return G_SOURCE_CONTINUE;
}

static GSourceFuncs source_funcs = { .dispatch = dispatch_source };

PvtChannel *
pvt_channel_new (int fd, const char *name, gboolean extended, PvtChannelGone gone,
                 gpointer user_data)
{
  PvtChannel *channel = g_new0 (PvtChannel, 1);

  channel->fd = fd;
  channel->name = g_strdup (name);
  channel->gone = gone;
  channel->user_data = user_data;
  channel->dialect = extended ? &pvt_dialect_extended : &pvt_dialect_compat;
  channel->state = channel->dialect->open (channel);
  channel->source = g_source_new (&source_funcs, sizeof (ChannelSource));
  ((ChannelSource *) channel->source)->channel = channel;
  /* Nobody recurses here. But GLib takes a source that may not recurse out of its
   * poll while it is dispatched and puts it back, waking itself up for both: four
   * system calls more, for every request, than the three it takes. */
  g_source_set_can_recurse (channel->source, TRUE);
  channel->watched = G_IO_IN;
  channel->tag = g_source_add_unix_fd (channel->source, fd, G_IO_IN);
  g_source_attach (channel->source, NULL);
  return channel;
}

void
pvt_channel_free (PvtChannel *channel)
{
  channel->running = TRUE; /* what ends now has nobody to tell */
  channel->dialect->close (channel->state);
  pvt_buf_clear (&channel->out);
  channel->out_done = 0;
  count_waiting (channel);
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
  if (!pvt_channel_has_room (channel))
    {
      pvt_buf_clear (&channel->out);
      channel->out_done = 0;
    }
  channel->dialect->resume (channel->state);
  process (channel);
}
