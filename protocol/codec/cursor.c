/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cursor.h"

#include <string.h>

void
pvt_cursor_init (PvtCursor *cursor, const char *data, gsize len)
{
  cursor->p = data;
  cursor->end = data + len;
}

static char
next_char (PvtCursor *cursor)
{
  while (cursor->p < cursor->end
         && (*cursor->p == ' ' || *cursor->p == '\n' || *cursor->p == '\r' || *cursor->p == '\t'))
    cursor->p++;
  return cursor->p < cursor->end ? *cursor->p : '\0';
}

PvtJsonType
pvt_cursor_peek (PvtCursor *cursor)
{
  switch (next_char (cursor))
    {
    case '{':
      return PVT_JSON_OBJECT;
    case '[':
      return PVT_JSON_ARRAY;
    case '"':
      return PVT_JSON_STRING;
    case 't':
    case 'f':
      return PVT_JSON_BOOL;
    case 'n':
      return PVT_JSON_NULL;
    default:
      return PVT_JSON_NUMBER;
    }
}

const char *
pvt_json_type_name (PvtJsonType type)
{
  static const char *const names[] = { "null", "boolean", "number", "string", "array", "object" };

  return names[type];
}

PvtSlice
pvt_cursor_string (PvtCursor *cursor)
{
  PvtSlice slice;

  next_char (cursor);
  slice.data = ++cursor->p;
  while (cursor->p < cursor->end && *cursor->p != '"')
    cursor->p += *cursor->p == '\\' ? 2 : 1;
  slice.len = (gsize) (cursor->p - slice.data);
  cursor->p++;
  return slice;
}

/* Passes a bracketed value, whatever is inside it. */
static void
skip_brackets (PvtCursor *cursor)
{
  int depth = 0;

  do
    {
      char c = *cursor->p;

      if (c == '"')
        {
          pvt_cursor_string (cursor);
          continue;
        }
      depth += (c == '{' || c == '[') - (c == '}' || c == ']');
      cursor->p++;
    }
  while (depth > 0 && cursor->p < cursor->end);
}

PvtSlice
pvt_cursor_skip (PvtCursor *cursor)
{
  PvtSlice slice;

  switch (pvt_cursor_peek (cursor))
    {
    case PVT_JSON_STRING:
      slice.data = cursor->p;
      pvt_cursor_string (cursor);
      break;
    case PVT_JSON_OBJECT:
    case PVT_JSON_ARRAY:
      slice.data = cursor->p;
      skip_brackets (cursor);
      break;
    case PVT_JSON_NULL:
    case PVT_JSON_BOOL:
    case PVT_JSON_NUMBER:
    default:
      slice.data = cursor->p;
      while (cursor->p < cursor->end && strchr (",]} \n\r\t", *cursor->p) == NULL)
        cursor->p++;
      break;
    }
  slice.len = (gsize) (cursor->p - slice.data);
  return slice;
}

void
pvt_cursor_enter (PvtCursor *cursor)
{
  next_char (cursor);
  cursor->p++;
}

/* TRUE on the next item, FALSE behind the closing bracket. */
static gboolean
next_item (PvtCursor *cursor)
{
  char c = next_char (cursor);

  if (c == ',')
    {
      cursor->p++;
      c = next_char (cursor);
    }
  if (c != ']' && c != '}' && c != '\0')
    return TRUE;
  if (cursor->p < cursor->end)
    cursor->p++;
  return FALSE;
}

gboolean
pvt_cursor_element (PvtCursor *cursor)
{
  return next_item (cursor);
}

gboolean
pvt_cursor_member (PvtCursor *cursor, PvtSlice *key)
{
  if (!next_item (cursor))
    return FALSE;
  *key = pvt_cursor_string (cursor);
  next_char (cursor);
  cursor->p++; /* the colon */
  return TRUE;
}

static guint32
hex4 (const char *p)
{
  guint32 unit = 0;

  for (int i = 0; i < 4; i++)
    unit = unit << 4 | (guint32) g_ascii_xdigit_value (p[i]);
  return unit;
}

/* Undoes the escape behind a backslash; returns where the text goes on. */
static const char *
unescape_one (const char *p, char **out)
{
  static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
  guint32 unit;

  if (*p != 'u')
    {
      *(*out)++ = to[strchr (from, *p) - from];
      return p + 1;
    }
  unit = hex4 (p + 1);
  p += 5;
  if ((unit & 0xfc00) == 0xd800)
    {
      unit = 0x10000 + ((unit & 0x3ff) << 10) + (hex4 (p + 2) & 0x3ff);
      p += 6;
    }
  *out += g_unichar_to_utf8 (unit, *out);
  return p;
}

char *
pvt_slice_unescape (PvtSlice slice, gsize *len)
{
  /* Undoing an escape never makes text longer. */
  char *text = g_malloc (slice.len + 1), *out = text;
  const char *p = slice.data, *end = slice.data + slice.len;

  while (p < end)
    {
      const char *stop = memchr (p, '\\', (gsize) (end - p));
      gsize plain = (gsize) ((stop ? stop : end) - p);

      memcpy (out, p, plain);
      out += plain;
      p += plain;
      if (stop)
        p = unescape_one (p + 1, &out);
    }
  *out = '\0';
  if (len)
    *len = (gsize) (out - text);
  return text;
}

gboolean
pvt_slice_equals (PvtSlice slice, const char *text, gsize text_len)
{
  g_autofree char *plain = NULL;
  gsize len;

  if (slice.len == text_len)
    return memcmp (slice.data, text, text_len) == 0;
  if (slice.len < text_len || memchr (slice.data, '\\', slice.len) == NULL)
    return FALSE;
  plain = pvt_slice_unescape (slice, &len);
  return len == text_len && memcmp (plain, text, len) == 0;
}
