/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Walks JSON text that the guard has accepted. Because the text is known to be
 * well-formed, the cursor checks nothing but its end; it must never be put on
 * bytes that did not pass pvt_guard_feed().
 */
#pragma once

#include <glib.h>

typedef struct
{
  const char *p;
  const char *end;
} PvtCursor;

typedef enum
{
  PVT_JSON_NULL,
  PVT_JSON_BOOL,
  PVT_JSON_NUMBER,
  PVT_JSON_STRING,
  PVT_JSON_ARRAY,
  PVT_JSON_OBJECT,
} PvtJsonType;

/* A piece of the text: a string's inside without quotes, or a whole value. */
typedef struct
{
  const char *data;
  gsize len;
} PvtSlice;

void pvt_cursor_init (PvtCursor *cursor, const char *data, gsize len);

/* The type of the next value; "boolean", "number" ... for messages. */
PvtJsonType pvt_cursor_peek (PvtCursor *cursor);
const char *pvt_json_type_name (PvtJsonType type);

/* Passes the next value over; returns its text. */
PvtSlice pvt_cursor_skip (PvtCursor *cursor);

/* Enters the object or array that is next. */
void pvt_cursor_enter (PvtCursor *cursor);

/* Inside an array: TRUE with the cursor on the next element, FALSE behind ']'. */
gboolean pvt_cursor_element (PvtCursor *cursor);

/* Inside an object: TRUE with the cursor on the member's value, FALSE behind '}'.
 * @key is the raw text of the name, escapes not undone. */
gboolean pvt_cursor_member (PvtCursor *cursor, PvtSlice *key);

/* Takes a string; the slice is raw. pvt_slice_unescape() undoes the escapes. */
PvtSlice pvt_cursor_string (PvtCursor *cursor);

/* The string's bytes with escapes undone, NUL-terminated; the caller frees. */
char *pvt_slice_unescape (PvtSlice slice, gsize *len);

/* Compares a raw string with plain text, undoing escapes only when there are any. */
gboolean pvt_slice_equals (PvtSlice slice, const char *text, gsize text_len);
