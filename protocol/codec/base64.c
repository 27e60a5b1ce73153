/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base64.h"

/* The six bits of a character, or -1. */
static int
sextet (char c)
{
  if (c >= 'A' && c <= 'Z')
    return c - 'A';
  if (c >= 'a' && c <= 'z')
    return c - 'a' + 26;
  if (c >= '0' && c <= '9')
    return c - '0' + 52;
  if (c == '+')
    return 62;
  return c == '/' ? 63 : -1;
}

static gboolean
is_break (char c)
{
  return c == '\n' || c == '\r' || c == ' ';
}

/* Behind the first '=': only padding up to a whole group, and breaks. */
static gboolean
padding_ends (const char *text, gsize len, guint have)
{
  guint pad = 0;

  for (gsize i = 0; i < len; i++)
    {
      if (text[i] == '=')
        pad++;
      else if (!is_break (text[i]))
        return FALSE;
    }
  return have >= 2 && have + pad == 4;
}

gboolean
pvt_base64_decode (const char *text, gsize len, guint8 **data, gsize *data_len)
{
  g_autofree guint8 *out = g_malloc (len / 4 * 3 + 3);
  gsize n = 0, i;
  guint32 group = 0;
  guint have = 0;

  for (i = 0; i < len && text[i] != '='; i++)
    {
      int bits = sextet (text[i]);

      if (bits < 0)
        {
          if (is_break (text[i]))
            continue;
          return FALSE;
        }
      group = group << 6 | (guint32) bits;
      if (++have == 4)
        {
          out[n++] = (guint8) (group >> 16);
          out[n++] = (guint8) (group >> 8);
          out[n++] = (guint8) group;
          have = 0;
        }
    }
  if (i < len ? !padding_ends (text + i, len - i, have) : have != 0)
    return FALSE;
  if (have >= 2)
    out[n++] = (guint8) (have == 2 ? group >> 4 : group >> 10);
  if (have == 3)
    out[n++] = (guint8) (group >> 2);
  *data = g_steal_pointer (&out);
  *data_len = n;
  return TRUE;
}
