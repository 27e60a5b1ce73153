/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "json-text.h"

#include <string.h>

/* Behind the string that begins at @p. */
static const char *
skip_string (const char *p)
{
  for (p++; *p && *p != '"'; p++)
    if (*p == '\\' && p[1])
      p++;
  return *p ? p + 1 : p;
}

/* Behind "e+308" at @p, or @p when there is none: outside of strings the only other words
 * with an e are false and true. */
static const char *
skip_exponent (const char *p)
{
  gsize digits;

  if (*p != 'e' || (p[1] != '+' && p[1] != '-'))
    return p;
  digits = strspn (p + 2, "0123456789");
  return digits ? p + 2 + digits : p;
}

void
pvt_json_repair (char *text)
{
  const char *from = text;
  char *to = text;

  while (*from)
    {
      const char *end = *from == '"' ? skip_string (from) : skip_exponent (from);
      gsize length = MAX (end - from, 1);

      memmove (to, from, length);
      to += length;
      from += length;
      if (end == from && from[-1] != '"' && from[0] == '.' && from[1] == '0')
        from += 2;
    }
  *to = '\0';
}

char *
pvt_json_text (JsonNode *node, gboolean pretty)
{
  char *text = json_to_string (node, pretty);

  pvt_json_repair (text);
  return text;
}
