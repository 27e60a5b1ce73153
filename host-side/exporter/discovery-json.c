/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "discovery-json.h"

#include "discover.h"

#include <json-glib/json-glib.h>

static void
add_label (JsonBuilder *builder, const char *name, const char *value)
{
  if (value == NULL)
    return;
  json_builder_set_member_name (builder, name);
  json_builder_add_string_value (builder, value);
}

static void
add_guest (JsonBuilder *builder, const PvtFound *found, const char *exporter)
{
  json_builder_begin_object (builder);
  json_builder_set_member_name (builder, "targets");
  json_builder_begin_array (builder);
  json_builder_add_string_value (builder, exporter);
  json_builder_end_array (builder);
  json_builder_set_member_name (builder, "labels");
  json_builder_begin_object (builder);
  add_label (builder, "__metrics_path__", "/guest");
  add_label (builder, "__param_target", found->address);
  add_label (builder, "instance", found->name);
  add_label (builder, "uuid", found->uuid);
  add_label (builder, "__meta_pvtools_source", found->source);
  json_builder_end_object (builder);
  json_builder_end_object (builder);
}

char *
pvt_discovery_json (GPtrArray *found, const char *exporter)
{
  g_autoptr (JsonBuilder) builder = json_builder_new ();
  g_autoptr (JsonNode) root = NULL;

  json_builder_begin_array (builder);
  for (guint i = 0; i < found->len; i++)
    add_guest (builder, found->pdata[i], exporter);
  json_builder_end_array (builder);
  root = json_builder_get_root (builder);
  return json_to_string (root, FALSE);
}
