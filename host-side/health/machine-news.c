/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "machine-news.h"

typedef struct
{
  const PvtMachineSink *sink;
  PvtHealthInput input; /* without texts: those are of heartbeats */
  char *channel, *plain, *note;
} News;

static void
deliver (gpointer owner, gpointer data)
{
  const News *news = data;

  if (news->channel)
    news->sink->channel (owner, news->channel, news->plain);
  else if (news->note)
    news->sink->note (owner, news->note);
  else
    news->sink->input (owner, &news->input);
}

static void
free_news (gpointer data)
{
  News *news = data;

  g_free (news->channel);
  g_free (news->plain);
  g_free (news->note);
  g_free (news);
}

static void
post (PvtMailbox *mailbox, const News *news)
{
  pvt_mailbox_post (mailbox, deliver, g_memdup2 (news, sizeof *news), free_news);
}

void
pvt_machine_tell_input (const PvtMachineSink *sink, PvtMailbox *mailbox,
                        const PvtHealthInput *input)
{
  const News news = { .sink = sink, .input = *input };

  post (mailbox, &news);
}

void
pvt_machine_tell_note (const PvtMachineSink *sink, PvtMailbox *mailbox, const char *text)
{
  const News news = { .sink = sink, .note = g_strdup (text) };

  post (mailbox, &news);
}

void
pvt_machine_tell_channel (const PvtMachineSink *sink, PvtMailbox *mailbox, const char *path,
                          const char *plain)
{
  const News news = { .sink = sink, .channel = g_strconcat ("unix:", path, NULL),
                      .plain = plain ? g_strconcat ("unix:", plain, NULL) : NULL };

  post (mailbox, &news);
}
