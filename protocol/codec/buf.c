/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "buf.h"

/* A small buffer is doubled; what is larger grows by half, as it may stay so for long. */
#define DOUBLED (1024 * 1024)

void
pvt_buf_grow (PvtBuf *buf, gsize more)
{
  gsize cap = buf->cap ? buf->cap : 256;

  if (more > G_MAXSIZE / 4 || buf->len > G_MAXSIZE / 4)
    g_error ("buffer of %" G_GSIZE_FORMAT " bytes cannot grow by %" G_GSIZE_FORMAT, buf->len, more);
  while (cap - buf->len < more)
    cap += cap < DOUBLED ? cap : cap / 2;
  buf->data = g_realloc (buf->data, cap);
  buf->cap = cap;
}

void
pvt_buf_clear (PvtBuf *buf)
{
  g_free (buf->data);
  memset (buf, 0, sizeof *buf);
}

void
pvt_buf_consume (PvtBuf *buf, gsize n)
{
  g_assert (n <= buf->len);
  buf->len -= n;
  if (buf->len > 0)
    memmove (buf->data, buf->data + n, buf->len);
}

void
pvt_buf_empty (PvtBuf *buf, gsize resting)
{
  buf->len = 0;
  if (buf->cap > resting)
    pvt_buf_clear (buf);
}

void
pvt_buf_settle (PvtBuf *buf, gsize *done, gsize resting)
{
  if (*done == buf->len)
    pvt_buf_empty (buf, resting);
  else if (*done >= buf->len - *done)
    pvt_buf_consume (buf, *done);
  else
    return;
  *done = 0;
}
