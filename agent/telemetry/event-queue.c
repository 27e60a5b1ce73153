/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "event-queue.h"

#include <string.h>

static void
take_oldest (PvtEventQueue *queue)
{
  PvtQueuedEvent *event = g_queue_pop_head (&queue->events);

  queue->bytes -= event->len;
  g_free (event);
}

void
pvt_event_queue_clear (PvtEventQueue *queue)
{
  while (queue->events.head)
    take_oldest (queue);
}

static guint
drop_oldest (PvtEventQueue *queue)
{
  const PvtQueuedEvent *event = queue->events.head->data;
  guint flags = event->flags;

  queue->dropped++;
  take_oldest (queue);
  return flags;
}

guint
pvt_event_queue_push (PvtEventQueue *queue, const char *body, gsize len, gint64 realtime_ns,
                      guint flags)
{
  PvtQueuedEvent *event;
  guint dropped = 0;

  queue->last_number++;
  if (len > PVT_EVENT_MAX)
    {
      queue->dropped++;
      return flags;
    }
  while (queue->events.length >= PVT_EVENT_QUEUE_MAX || queue->bytes + len > PVT_EVENT_QUEUE_BYTES)
    dropped |= drop_oldest (queue);
  event = g_malloc (sizeof *event + len);
  event->number = queue->last_number;
  event->realtime_ns = realtime_ns;
  event->flags = flags;
  event->len = len;
  memcpy (event->body, body, len);
  g_queue_push_tail (&queue->events, event);
  queue->bytes += len;
  return dropped;
}

const PvtQueuedEvent *
pvt_event_queue_peek (PvtEventQueue *queue)
{
  return g_queue_peek_head (&queue->events);
}

void
pvt_event_queue_pop (PvtEventQueue *queue)
{
  take_oldest (queue);
}
