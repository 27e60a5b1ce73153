/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qmp-net.h"

#include "host-side/vmm/machine/machine.h"
#include "host-side/vmm/virtio/net-device.h"

#include <gio/gio.h>
#include <virtio/device.h>

static JsonNode *
nothing (void)
{
  JsonNode *node = json_node_new (JSON_NODE_OBJECT);

  json_node_take_object (node, json_object_new ());
  return node;
}

/* The @index'th NIC; NULL behind the last. */
static struct vdev *
nic_at (QmpContext *context, unsigned index)
{
  for (unsigned i = 0; i < context->machine->n_devices; i++)
    if (context->machine->devices[i]->id == VIRTIO_ID_NET && index-- == 0)
      return context->machine->devices[i];
  return NULL;
}

static const char *
text_of (JsonObject *arguments, const char *name, GError **error)
{
  JsonNode *node = arguments ? json_object_get_member (arguments, name) : NULL;

  if (node && json_node_get_value_type (node) == G_TYPE_STRING)
    return json_node_get_string (node);
  g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT, "Parameter '%s' is missing", name);
  return NULL;
}

static struct vdev *
find (QmpContext *context, JsonObject *arguments, GError **error)
{
  const char *name = text_of (arguments, "name", error);
  struct vdev *nic;

  if (name == NULL)
    return NULL;
  for (unsigned i = 0; (nic = nic_at (context, i)) != NULL; i++)
    {
      g_autofree char *own = g_strdup_printf ("net%u", i);

      if (strcmp (own, name) == 0)
        return nic;
    }
  g_set_error (error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND, "Device '%s' not found", name);
  return NULL;
}

JsonNode *
qmp_set_link (QmpContext *context, JsonObject *arguments, GError **error)
{
  struct vdev *nic = find (context, arguments, error);
  JsonNode *up = nic ? json_object_get_member (arguments, "up") : NULL;

  if (nic == NULL)
    return NULL;
  if (up == NULL || json_node_get_value_type (up) != G_TYPE_BOOLEAN)
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT, "Parameter 'up' is missing");
      return NULL;
    }
  net_set_link (nic, json_node_get_boolean (up));
  return nothing ();
}

JsonNode *
qmp_announce_self (QmpContext *context, JsonObject *arguments, GError **error)
{
  struct vdev *nic;

  for (unsigned i = 0; (nic = nic_at (context, i)) != NULL; i++)
    net_announce (nic);
  return nothing ();
}

static JsonObject *
describe (unsigned index, struct vdev *nic)
{
  JsonObject *entry = json_object_new (), *counts = json_object_new ();
  JsonObject *verdicts = json_object_new ();
  g_autofree char *name = g_strdup_printf ("net%u", index), *mac = NULL;
  struct net_info info;

  net_describe (nic, &info);
  mac = g_strdup_printf ("%02x:%02x:%02x:%02x:%02x:%02x", info.mac[0], info.mac[1], info.mac[2],
                         info.mac[3], info.mac[4], info.mac[5]);
  json_object_set_string_member (entry, "name", name);
  json_object_set_string_member (entry, "mac", mac);
  json_object_set_string_member (entry, "backend", info.backend);
  json_object_set_boolean_member (entry, "link", info.link_up);
  for (unsigned i = 0; i < NET_COUNTS; i++)
    json_object_set_int_member (counts, net_count_name (i), (gint64) info.counts[i]);
  for (unsigned i = NET_PASS + 1; i < NET_VERDICTS; i++)
    json_object_set_int_member (verdicts, net_verdict_name (i), (gint64) info.verdicts[i]);
  json_object_set_object_member (entry, "counters", counts);
  json_object_set_object_member (entry, "dropped-by-policy", verdicts);
  return entry;
}

JsonNode *
qmp_query_net (QmpContext *context, JsonObject *arguments, GError **error)
{
  JsonNode *node = json_node_new (JSON_NODE_ARRAY);
  JsonArray *array = json_array_new ();
  struct vdev *nic;

  for (unsigned i = 0; (nic = nic_at (context, i)) != NULL; i++)
    json_array_add_object_element (array, describe (i, nic));
  json_node_take_array (node, array);
  return node;
}

JsonNode *
qmp_net_policy (QmpContext *context, JsonObject *arguments, GError **error)
{
  struct vdev *nic = find (context, arguments, error);
  const char *text = nic ? text_of (arguments, "policy", error) : NULL;
  const char *why = "out of memory";

  if (text == NULL)
    return NULL;
  if (net_set_policy (nic, text, &why) == 0)
    return nothing ();
  g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT, "Parameter 'policy': %s", why);
  return NULL;
}
