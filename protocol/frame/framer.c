/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "framer.h"

#include "protocol/codec/limits.h"

#include <string.h>

#define RESET_BYTE ((char) 0xff)

void
pvt_framer_init (PvtFramer *framer, gsize max)
{
  g_assert (max <= PVT_MESSAGE_MAX);
  memset (framer, 0, sizeof *framer);
  framer->max = max;
  framer->column0 = TRUE;
}

void
pvt_framer_clear (PvtFramer *framer)
{
  pvt_buf_clear (&framer->buf);
  framer->start = framer->pos = 0;
}

void
pvt_framer_reset (PvtFramer *framer)
{
  gsize max = framer->max;

  pvt_framer_clear (framer);
  pvt_framer_init (framer, max);
}

void
pvt_framer_boundary (PvtFramer *framer)
{
  framer->boundary = TRUE;
}

/* Behind a boundary: drops the half message of who was there before. */
static void
cross_boundary (PvtFramer *framer)
{
  framer->boundary = FALSE;
  if (framer->buf.data[framer->pos] != '{')
    return;
  framer->start = framer->pos;
  framer->skipping = FALSE;
  framer->column0 = TRUE;
  memset (&framer->guard, 0, sizeof framer->guard);
}

/* Moves the unfinished message to the front; consumed ones are gone. */
static void
compact (PvtFramer *framer)
{
  gsize start = framer->start;

  if (start == framer->buf.len)
    pvt_buf_empty (&framer->buf, PVT_FRAMER_RESTING);
  else if (start > 0)
    pvt_buf_consume (&framer->buf, start);
  framer->pos -= start;
  framer->start = 0;
}

char *
pvt_framer_reserve (PvtFramer *framer, gsize n)
{
  compact (framer);
  return pvt_buf_reserve (&framer->buf, n);
}

void
pvt_framer_commit (PvtFramer *framer, gsize n)
{
  g_assert (n <= framer->buf.cap - framer->buf.len);
  framer->buf.len += n;
}

gboolean
pvt_framer_pending (const PvtFramer *framer)
{
  return framer->pos < framer->buf.len;
}

static PvtFrameKind
deliver (PvtFramer *framer, PvtFrame *frame, PvtFrameKind kind)
{
  frame->kind = kind;
  framer->start = framer->pos;
  memset (&framer->guard, 0, sizeof framer->guard);
  return kind;
}

static PvtFrameKind
reject (PvtFramer *framer, PvtFrame *frame, const char *why)
{
  g_snprintf (frame->error, sizeof frame->error, "Invalid JSON at byte %" G_GSIZE_FORMAT ": %s",
              framer->guard.offset, why);
  return deliver (framer, frame, PVT_FRAME_BAD);
}

/*
 * The guard refused the byte at pos. Where reading goes on: behind a newline
 * inside a string, at a '{' in the first column, else behind the next newline.
 */
static PvtFrameKind
reject_at_pos (PvtFramer *framer, PvtFrame *frame)
{
  char c = framer->buf.data[framer->pos];
  PvtFrameKind kind;

  if (c == '\n')
    {
      framer->pos++;
      framer->column0 = TRUE;
    }
  else if (!(c == '{' && framer->column0))
    framer->skipping = TRUE;
  kind = reject (framer, frame, framer->guard.error);
  return kind;
}

static PvtFrameKind
saw_reset (PvtFramer *framer, PvtFrame *frame)
{
  framer->pos++;
  framer->skipping = FALSE;
  framer->column0 = TRUE;
  return deliver (framer, frame, PVT_FRAME_RESET);
}

/* Skips to behind the next newline; TRUE when it was there. */
static gboolean
skip_line (PvtFramer *framer)
{
  const char *data = framer->buf.data + framer->pos;
  gsize len = framer->buf.len - framer->pos;
  const char *newline = memchr (data, '\n', len);
  const char *reset = memchr (data, RESET_BYTE, newline ? (gsize) (newline - data) : len);

  framer->skipping = newline == NULL && reset == NULL;
  if (reset)
    framer->pos += (gsize) (reset - data);
  else if (newline)
    framer->pos += (gsize) (newline - data) + 1;
  else
    framer->pos += len;
  framer->column0 = newline != NULL;
  framer->start = framer->pos;
  return !framer->skipping;
}

/* Skips what may stand between messages. */
static void
skip_space (PvtFramer *framer)
{
  while (framer->pos < framer->buf.len)
    {
      char c = framer->buf.data[framer->pos];

      if (c != ' ' && c != '\t' && c != '\r' && c != '\n')
        break;
      framer->column0 = c == '\n';
      framer->pos++;
    }
  framer->start = framer->pos;
}

/*
 * Feeds the guard one line's worth at a time, so that column 0 is known
 * without looking at every byte twice.
 */
static PvtFrameKind
feed_line (PvtFramer *framer, PvtFrame *frame)
{
  const char *data = framer->buf.data + framer->pos;
  gsize len = framer->buf.len - framer->pos;
  const char *newline = memchr (data, '\n', len);
  gsize line = newline ? (gsize) (newline - data) + 1 : len;
  gsize consumed;
  PvtGuardResult result;

  if (framer->column0 && framer->pos > framer->start && *data == '{'
      && pvt_guard_between_tokens (&framer->guard))
    return reject (framer, frame, "the message was cut short by a new one");
  result = pvt_guard_feed (&framer->guard, data, line, &consumed);
  framer->pos += consumed;
  if (consumed > 0)
    framer->column0 = data[consumed - 1] == '\n';
  if (result == PVT_GUARD_BAD)
    return framer->buf.data[framer->pos] == RESET_BYTE ? saw_reset (framer, frame)
                                                       : reject_at_pos (framer, frame);
  if (framer->pos - framer->start > framer->max)
    {
      framer->skipping = !framer->column0;
      g_snprintf (frame->error, sizeof frame->error,
                  "The message is larger than %" G_GSIZE_FORMAT " bytes%s", framer->max,
                  framer->because ? framer->because : "");
      return deliver (framer, frame, PVT_FRAME_BAD);
    }
  if (result == PVT_GUARD_DONE)
    {
      frame->data = framer->buf.data + framer->start;
      frame->len = framer->pos - framer->start;
      return deliver (framer, frame, PVT_FRAME_MESSAGE);
    }
  return PVT_FRAME_NONE;
}

PvtFrameKind
pvt_framer_next (PvtFramer *framer, PvtFrame *frame)
{
  PvtFrameKind kind = PVT_FRAME_NONE;

  while (kind == PVT_FRAME_NONE && framer->pos < framer->buf.len)
    {
      if (framer->boundary)
        cross_boundary (framer);
      if (framer->skipping && !skip_line (framer))
        break;
      if (framer->pos == framer->start)
        skip_space (framer);
      if (framer->pos == framer->buf.len)
        break;
      if (framer->pos == framer->start && framer->buf.data[framer->pos] == RESET_BYTE)
        kind = saw_reset (framer, frame);
      else
        kind = feed_line (framer, frame);
    }
  frame->kind = kind;
  return kind;
}
