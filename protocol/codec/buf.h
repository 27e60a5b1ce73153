/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A growing byte buffer, inline because every byte sent passes through it.
 * Zeroed memory is an empty buffer. Allocation failure aborts, as in GLib.
 */
#pragma once

#include <glib.h>
#include <string.h>

typedef struct
{
  char *data;
  gsize len;
  gsize cap;
} PvtBuf;

/* Makes room for @more bytes behind the end. */
void pvt_buf_grow (PvtBuf *buf, gsize more);

/* Frees the memory; the buffer may be used again. */
void pvt_buf_clear (PvtBuf *buf);

/* Drops the first @n bytes. */
void pvt_buf_consume (PvtBuf *buf, gsize n);

/* Drops all bytes, and the memory too when it is larger than @resting. */
void pvt_buf_empty (PvtBuf *buf, gsize resting);

/*
 * For who takes from the front and counts in *@done: drops what is taken once that is
 * the greater half, so that a buffer that never runs empty stays as small as what
 * waits in it, at the price of moving each byte once at most. When all is taken, as
 * pvt_buf_empty().
 */
void pvt_buf_settle (PvtBuf *buf, gsize *done, gsize resting);

static inline char *
pvt_buf_reserve (PvtBuf *buf, gsize more)
{
  if (buf->cap - buf->len < more)
    pvt_buf_grow (buf, more);
  return buf->data + buf->len;
}

static inline void
pvt_buf_append (PvtBuf *buf, const void *data, gsize n)
{
  if (n == 0)
    return;
  memcpy (pvt_buf_reserve (buf, n), data, n);
  buf->len += n;
}

static inline void
pvt_buf_append_c (PvtBuf *buf, char c)
{
  *pvt_buf_reserve (buf, 1) = c;
  buf->len++;
}

static inline void
pvt_buf_append_str (PvtBuf *buf, const char *s)
{
  pvt_buf_append (buf, s, strlen (s));
}

#define PVT_BUF_APPEND_LITERAL(buf, s) pvt_buf_append ((buf), "" s "", sizeof (s) - 1)
