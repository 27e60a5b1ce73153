/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The strict guard: an incremental RFC 8259 recogniser that every foreign byte
 * passes before anything else looks at it. It accepts exactly one object and
 * rejects, naming the byte, whatever JSON libraries disagree about: nesting
 * past PVT_JSON_MAX_DEPTH, invalid UTF-8, raw control characters, leading
 * zeros, hex, bare words, lone surrogates and \u0000.
 *
 * It needs no memory beyond the struct, so that it also finds where a message
 * ends in a byte stream (protocol/frame).
 */
#pragma once

#include <glib.h>

typedef struct
{
  guint8 state;
  guint8 depth;
  guint8 utf8_left;      /* continuation bytes still to come */
  guint8 utf8_low;       /* bounds of the next continuation byte */
  guint8 utf8_high;
  guint8 hex_left;       /* digits of a \u escape still to come */
  guint16 hex;           /* their value so far */
  guint16 high_surrogate;
  gboolean is_key;       /* the string being read is a member name */
  const char *literal;   /* rest of true, false or null */
  guint64 objects;       /* bit n: level n is an object, else an array */
  gsize offset;          /* bytes accepted so far */
  const char *error;     /* static text, set when the result is BAD */
} PvtGuard;

typedef enum
{
  PVT_GUARD_MORE, /* fine so far, the object goes on */
  PVT_GUARD_DONE, /* the object ended at the last consumed byte */
  PVT_GUARD_BAD,  /* the byte after the consumed ones cannot be there */
} PvtGuardResult;

void pvt_guard_init (PvtGuard *guard);

/*
 * Feeds @len bytes. @consumed gets how many were accepted: all for MORE, up to
 * and with the closing brace for DONE, up to but without the offender for BAD.
 */
PvtGuardResult pvt_guard_feed (PvtGuard *guard, const char *data, gsize len, gsize *consumed);

/* TRUE where a '{' would be between tokens, not inside a string. */
gboolean pvt_guard_between_tokens (const PvtGuard *guard);
