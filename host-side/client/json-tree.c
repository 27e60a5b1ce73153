/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "json-tree.h"

#include "pvt-error.h"
#include "protocol/codec/limits.h"

#include <errno.h>
#include <math.h>
#include <string.h>

typedef struct
{
  PvtCursor cursor;
  guint values;
} Builder;

static JsonNode *build (Builder *b);

static JsonNode *
build_number (PvtSlice text)
{
  g_autofree char *copy = g_strndup (text.data, text.len);
  JsonNode *node = json_node_alloc ();
  gint64 integer;
  double number;
  char *end;

  errno = 0;
  integer = g_ascii_strtoll (copy, &end, 10);
  if (errno == 0 && *end == '\0')
    return json_node_init_int (node, integer);
  number = g_ascii_strtod (copy, NULL);
  return json_node_init_double (node, isfinite (number) ? number : 0);
}

static JsonNode *
build_array (Builder *b)
{
  JsonArray *array = json_array_new ();
  JsonNode *node;

  pvt_cursor_enter (&b->cursor);
  while (pvt_cursor_element (&b->cursor))
    {
      JsonNode *element = build (b);

      if (element == NULL)
        {
          json_array_unref (array);
          return NULL;
        }
      json_array_add_element (array, element);
    }
  node = json_node_init_array (json_node_alloc (), array);
  json_array_unref (array);
  return node;
}

static JsonNode *
build_object (Builder *b)
{
  JsonObject *object = json_object_new ();
  JsonNode *node;
  PvtSlice key;

  pvt_cursor_enter (&b->cursor);
  while (pvt_cursor_member (&b->cursor, &key))
    {
      g_autofree char *name = pvt_slice_unescape (key, NULL);
      JsonNode *member = build (b);

      if (member == NULL)
        {
          json_object_unref (object);
          return NULL;
        }
      json_object_set_member (object, name, member);
    }
  node = json_node_init_object (json_node_alloc (), object);
  json_object_unref (object);
  return node;
}

static JsonNode *
build (Builder *b)
{
  PvtJsonType type = pvt_cursor_peek (&b->cursor);
  g_autofree char *text = NULL;

  if (++b->values > PVT_DECODE_MAX_ELEMENTS)
    return NULL;
  switch (type)
    {
    case PVT_JSON_OBJECT:
      return build_object (b);
    case PVT_JSON_ARRAY:
      return build_array (b);
    case PVT_JSON_STRING:
      text = pvt_slice_unescape (pvt_cursor_string (&b->cursor), NULL);
      return json_node_init_string (json_node_alloc (), text);
    case PVT_JSON_BOOL:
      return json_node_init_boolean (json_node_alloc (),
                                     *pvt_cursor_skip (&b->cursor).data == 't');
    case PVT_JSON_NULL:
      pvt_cursor_skip (&b->cursor);
      return json_node_init_null (json_node_alloc ());
    case PVT_JSON_NUMBER:
    default:
      return build_number (pvt_cursor_skip (&b->cursor));
    }
}

JsonNode *
pvt_json_tree_new (PvtSlice text, GError **error)
{
  Builder b = { { NULL, NULL }, 0 };
  JsonNode *node;

  pvt_cursor_init (&b.cursor, text.data, text.len);
  node = build (&b);
  if (node == NULL)
    g_set_error (error, PVT_CLIENT_ERROR, PVT_CLIENT_ERROR_PROTOCOL,
                 "the answer has more than %u values", PVT_DECODE_MAX_ELEMENTS);
  return node;
}
