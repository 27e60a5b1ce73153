/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "decode.h"

#include "base64.h"
#include "limits.h"
#include "object.h"

#include <errno.h>
#include <math.h>
#include <string.h>

G_DEFINE_QUARK (pvt-decode-error-quark, pvt_decode_error)

/* Most fields of one struct: the `seen` set is a 64-bit map. */
#define MAX_FIELDS 64

typedef struct
{
  PvtCursor *cursor;
  PvtDecodeMode mode;
  guint elements; /* decoded so far */
} Decoder;

static gboolean decode_any (Decoder *d, const PvtType *type, gpointer object, GError **error);

/* Puts one step of the path in front: "a" + "b: why" is "a.b: why". */
static void
prefix_path (GError **error, const char *step)
{
  const char *rest = error && *error ? (*error)->message : "";

  g_prefix_error (error, "%s%s", step, *rest == ':' || *rest == '[' ? "" : ".");
}

static gboolean
fail_type (GError **error, const char *wanted, PvtJsonType got)
{
  g_set_error (error, PVT_DECODE_ERROR, PVT_DECODE_ERROR_TYPE, ": expected %s, got %s", wanted,
               pvt_json_type_name (got));
  return FALSE;
}

static gboolean
expect (Decoder *d, PvtJsonType wanted, const char *name, GError **error)
{
  PvtJsonType got = pvt_cursor_peek (d->cursor);

  return got == wanted || fail_type (error, name, got);
}

static gboolean
over (GError **error, const char *what, guint32 max)
{
  g_set_error (error, PVT_DECODE_ERROR, PVT_DECODE_ERROR_BOUND, ": more than %u %s", max, what);
  return FALSE;
}

/* The digits of an integer; a fraction, an exponent or an overflow is an error. */
static gboolean
parse_integer (PvtSlice text, gboolean *negative, guint64 *value)
{
  gsize i = 0;
  guint64 v = 0;

  *negative = text.len > 0 && text.data[0] == '-';
  for (i = *negative; i < text.len; i++)
    {
      guint digit = (guint) (text.data[i] - '0');

      if (digit > 9 || v > (G_MAXUINT64 - digit) / 10)
        return FALSE;
      v = v * 10 + digit;
    }
  *value = v;
  return TRUE;
}

static gboolean
fail_range (GError **error, PvtSlice text, gint64 low, guint64 high)
{
  g_set_error (error, PVT_DECODE_ERROR, PVT_DECODE_ERROR_TYPE,
               ": %.*s is not an integer from %" G_GINT64_FORMAT " to %" G_GUINT64_FORMAT,
               (int) MIN (text.len, 40), text.data, low, high);
  return FALSE;
}

static gboolean
in_range (gboolean negative, guint64 magnitude, gint64 low, guint64 high)
{
  if (negative && magnitude > 0)
    return low < 0 && magnitude <= (guint64) - (low + 1) + 1;
  return magnitude <= high && (low <= 0 || magnitude >= (guint64) low);
}

static gboolean
decode_integer (Decoder *d, const PvtField *field, gpointer value, GError **error)
{
  gint64 low = field->low;
  guint64 high = (guint64) field->high, magnitude;
  gboolean negative;
  PvtSlice text;

  if (!expect (d, PVT_JSON_NUMBER, "an integer", error))
    return FALSE;
  /* Bounds of the schema hold for what we are asked, not for what a peer tells. */
  if (d->mode == PVT_DECODE_LENIENT || (field->low == 0 && field->high == 0))
    {
      low = field->kind == PVT_KIND_I64 ? G_MININT64 : 0;
      high = field->kind == PVT_KIND_U32 ? G_MAXUINT32 : (guint64) G_MAXINT64;
      /* qemu-ga sends the whole range of uint64 where its schema says so. */
      if (d->mode == PVT_DECODE_LENIENT && field->kind == PVT_KIND_U64)
        high = G_MAXUINT64;
    }
  text = pvt_cursor_skip (d->cursor);
  if (!parse_integer (text, &negative, &magnitude) || !in_range (negative, magnitude, low, high))
    return fail_range (error, text, low, high);
  if (field->kind == PVT_KIND_U32)
    *(guint32 *) value = (guint32) magnitude;
  else
    *(guint64 *) value = negative ? 0 - magnitude : magnitude;
  return TRUE;
}

static gboolean
decode_f64 (Decoder *d, double *value, GError **error)
{
  char text[64];
  PvtSlice slice;

  if (!expect (d, PVT_JSON_NUMBER, "a number", error))
    return FALSE;
  slice = pvt_cursor_skip (d->cursor);
  if (slice.len < sizeof text)
    {
      memcpy (text, slice.data, slice.len);
      text[slice.len] = '\0';
      *value = g_ascii_strtod (text, NULL);
      if (isfinite (*value))
        return TRUE;
    }
  g_set_error (error, PVT_DECODE_ERROR, PVT_DECODE_ERROR_TYPE, ": the number is out of range");
  return FALSE;
}

static gboolean
decode_string (Decoder *d, guint32 max, char **value, GError **error)
{
  PvtSlice slice;
  gsize len;

  if (!expect (d, PVT_JSON_STRING, "a string", error))
    return FALSE;
  slice = pvt_cursor_string (d->cursor);
  *value = pvt_slice_unescape (slice, &len);
  if (d->mode == PVT_DECODE_LENIENT || max == 0 || len <= max)
    return TRUE;
  g_clear_pointer (value, g_free);
  return over (error, "bytes", max);
}

static gboolean
decode_bytes (Decoder *d, guint32 max, GBytes **value, GError **error)
{
  g_autofree char *plain = NULL;
  PvtSlice slice;
  guint8 *data;
  gsize len;

  if (!expect (d, PVT_JSON_STRING, "a base64 string", error))
    return FALSE;
  slice = pvt_cursor_string (d->cursor);
  if (memchr (slice.data, '\\', slice.len))
    slice.data = plain = pvt_slice_unescape (slice, &slice.len);
  if (!pvt_base64_decode (slice.data, slice.len, &data, &len))
    {
      g_set_error (error, PVT_DECODE_ERROR, PVT_DECODE_ERROR_TYPE, ": invalid base64");
      return FALSE;
    }
  *value = g_bytes_new_take (data, len);
  if (d->mode == PVT_DECODE_LENIENT || max == 0 || len <= max)
    return TRUE;
  g_clear_pointer (value, g_bytes_unref);
  return over (error, "bytes", max);
}

static gboolean
decode_enum (Decoder *d, const PvtType *type, guint *value, GError **error)
{
  PvtSlice slice;

  if (!expect (d, PVT_JSON_STRING, "a string", error))
    return FALSE;
  slice = pvt_cursor_string (d->cursor);
  for (guint i = 0; i < type->n_values; i++)
    if (pvt_slice_equals (slice, type->values[i], strlen (type->values[i])))
      {
        *value = i;
        return TRUE;
      }
  if (d->mode == PVT_DECODE_LENIENT)
    {
      *value = type->n_values; /* of a newer peer; written as "unknown" */
      return TRUE;
    }
  g_set_error (error, PVT_DECODE_ERROR, PVT_DECODE_ERROR_TYPE, ": '%.*s' is not one of %s's values",
               (int) MIN (slice.len, 60), slice.data, type->name);
  return FALSE;
}

static gboolean
count_element (Decoder *d, GError **error)
{
  if (++d->elements <= PVT_DECODE_MAX_ELEMENTS)
    return TRUE;
  return over (error, "elements in one message", PVT_DECODE_MAX_ELEMENTS);
}

static gboolean
decode_new (Decoder *d, const PvtType *type, gpointer *value, GError **error)
{
  gpointer object;

  if (!count_element (d, error))
    return FALSE;
  object = g_malloc0 (type->size);
  if (!decode_any (d, type, object, error))
    {
      pvt_object_free (type, object);
      return FALSE;
    }
  *value = object;
  return TRUE;
}

static gboolean
check_count (Decoder *d, const PvtField *field, guint count, GError **error)
{
  return d->mode == PVT_DECODE_LENIENT || field->max == 0 || count < field->max
         || over (error, "elements", field->max);
}

static gboolean
decode_element (Decoder *d, const PvtField *field, GPtrArray *array, GError **error)
{
  gpointer element = NULL;
  gboolean ok;

  if (!check_count (d, field, array->len, error))
    return FALSE;
  if (field->kind == PVT_KIND_STRING)
    ok = count_element (d, error)
         && decode_string (d, field->max_item, (char **) &element, error);
  else
    ok = decode_new (d, field->type, &element, error);
  if (!ok)
    {
      g_autofree char *index = g_strdup_printf ("[%u]", array->len);

      prefix_path (error, index);
      return FALSE;
    }
  g_ptr_array_add (array, element);
  return TRUE;
}

static gboolean
decode_array (Decoder *d, const PvtField *field, gpointer *value, GError **error)
{
  GPtrArray *array;

  if (!expect (d, PVT_JSON_ARRAY, "an array", error))
    return FALSE;
  array = g_ptr_array_new ();
  pvt_cursor_enter (d->cursor);
  while (pvt_cursor_element (d->cursor))
    if (!decode_element (d, field, array, error))
      {
        for (guint i = 0; i < array->len; i++)
          if (field->kind == PVT_KIND_STRING)
            g_free (array->pdata[i]);
          else
            pvt_object_free (field->type, array->pdata[i]);
        g_ptr_array_unref (array);
        return FALSE;
      }
  if (field->kind != PVT_KIND_STRING)
    {
      g_ptr_array_set_free_func (array, field->type->free);
      *value = array;
      return TRUE;
    }
  g_ptr_array_add (array, NULL);
  *value = g_ptr_array_free (array, FALSE);
  return TRUE;
}

static gboolean
decode_value (Decoder *d, const PvtField *field, gpointer object, GError **error)
{
  void *value = (char *) object + field->offset;

  if (field->flags & PVT_FIELD_ARRAY)
    return decode_array (d, field, value, error);
  switch ((PvtKind) field->kind)
    {
    case PVT_KIND_BOOL:
      if (!expect (d, PVT_JSON_BOOL, "a boolean", error))
        return FALSE;
      *(gboolean *) value = *pvt_cursor_skip (d->cursor).data == 't';
      return TRUE;
    case PVT_KIND_I64:
    case PVT_KIND_U32:
    case PVT_KIND_U64:
      return decode_integer (d, field, value, error);
    case PVT_KIND_F64:
      return decode_f64 (d, value, error);
    case PVT_KIND_STRING:
      return decode_string (d, field->max, value, error);
    case PVT_KIND_BYTES:
      return decode_bytes (d, field->max, value, error);
    case PVT_KIND_ENUM:
      return decode_enum (d, field->type, value, error);
    case PVT_KIND_STRUCT:
    case PVT_KIND_UNION:
    case PVT_KIND_ALTERNATE:
    default:
      return decode_new (d, field->type, value, error);
    }
}

static gboolean
decode_member (Decoder *d, const PvtField *field, gpointer object, GError **error)
{
  if (!decode_value (d, field, object, error))
    {
      prefix_path (error, field->name);
      return FALSE;
    }
  if (field->has_offset != PVT_NO_OFFSET)
    *(gboolean *) ((char *) object + field->has_offset) = TRUE;
  return TRUE;
}

static const PvtField *
find_field (const PvtType *type, PvtSlice key, guint *index)
{
  for (guint i = 0; i < type->n_fields; i++)
    if (pvt_slice_equals (key, type->fields[i].name, type->fields[i].name_len))
      {
        *index = i;
        return &type->fields[i];
      }
  return NULL;
}

static gboolean
fail_member (GError **error, PvtDecodeError code, int len, const char *name, const char *why)
{
  g_set_error (error, PVT_DECODE_ERROR, code, "%.*s: %s", MIN (len, 60), name, why);
  return FALSE;
}

static gboolean
check_missing (const PvtType *type, guint64 seen, GError **error)
{
  for (guint i = 0; i < type->n_fields; i++)
    if (!(seen >> i & 1) && !(type->fields[i].flags & PVT_FIELD_OPTIONAL))
      return fail_member (error, PVT_DECODE_ERROR_MISSING, type->fields[i].name_len,
                          type->fields[i].name, "the parameter is missing");
  return TRUE;
}

/* A union's members lie flat beside its tag, so @skip names that one. */
static gboolean
decode_flat (Decoder *d, const PvtType *type, gpointer object, const PvtField *skip,
             GError **error)
{
  guint64 seen = 0;
  PvtSlice key;
  guint i;

  g_assert (type->n_fields <= MAX_FIELDS);
  pvt_cursor_enter (d->cursor);
  while (pvt_cursor_member (d->cursor, &key))
    {
      const PvtField *field = find_field (type, key, &i);

      if (field == NULL)
        {
          if (d->mode == PVT_DECODE_STRICT
              && !(skip && pvt_slice_equals (key, skip->name, skip->name_len)))
            return fail_member (error, PVT_DECODE_ERROR_UNEXPECTED, (int) MIN (key.len, 60),
                                key.data, "unexpected parameter");
          pvt_cursor_skip (d->cursor);
          continue;
        }
      if (seen >> i & 1)
        return fail_member (error, PVT_DECODE_ERROR_UNEXPECTED, field->name_len, field->name,
                            "the parameter is there twice");
      seen |= G_GUINT64_CONSTANT (1) << i;
      if (!decode_member (d, field, object, error))
        return FALSE;
    }
  return check_missing (type, seen, error);
}

static gboolean
decode_members (Decoder *d, const PvtType *type, gpointer object, GError **error)
{
  return expect (d, PVT_JSON_OBJECT, "an object", error)
         && decode_flat (d, type, object, NULL, error);
}

/* Reads the tag without moving the cursor. */
static gboolean
find_tag (Decoder *d, const PvtField *tag, gpointer object, GError **error)
{
  PvtCursor ahead = *d->cursor, *saved = d->cursor;
  gboolean ok = FALSE, found = FALSE;
  PvtSlice key;

  d->cursor = &ahead;
  pvt_cursor_enter (&ahead);
  while (!found && pvt_cursor_member (&ahead, &key))
    {
      found = pvt_slice_equals (key, tag->name, tag->name_len);
      if (found)
        ok = decode_member (d, tag, object, error);
      else
        pvt_cursor_skip (&ahead);
    }
  d->cursor = saved;
  if (!found)
    fail_member (error, PVT_DECODE_ERROR_MISSING, tag->name_len, tag->name,
                 "the parameter is missing");
  return ok;
}

static gboolean
decode_union (Decoder *d, const PvtType *type, gpointer object, GError **error)
{
  const PvtField *branch;
  gpointer members;
  guint tag;

  if (!expect (d, PVT_JSON_OBJECT, "an object", error)
      || !find_tag (d, &type->fields[0], object, error))
    return FALSE;
  tag = *(guint *) ((char *) object + type->fields[0].offset);
  branch = tag + 1 < type->n_fields ? &type->fields[1 + tag] : NULL;
  if (branch == NULL || branch->type == NULL)
    {
      pvt_cursor_skip (d->cursor);
      return TRUE;
    }
  members = g_malloc0 (branch->type->size);
  *(gpointer *) ((char *) object + branch->offset) = members;
  return decode_flat (d, branch->type, members, &type->fields[0], error);
}

static gboolean
kind_reads (PvtKind kind, PvtJsonType json)
{
  switch (kind)
    {
    case PVT_KIND_BOOL:
      return json == PVT_JSON_BOOL;
    case PVT_KIND_I64:
    case PVT_KIND_U32:
    case PVT_KIND_U64:
    case PVT_KIND_F64:
      return json == PVT_JSON_NUMBER;
    case PVT_KIND_STRING:
    case PVT_KIND_BYTES:
    case PVT_KIND_ENUM:
      return json == PVT_JSON_STRING;
    case PVT_KIND_STRUCT:
    case PVT_KIND_UNION:
    case PVT_KIND_ALTERNATE:
    default:
      return json == PVT_JSON_OBJECT;
    }
}

static gboolean
decode_alternate (Decoder *d, const PvtType *type, gpointer object, GError **error)
{
  PvtJsonType json = pvt_cursor_peek (d->cursor);

  for (guint i = 1; i < type->n_fields; i++)
    if (kind_reads ((PvtKind) type->fields[i].kind, json))
      {
        *(guint *) object = i - 1;
        return decode_value (d, &type->fields[i], object, error);
      }
  return fail_type (error, type->name, json);
}

static gboolean
decode_any (Decoder *d, const PvtType *type, gpointer object, GError **error)
{
  if (type->kind == PVT_KIND_UNION)
    return decode_union (d, type, object, error);
  if (type->kind == PVT_KIND_ALTERNATE)
    return decode_alternate (d, type, object, error);
  return decode_members (d, type, object, error);
}

gboolean
pvt_decode_object (PvtCursor *cursor, const PvtType *type, PvtDecodeMode mode, gpointer object,
                   GError **error)
{
  Decoder d = { cursor, mode, 0 };

  if (decode_any (&d, type, object, error))
    return TRUE;
  pvt_object_clear (type, object);
  return FALSE;
}

gboolean
pvt_decode_field (PvtCursor *cursor, const PvtField *field, PvtDecodeMode mode, gpointer object,
                  GError **error)
{
  Decoder d = { cursor, mode, 0 };

  if (decode_member (&d, field, object, error))
    return TRUE;
  pvt_field_clear (field, object);
  return FALSE;
}
