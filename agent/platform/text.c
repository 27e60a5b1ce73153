/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "text.h"

#include <math.h>
#include <string.h>

gboolean
pvt_text_line (PvtText *text, PvtText *line)
{
  const char *newline;

  if (text->p >= text->end)
    return FALSE;
  newline = memchr (text->p, '\n', (gsize) (text->end - text->p));
  line->p = text->p;
  line->end = newline ? newline : text->end;
  text->p = newline ? newline + 1 : text->end;
  return TRUE;
}

gboolean
pvt_text_word (PvtText *line, PvtText *word)
{
  while (line->p < line->end && (*line->p == ' ' || *line->p == '\t'))
    line->p++;
  word->p = line->p;
  while (line->p < line->end && *line->p != ' ' && *line->p != '\t')
    line->p++;
  word->end = line->p;
  return word->p < word->end;
}

gboolean
pvt_text_u64 (PvtText *line, guint64 *value)
{
  PvtText word;
  guint64 v = 0;

  if (!pvt_text_word (line, &word))
    return FALSE;
  for (const char *p = word.p; p < word.end; p++)
    {
      guint digit = (guint) (*p - '0');

      if (digit > 9 || v > (G_MAXUINT64 - digit) / 10)
        return FALSE;
      v = v * 10 + digit;
    }
  *value = v;
  return TRUE;
}

gboolean
pvt_text_double (PvtText *line, double *value)
{
  PvtText word;
  char text[32], *end;
  gsize len;

  if (!pvt_text_word (line, &word))
    return FALSE;
  len = (gsize) (word.end - word.p);
  if (len >= sizeof text)
    return FALSE;
  memcpy (text, word.p, len);
  text[len] = '\0';
  *value = g_ascii_strtod (text, &end);
  return *end == '\0' && isfinite (*value);
}

gboolean
pvt_text_is (PvtText word, const char *literal)
{
  gsize len = strlen (literal);

  return (gsize) (word.end - word.p) == len && memcmp (word.p, literal, len) == 0;
}

gboolean
pvt_text_starts (PvtText text, const char *literal)
{
  gsize len = strlen (literal);

  return (gsize) (text.end - text.p) >= len && memcmp (text.p, literal, len) == 0;
}

char *
pvt_text_dup (PvtText word)
{
  return g_strndup (word.p, (gsize) (word.end - word.p));
}
