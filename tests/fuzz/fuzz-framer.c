/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The framer with every chunk size: the same frames come out. */
#include "fuzz.h"

#include "protocol/codec/limits.h"
#include "protocol/frame/framer.h"

static guint
run (const uint8_t *data, size_t size, size_t chunk)
{
  PvtFramer framer;
  PvtFrame frame;
  guint sum = 0;

  pvt_framer_init (&framer, 4096);
  for (size_t at = 0; at < size; at += chunk)
    {
      size_t n = MIN (chunk, size - at);

      memcpy (pvt_framer_reserve (&framer, n), data + at, n);
      pvt_framer_commit (&framer, n);
      while (pvt_framer_next (&framer, &frame) != PVT_FRAME_NONE)
        {
          sum = sum * 31 + frame.kind;
          if (frame.kind == PVT_FRAME_MESSAGE)
            sum = sum * 31 + (guint) frame.len + (guint8) frame.data[frame.len - 1];
        }
    }
  pvt_framer_clear (&framer);
  return sum;
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  guint whole;

  if (size == 0 || size > 4000) /* past the limit chunks decide where it is noticed */
    return 0;
  whole = run (data, size, size);
  g_assert_cmpuint (run (data, size, 1), ==, whole);
  g_assert_cmpuint (run (data, size, 7), ==, whole);
  return 0;
}
