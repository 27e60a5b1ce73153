/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "audit.h"

#include "protocol/codec/encode.h"

#define MAX_ITEMS 16
#define MAX_VALUE 120
#define MAX_TEXT 400

static gboolean
is_absent (const PvtField *field, const char *object)
{
  if (!(field->flags & PVT_FIELD_OPTIONAL))
    return FALSE;
  if (field->has_offset != PVT_NO_OFFSET)
    return !*(const gboolean *) (gconstpointer) (object + field->has_offset);
  return *(const gconstpointer *) (gconstpointer) (object + field->offset) == NULL;
}

static void
append_strings (GString *text, char *const *items)
{
  for (guint i = 0; items[i] && i < MAX_ITEMS; i++)
    g_string_append_printf (text, "%s%s", i ? "," : "", items[i]);
}

/* Structs and unions as the JSON they came as. */
static void
append_value (GString *text, const PvtField *field, gconstpointer object)
{
  PvtBuf json = { 0 };

  pvt_encode_field (&json, field, object);
  g_string_append_len (text, json.data, (gssize) json.len);
  pvt_buf_clear (&json);
}

/* Only for kinds that are one: an enum or a bool at a struct's end is smaller. */
static gconstpointer
pointer_at (const PvtField *field, const char *object)
{
  gconstpointer where = object + field->offset;

  return *(const gconstpointer *) where;
}

static char *
describe_field (const PvtField *field, const char *object)
{
  GString *text = g_string_new (NULL);

  if (field->flags & PVT_FIELD_SECRET)
    g_string_append (text, "***");
  else if (field->kind == PVT_KIND_BYTES)
    g_string_append_printf (text, "(%" G_GSIZE_FORMAT " bytes)", g_bytes_get_size ((GBytes *) pointer_at (field, object)));
  else if (field->kind == PVT_KIND_STRING && (field->flags & PVT_FIELD_ARRAY))
    append_strings (text, pointer_at (field, object));
  else if (field->kind == PVT_KIND_STRING)
    g_string_append (text, pointer_at (field, object));
  else
    append_value (text, field, object);
  if (text->len > MAX_VALUE)
    {
      g_string_truncate (text, MAX_VALUE);
      g_string_append (text, "...");
    }
  return g_string_free (text, FALSE);
}

char *
pvt_audit_describe (const PvtType *type, gconstpointer args)
{
  GString *text = g_string_new (NULL);

  for (guint i = 0; type && args && i < type->n_fields && text->len < MAX_TEXT; i++)
    {
      const PvtField *field = &type->fields[i];
      g_autofree char *value = NULL;

      if (is_absent (field, args))
        continue;
      value = describe_field (field, args);
      g_string_append_printf (text, " %s=%s", field->name, value);
    }
  return g_string_free (text, FALSE);
}
