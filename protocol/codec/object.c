/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "object.h"

#include <string.h>

static void
free_elements (const PvtType *type, GPtrArray *array)
{
  for (guint i = 0; i < array->len; i++)
    pvt_object_free (type, array->pdata[i]);
  /* A decoded array would free its elements itself, one that a handler filled
   * would not. */
  g_ptr_array_set_free_func (array, NULL);
  g_ptr_array_unref (array);
}

void
pvt_field_clear (const PvtField *field, gpointer object)
{
  gpointer *slot = (gpointer *) ((char *) object + field->offset);

  if (field->kind < PVT_KIND_STRING || field->kind == PVT_KIND_ENUM || *slot == NULL)
    return;
  if (field->flags & PVT_FIELD_ARRAY)
    {
      if (field->kind == PVT_KIND_STRING)
        g_strfreev (*slot);
      else
        free_elements (field->type, *slot);
    }
  else if (field->kind == PVT_KIND_STRING)
    g_free (*slot);
  else if (field->kind == PVT_KIND_BYTES)
    g_bytes_unref (*slot);
  else
    pvt_object_free (field->type, *slot);
  *slot = NULL;
}

void
pvt_object_clear (const PvtType *type, gpointer object)
{
  for (guint i = 0; i < type->n_fields; i++)
    pvt_field_clear (&type->fields[i], object);
  memset (object, 0, type->size);
}

void
pvt_object_free (const PvtType *type, gpointer object)
{
  if (object == NULL)
    return;
  for (guint i = 0; i < type->n_fields; i++)
    pvt_field_clear (&type->fields[i], object);
  g_free (object);
}

static gpointer
copy_array (const PvtField *field, gpointer value)
{
  GPtrArray *from = value, *to;

  if (field->kind == PVT_KIND_STRING)
    return g_strdupv (value);
  to = g_ptr_array_new_full (from->len, field->type->free);
  for (guint i = 0; i < from->len; i++)
    g_ptr_array_add (to, pvt_object_copy (field->type, from->pdata[i]));
  return to;
}

static gpointer
copy_pointer (const PvtField *field, gpointer value)
{
  if (field->flags & PVT_FIELD_ARRAY)
    return copy_array (field, value);
  if (field->kind == PVT_KIND_STRING)
    return g_strdup (value);
  if (field->kind == PVT_KIND_BYTES)
    return g_bytes_ref (value);
  return pvt_object_copy (field->type, value);
}

gpointer
pvt_object_copy (const PvtType *type, gconstpointer object)
{
  char *copy;

  if (object == NULL)
    return NULL;
  copy = g_memdup2 (object, type->size);
  for (guint i = 0; i < type->n_fields; i++)
    {
      const PvtField *field = &type->fields[i];
      gpointer *slot = (gpointer *) (copy + field->offset);

      if (field->kind >= PVT_KIND_STRING && field->kind != PVT_KIND_ENUM && *slot)
        *slot = copy_pointer (field, *slot);
    }
  return copy;
}
