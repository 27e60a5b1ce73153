/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sum64.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define BLOCK 32
#define CHUNK 65536

/* Odd, with its bits spread: the golden ratio in 64 bits. */
#define FACTOR G_GUINT64_CONSTANT (0x9e3779b97f4a7c15)

static inline guint64
mix (guint64 lane, guint64 word)
{
  lane = (lane ^ word) * FACTOR;
  return lane << 29 | lane >> 35;
}

static inline guint64
load (const guint8 *p)
{
  guint64 word;

  memcpy (&word, p, sizeof word);
  return GUINT64_FROM_LE (word);
}

/* Four lanes that do not wait for each other. */
static inline void
add_block (PvtSum64 *sum, const guint8 *p)
{
  for (guint i = 0; i < 4; i++)
    sum->lanes[i] = mix (sum->lanes[i], load (p + i * 8));
}

void
pvt_sum64_init (PvtSum64 *sum)
{
  memset (sum, 0, sizeof *sum);
  for (guint i = 0; i < 4; i++)
    sum->lanes[i] = FACTOR * (i + 1);
}

void
pvt_sum64_add (PvtSum64 *sum, const void *data, gsize len)
{
  const guint8 *p = data;
  gsize have = sum->bytes % BLOCK, take = have ? MIN (BLOCK - have, len) : 0;

  sum->bytes += len;
  if (take)
    {
      memcpy (sum->rest + have, p, take);
      p += take;
      len -= take;
      if (have + take < BLOCK)
        return;
      add_block (sum, sum->rest);
    }
  for (; len >= BLOCK; p += BLOCK, len -= BLOCK)
    add_block (sum, p);
  if (len)
    memcpy (sum->rest, p, len);
}

void
pvt_sum64_text (const PvtSum64 *sum, char text[17])
{
  PvtSum64 end = *sum;
  guint64 all;

  /* What is left over, filled up, and the length, which tells the filling apart. */
  memset (end.rest + end.bytes % BLOCK, 0, BLOCK - end.bytes % BLOCK);
  add_block (&end, end.rest);
  all = end.bytes * FACTOR;
  for (guint i = 0; i < 4; i++)
    all = mix (all, end.lanes[i]);
  g_snprintf (text, 17, "%016" G_GINT64_MODIFIER "x", all ^ all >> 31);
}

gboolean
pvt_sum64_add_file (PvtSum64 *sum, int fd, guint64 length, const gint *cancelled)
{
  g_autofree char *chunk = g_malloc (CHUNK);
  guint64 done = 0;

  while (done < length)
    {
      gssize n = pread (fd, chunk, (gsize) MIN (length - done, CHUNK), (off_t) done);

      if (n < 0 && errno == EINTR)
        continue;
      if (n <= 0)
        return n == 0;
      pvt_sum64_add (sum, chunk, (gsize) n);
      done += (guint64) n;
      if (cancelled && g_atomic_int_get (cancelled))
        {
          errno = ECANCELED;
          return FALSE;
        }
    }
  return TRUE;
}
