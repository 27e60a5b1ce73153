/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guard.h"

#include "limits.h"

#include <string.h>

enum
{
  START,
  VALUE,       /* a value must follow */
  ARRAY_FIRST, /* a value or ']' */
  OBJECT_FIRST,
  OBJECT_KEY,
  COLON,
  AFTER, /* ',' or the closing bracket */
  STRING,
  ESCAPE,
  HEX,
  SURROGATE_BACKSLASH,
  SURROGATE_U,
  UTF8,
  LITERAL,
  NUM_MINUS,
  NUM_ZERO,
  NUM_INT,
  NUM_DOT,
  NUM_FRAC,
  NUM_E,
  NUM_SIGN,
  NUM_EXP,
  DONE,
};

G_STATIC_ASSERT (PVT_JSON_MAX_DEPTH <= 64);

void
pvt_guard_init (PvtGuard *guard)
{
  memset (guard, 0, sizeof *guard);
}

gboolean
pvt_guard_between_tokens (const PvtGuard *guard)
{
  return guard->state <= AFTER;
}

static gboolean
bad (PvtGuard *g, const char *why)
{
  g->error = why;
  return FALSE;
}

static gboolean
is_space (guint8 c)
{
  return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

static gboolean
is_digit (guint8 c)
{
  return c >= '0' && c <= '9';
}

static gboolean
open_level (PvtGuard *g, gboolean object)
{
  if (g->depth == PVT_JSON_MAX_DEPTH)
    return bad (g, "nested deeper than 64 levels");
  if (object)
    g->objects |= G_GUINT64_CONSTANT (1) << g->depth;
  else
    g->objects &= ~(G_GUINT64_CONSTANT (1) << g->depth);
  g->depth++;
  g->state = object ? OBJECT_FIRST : ARRAY_FIRST;
  return TRUE;
}

static gboolean
in_object (const PvtGuard *g)
{
  return (g->objects >> (g->depth - 1)) & 1;
}

static gboolean
close_level (PvtGuard *g)
{
  g->depth--;
  g->state = g->depth == 0 ? DONE : AFTER;
  return TRUE;
}

static gboolean
begin_string (PvtGuard *g, gboolean is_key)
{
  g->is_key = is_key;
  g->state = STRING;
  return TRUE;
}

static gboolean
begin_literal (PvtGuard *g, const char *rest)
{
  g->literal = rest;
  g->state = LITERAL;
  return TRUE;
}

static gboolean
value (PvtGuard *g, guint8 c)
{
  switch (c)
    {
    case '{':
      return open_level (g, TRUE);
    case '[':
      return open_level (g, FALSE);
    case '"':
      return begin_string (g, FALSE);
    case '-':
      g->state = NUM_MINUS;
      return TRUE;
    case '0':
      g->state = NUM_ZERO;
      return TRUE;
    case 't':
      return begin_literal (g, "rue");
    case 'f':
      return begin_literal (g, "alse");
    case 'n':
      return begin_literal (g, "ull");
    default:
      if (!is_digit (c))
        return bad (g, "a value was expected");
      g->state = NUM_INT;
      return TRUE;
    }
}

/* After a value: the next member or element, or the end of the level. */
static gboolean
after (PvtGuard *g, guint8 c)
{
  if (c == ',')
    {
      g->state = in_object (g) ? OBJECT_KEY : VALUE;
      return TRUE;
    }
  if (c == (in_object (g) ? '}' : ']'))
    return close_level (g);
  return bad (g, in_object (g) ? "',' or '}' was expected" : "',' or ']' was expected");
}

/* A byte that may end a number; whatever may not is an error of AFTER. */
static gboolean
end_number (PvtGuard *g, guint8 c)
{
  g->state = AFTER;
  return is_space (c) || after (g, c);
}

static gboolean
utf8_begin (PvtGuard *g, guint8 c)
{
  g->utf8_low = 0x80;
  g->utf8_high = 0xbf;
  if (c >= 0xc2 && c <= 0xdf)
    g->utf8_left = 1;
  else if (c >= 0xe0 && c <= 0xef)
    {
      g->utf8_left = 2;
      if (c == 0xe0) /* overlong */
        g->utf8_low = 0xa0;
      if (c == 0xed) /* surrogates */
        g->utf8_high = 0x9f;
    }
  else if (c >= 0xf0 && c <= 0xf4)
    {
      g->utf8_left = 3;
      if (c == 0xf0)
        g->utf8_low = 0x90;
      if (c == 0xf4) /* past U+10FFFF */
        g->utf8_high = 0x8f;
    }
  else
    return bad (g, "invalid UTF-8");
  g->state = UTF8;
  return TRUE;
}

static gboolean
utf8_continue (PvtGuard *g, guint8 c)
{
  if (c < g->utf8_low || c > g->utf8_high)
    return bad (g, "invalid UTF-8");
  g->utf8_low = 0x80;
  g->utf8_high = 0xbf;
  if (--g->utf8_left == 0)
    g->state = STRING;
  return TRUE;
}

static gboolean
string (PvtGuard *g, guint8 c)
{
  if (c == '"')
    {
      g->state = g->is_key ? COLON : AFTER;
      return TRUE;
    }
  if (c == '\\')
    {
      g->state = ESCAPE;
      return TRUE;
    }
  if (c < 0x20)
    return bad (g, "control character inside a string");
  return c < 0x80 || utf8_begin (g, c);
}

static gboolean
begin_hex (PvtGuard *g)
{
  g->hex = 0;
  g->hex_left = 4;
  g->state = HEX;
  return TRUE;
}

static gboolean
escape (PvtGuard *g, guint8 c)
{
  if (c == 'u')
    return begin_hex (g);
  if (c == '\0' || strchr ("\"\\/bfnrt", c) == NULL)
    return bad (g, "unknown escape");
  g->state = STRING;
  return TRUE;
}

static gboolean
hex (PvtGuard *g, guint8 c)
{
  int digit = g_ascii_xdigit_value (c);

  if (digit < 0)
    return bad (g, "four hexadecimal digits must follow \\u");
  if (g->hex_left == 1)
    {
      guint16 unit = (guint16) (g->hex << 4 | digit);
      gboolean low = (unit & 0xfc00) == 0xdc00;

      if (g->high_surrogate != 0 ? !low : low)
        return bad (g, "lone surrogate");
      if (unit == 0)
        return bad (g, "\\u0000 is not allowed");
      g->high_surrogate = (unit & 0xfc00) == 0xd800 ? unit : 0;
      g->state = g->high_surrogate != 0 ? SURROGATE_BACKSLASH : STRING;
    }
  g->hex = (guint16) (g->hex << 4 | digit);
  g->hex_left--;
  return TRUE;
}

static gboolean
expect (PvtGuard *g, guint8 c, char wanted, guint8 state, const char *why)
{
  if (c != (guint8) wanted)
    return bad (g, why);
  g->state = state;
  return TRUE;
}

static gboolean
digit_or (PvtGuard *g, guint8 c, guint8 state)
{
  if (!is_digit (c))
    return bad (g, "a digit was expected");
  g->state = state;
  return TRUE;
}

static gboolean
number (PvtGuard *g, guint8 c)
{
  switch (g->state)
    {
    case NUM_MINUS:
      return digit_or (g, c, c == '0' ? NUM_ZERO : NUM_INT);
    case NUM_DOT:
      return digit_or (g, c, NUM_FRAC);
    case NUM_SIGN:
      return digit_or (g, c, NUM_EXP);
    case NUM_E:
      if (c == '+' || c == '-')
        {
          g->state = NUM_SIGN;
          return TRUE;
        }
      return digit_or (g, c, NUM_EXP);
    default:
      break;
    }
  if (is_digit (c))
    return g->state != NUM_ZERO || bad (g, "a number must not begin with 0");
  if (c == '.' && (g->state == NUM_ZERO || g->state == NUM_INT))
    {
      g->state = NUM_DOT;
      return TRUE;
    }
  if ((c == 'e' || c == 'E') && g->state != NUM_EXP)
    {
      g->state = NUM_E;
      return TRUE;
    }
  return end_number (g, c);
}

/* One byte outside the fast path. */
static gboolean
step (PvtGuard *g, guint8 c)
{
  if (g->state <= AFTER && is_space (c) && g->state != START)
    return TRUE;
  switch (g->state)
    {
    case START:
      return c == '{' ? open_level (g, TRUE) : bad (g, "an object was expected");
    case ARRAY_FIRST:
      return c == ']' ? close_level (g) : value (g, c);
    case VALUE:
      return value (g, c);
    case OBJECT_FIRST:
      if (c == '}')
        return close_level (g);
      G_GNUC_FALLTHROUGH;
    case OBJECT_KEY:
      return c == '"' ? begin_string (g, TRUE) : bad (g, "a member name was expected");
    case COLON:
      return expect (g, c, ':', VALUE, "':' was expected");
    case AFTER:
      return after (g, c);
    case STRING:
      return string (g, c);
    case ESCAPE:
      return escape (g, c);
    case HEX:
      return hex (g, c);
    case SURROGATE_BACKSLASH:
      return expect (g, c, '\\', SURROGATE_U, "lone surrogate");
    case SURROGATE_U:
      return c == 'u' ? begin_hex (g) : bad (g, "lone surrogate");
    case UTF8:
      return utf8_continue (g, c);
    case LITERAL:
      if (c != (guint8) *g->literal)
        return bad (g, "true, false or null was expected");
      if (*++g->literal == '\0')
        g->state = AFTER;
      return TRUE;
    default:
      return number (g, c);
    }
}

/* How many of the bytes are plain string content: most of a message's. */
static gsize
plain_run (const guint8 *p, gsize len)
{
  gsize i = 0;

  while (i < len && p[i] >= 0x20 && p[i] < 0x80 && p[i] != '"' && p[i] != '\\')
    i++;
  return i;
}

PvtGuardResult
pvt_guard_feed (PvtGuard *guard, const char *data, gsize len, gsize *consumed)
{
  const guint8 *bytes = (const guint8 *) data;
  gsize i = 0;

  while (i < len)
    {
      if (guard->state == STRING)
        i += plain_run (bytes + i, len - i);
      if (i == len)
        break;
      if (!step (guard, bytes[i]))
        {
          *consumed = i;
          guard->offset += i;
          return PVT_GUARD_BAD;
        }
      i++;
      if (guard->state == DONE)
        break;
    }
  *consumed = i;
  guard->offset += i;
  return guard->state == DONE ? PVT_GUARD_DONE : PVT_GUARD_MORE;
}
