/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "encode.h"

#include <math.h>
#include <stdlib.h>

void
pvt_encode_u64 (PvtBuf *out, guint64 value)
{
  char digits[24];
  gsize at = sizeof digits;

  /* The wire has no integers past 2^63-1: clients read them as signed. */
  value = MIN (value, (guint64) G_MAXINT64);
  do
    digits[--at] = (char) ('0' + value % 10);
  while ((value /= 10) != 0);
  pvt_buf_append (out, digits + at, sizeof digits - at);
}

void
pvt_encode_i64 (PvtBuf *out, gint64 value)
{
  if (value == G_MININT64)
    {
      PVT_BUF_APPEND_LITERAL (out, "-9223372036854775808");
      return;
    }
  if (value < 0)
    pvt_buf_append_c (out, '-');
  pvt_encode_u64 (out, (guint64) (value < 0 ? -value : value));
}

void
pvt_encode_f64 (PvtBuf *out, double value)
{
  char text[G_ASCII_DTOSTR_BUF_SIZE];

  if (!isfinite (value))
    value = 0;
  if (value == (double) (gint64) CLAMP (value, -1e15, 1e15))
    {
      pvt_encode_i64 (out, (gint64) value);
      return;
    }
  /* The short form when it reads back as the same number. */
  g_ascii_formatd (text, sizeof text, "%.15g", value);
  if (g_ascii_strtod (text, NULL) != value)
    g_ascii_dtostr (text, sizeof text, value);
  pvt_buf_append_str (out, text);
}

void
pvt_encode_base64 (PvtBuf *out, const guint8 *data, gsize len)
{
  static const char alphabet[]
      = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  char *p = pvt_buf_reserve (out, (len + 2) / 3 * 4);
  gsize i;

  for (i = 0; i + 3 <= len; i += 3)
    {
      guint32 v = (guint32) data[i] << 16 | (guint32) data[i + 1] << 8 | data[i + 2];

      *p++ = alphabet[v >> 18];
      *p++ = alphabet[v >> 12 & 63];
      *p++ = alphabet[v >> 6 & 63];
      *p++ = alphabet[v & 63];
    }
  if (i < len)
    {
      gboolean two = len - i == 2;
      guint32 v = (guint32) data[i] << 16 | (two ? (guint32) data[i + 1] << 8 : 0);

      *p++ = alphabet[v >> 18];
      *p++ = alphabet[v >> 12 & 63];
      *p++ = two ? alphabet[v >> 6 & 63] : '=';
      *p++ = '=';
    }
  out->len = (gsize) (p - out->data);
}

static void
append_escape (PvtBuf *out, guchar c)
{
  static const char hex[] = "0123456789abcdef";
  char text[6] = { '\\', 'u', '0', '0', hex[c >> 4], hex[c & 15] };

  switch (c)
    {
    case '"':
    case '\\':
      text[1] = (char) c;
      break;
    case '\n':
      text[1] = 'n';
      break;
    case '\r':
      text[1] = 'r';
      break;
    case '\t':
      text[1] = 't';
      break;
    default:
      pvt_buf_append (out, text, sizeof text);
      return;
    }
  pvt_buf_append (out, text, 2);
}

/* A byte that needs thought: an escape, or the start of a UTF-8 sequence. */
static const char *
append_special (PvtBuf *out, const char *p)
{
  gunichar c;
  const char *next;

  if ((guchar) *p < 0x80)
    {
      append_escape (out, (guchar) *p);
      return p + 1;
    }
  c = g_utf8_get_char_validated (p, -1);
  if (c == (gunichar) -1 || c == (gunichar) -2)
    {
      PVT_BUF_APPEND_LITERAL (out, "\357\277\275"); /* U+FFFD */
      return p + 1;
    }
  next = g_utf8_next_char (p);
  pvt_buf_append (out, p, (gsize) (next - p));
  return next;
}

void
pvt_encode_string (PvtBuf *out, const char *text)
{
  const char *p = text ? text : "";

  pvt_buf_append_c (out, '"');
  while (*p)
    {
      const char *run = p;

      while ((guchar) *p >= 0x20 && (guchar) *p < 0x7f && *p != '"' && *p != '\\')
        p++;
      pvt_buf_append (out, run, (gsize) (p - run));
      if (*p)
        p = append_special (out, p);
    }
  pvt_buf_append_c (out, '"');
}

static void
encode_bytes (PvtBuf *out, GBytes *bytes)
{
  gsize len = 0;
  const guint8 *data = bytes ? g_bytes_get_data (bytes, &len) : NULL;

  pvt_buf_append_c (out, '"');
  pvt_encode_base64 (out, data, len);
  pvt_buf_append_c (out, '"');
}

static void
encode_name (PvtBuf *out, const PvtField *field, gboolean first)
{
  char *p = pvt_buf_reserve (out, (gsize) field->name_len + 6);

  if (!first)
    {
      *p++ = ',';
      *p++ = ' ';
    }
  *p++ = '"';
  memcpy (p, field->name, field->name_len);
  p += field->name_len;
  memcpy (p, "\": ", 3);
  out->len = (gsize) (p + 3 - out->data);
}

static gboolean
is_absent (const PvtField *field, gconstpointer object)
{
  const char *base = object;

  if (field->has_offset != PVT_NO_OFFSET)
    return !*(const gboolean *) (base + field->has_offset);
  return (field->flags & PVT_FIELD_OPTIONAL) && *(const gpointer *) (base + field->offset) == NULL;
}

static gboolean
encode_members (PvtBuf *out, const PvtType *type, gconstpointer object, gboolean first)
{
  for (guint i = 0; i < type->n_fields; i++)
    {
      const PvtField *field = &type->fields[i];

      if (is_absent (field, object))
        continue;
      encode_name (out, field, first);
      pvt_encode_field (out, field, object);
      first = FALSE;
    }
  return first;
}

/* The tag, then the members of its branch beside it. */
static void
encode_union (PvtBuf *out, const PvtType *type, gconstpointer object)
{
  guint tag = *(const guint *) ((const char *) object + type->fields[0].offset);
  const PvtField *branch = tag + 1 < type->n_fields ? &type->fields[1 + tag] : NULL;

  encode_name (out, &type->fields[0], TRUE);
  pvt_encode_field (out, &type->fields[0], object);
  if (branch && branch->type)
    {
      gconstpointer members = *(const gpointer *) ((const char *) object + branch->offset);

      if (members)
        encode_members (out, branch->type, members, FALSE);
    }
}

void
pvt_encode_object (PvtBuf *out, const PvtType *type, gconstpointer object)
{
  if (type->kind == PVT_KIND_ALTERNATE)
    {
      guint branch = *(const guint *) object;

      pvt_encode_field (out, &type->fields[1 + branch], object);
      return;
    }
  pvt_buf_append_c (out, '{');
  if (object && type->kind == PVT_KIND_UNION)
    encode_union (out, type, object);
  else if (object)
    encode_members (out, type, object, TRUE);
  pvt_buf_append_c (out, '}');
}

static void
encode_enum (PvtBuf *out, const PvtType *type, guint value)
{
  pvt_encode_string (out, value < type->n_values ? type->values[value] : "unknown");
}

static void
encode_strv (PvtBuf *out, char **strings)
{
  for (gsize i = 0; strings && strings[i]; i++)
    {
      if (i > 0)
        PVT_BUF_APPEND_LITERAL (out, ", ");
      pvt_encode_string (out, strings[i]);
    }
}

static void
encode_objects (PvtBuf *out, const PvtType *type, GPtrArray *array)
{
  for (guint i = 0; array && i < array->len; i++)
    {
      if (i > 0)
        PVT_BUF_APPEND_LITERAL (out, ", ");
      pvt_encode_object (out, type, array->pdata[i]);
    }
}

static void
encode_array (PvtBuf *out, const PvtField *field, gpointer value)
{
  pvt_buf_append_c (out, '[');
  if (field->kind == PVT_KIND_STRING)
    encode_strv (out, value);
  else
    encode_objects (out, field->type, value);
  pvt_buf_append_c (out, ']');
}

void
pvt_encode_field (PvtBuf *out, const PvtField *field, gconstpointer object)
{
  const void *value = (const char *) object + field->offset;

  if (field->flags & PVT_FIELD_ARRAY)
    {
      encode_array (out, field, *(const gpointer *) value);
      return;
    }
  switch ((PvtKind) field->kind)
    {
    case PVT_KIND_BOOL:
      pvt_buf_append_str (out, *(const gboolean *) value ? "true" : "false");
      break;
    case PVT_KIND_I64:
      pvt_encode_i64 (out, *(const gint64 *) value);
      break;
    case PVT_KIND_U32:
      pvt_encode_u64 (out, *(const guint32 *) value);
      break;
    case PVT_KIND_U64:
      pvt_encode_u64 (out, *(const guint64 *) value);
      break;
    case PVT_KIND_F64:
      pvt_encode_f64 (out, *(const double *) value);
      break;
    case PVT_KIND_STRING:
      pvt_encode_string (out, *(char *const *) value);
      break;
    case PVT_KIND_BYTES:
      encode_bytes (out, *(GBytes *const *) value);
      break;
    case PVT_KIND_ENUM:
      encode_enum (out, field->type, *(const guint *) value);
      break;
    case PVT_KIND_STRUCT:
    case PVT_KIND_UNION:
    case PVT_KIND_ALTERNATE:
      pvt_encode_object (out, field->type, *(const gpointer *) value);
      break;
    }
}
