/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qmp-commands.h"

#include "control.h"
#include "qmp-balloon.h"
#include "qmp-net.h"
#include "host-side/vmm/virtio/devices.h"

#include <gio/gio.h>
#include <virtio/device.h>

JsonNode *
qmp_nothing (void)
{
  return qmp_take_object (json_object_new ());
}

JsonNode *
qmp_take_array (JsonArray *array)
{
  JsonNode *node = json_node_new (JSON_NODE_ARRAY);

  json_node_take_array (node, array);
  return node;
}

JsonNode *
qmp_take_object (JsonObject *object)
{
  JsonNode *node = json_node_new (JSON_NODE_OBJECT);

  json_node_take_object (node, object);
  return node;
}

const char *
qmp_argument (JsonObject *arguments, const char *name, GError **error)
{
  JsonNode *node = arguments ? json_object_get_member (arguments, name) : NULL;

  if (node && json_node_get_value_type (node) == G_TYPE_STRING)
    return json_node_get_string (node);
  g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT, "Parameter '%s' is missing", name);
  return NULL;
}

static JsonNode *
run_capabilities (QmpContext *context, JsonObject *arguments, GError **error)
{
  return qmp_nothing ();
}

static JsonNode *
run_status (QmpContext *context, JsonObject *arguments, GError **error)
{
  static const char *const ended[] = {
    [VM_SHUTDOWN] = "shutdown", [VM_PANICKED] = "guest-panicked", [VM_FAILED] = "internal-error",
  };
  enum vm_end end = vm_ended (context->machine->vm);
  gboolean ends = end != VM_RUNS && end != VM_RESET;
  gboolean paused = vm_is_paused (context->machine->vm);
  JsonObject *object = json_object_new ();

  json_object_set_string_member (object, "status", ends     ? ended[end]
                                                   : paused ? "paused"
                                                            : "running");
  json_object_set_boolean_member (object, "running", !ends && !paused);
  json_object_set_boolean_member (object, "singlestep", FALSE);
  return qmp_take_object (object);
}

static JsonNode *
run_stop (QmpContext *context, JsonObject *arguments, GError **error)
{
  if (!vm_is_paused (context->machine->vm))
    {
      vm_pause (context->machine->vm);
      control_event (context->control, "STOP", NULL);
    }
  return qmp_nothing ();
}

static JsonNode *
run_cont (QmpContext *context, JsonObject *arguments, GError **error)
{
  if (vm_is_paused (context->machine->vm))
    {
      vm_resume (context->machine->vm);
      control_event (context->control, "RESUME", NULL);
    }
  return qmp_nothing ();
}

static JsonNode *
run_quit (QmpContext *context, JsonObject *arguments, GError **error)
{
  vm_finish (context->machine->vm, VM_SHUTDOWN);
  return qmp_nothing ();
}

static JsonNode *
run_powerdown (QmpContext *context, JsonObject *arguments, GError **error)
{
  power_button (&context->machine->power);
  control_event (context->control, "POWERDOWN", NULL);
  return qmp_nothing ();
}

static JsonNode *
run_nmi (QmpContext *context, JsonObject *arguments, GError **error)
{
  vm_nmi (context->machine->vm);
  return qmp_nothing ();
}

static JsonNode *
run_reset (QmpContext *context, JsonObject *arguments, GError **error)
{
  atomic_store (&context->machine->host_resets, true);
  if (!vm_finish (context->machine->vm, VM_RESET))
    atomic_store (&context->machine->host_resets, false);
  return qmp_nothing ();
}

static struct vdev *
find_console (QmpContext *context)
{
  for (unsigned i = 0; i < context->machine->n_devices; i++)
    if (context->machine->devices[i]->id == VIRTIO_ID_CONSOLE)
      return context->machine->devices[i];
  return NULL;
}

static gboolean
get_port (QmpContext *context, unsigned index, struct console_port_info *info)
{
  struct vdev *console = find_console (context);

  return console && console_port (console, index, info);
}

static JsonNode *
run_chardev (QmpContext *context, JsonObject *arguments, GError **error)
{
  JsonArray *array = json_array_new ();
  struct console_port_info info;

  for (unsigned i = 0; get_port (context, i, &info); i++)
    {
      JsonObject *entry = json_object_new ();
      g_autofree char *label = g_strdup_printf ("chardev%u", i);
      g_autofree char *file = g_strdup_printf ("%sunix:%s,server=on",
                                               info.host_connected ? "" : "disconnected:", info.path);

      json_object_set_string_member (entry, "label", label);
      json_object_set_string_member (entry, "filename", file);
      json_object_set_boolean_member (entry, "frontend-open", info.guest_open);
      json_array_add_object_element (array, entry);
    }
  return qmp_take_array (array);
}

static JsonNode *
run_qom_list (QmpContext *context, JsonObject *arguments, GError **error)
{
  const char *path = qmp_argument (arguments, "path", error);
  JsonArray *array;
  struct console_port_info info;

  if (path == NULL)
    return NULL;
  array = json_array_new ();
  for (unsigned i = 0; strcmp (path, QMP_PERIPHERAL) == 0 && get_port (context, i, &info); i++)
    {
      JsonObject *entry = json_object_new ();
      g_autofree char *name = g_strdup_printf ("port%u", i);

      json_object_set_string_member (entry, "name", name);
      json_object_set_string_member (entry, "type", "child<virtserialport>");
      json_array_add_object_element (array, entry);
    }
  qmp_balloon_list (context, path, array);
  return qmp_take_array (array);
}

static gboolean
is_port (QmpContext *context, const char *path, unsigned *index)
{
  struct console_port_info info;

  for (*index = 0; get_port (context, *index, &info); ++*index)
    {
      g_autofree char *own = g_strdup_printf (QMP_PERIPHERAL "/port%u", *index);

      if (strcmp (path, own) == 0)
        return TRUE;
    }
  return FALSE;
}

static JsonNode *
run_qom_get (QmpContext *context, JsonObject *arguments, GError **error)
{
  const char *path = qmp_argument (arguments, "path", error);
  const char *property = path ? qmp_argument (arguments, "property", error) : NULL;
  JsonNode *value = property ? qmp_balloon_get (context, path, property) : NULL;
  struct console_port_info info;
  unsigned port;

  if (property == NULL || value)
    return value;
  if (is_port (context, path, &port) && get_port (context, port, &info))
    {
      g_autofree char *chardev = g_strdup_printf ("chardev%u", port);

      if (strcmp (property, "name") == 0)
        return json_node_init_string (json_node_alloc (), info.name);
      if (strcmp (property, "chardev") == 0)
        return json_node_init_string (json_node_alloc (), chardev);
    }
  g_set_error (error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND, "%s has no property '%s'", path, property);
  return NULL;
}

/* An extension: QEMU's ports have one name for life. */
static JsonNode *
name_port (QmpContext *context, unsigned index, JsonObject *arguments, GError **error)
{
  const char *name = qmp_argument (arguments, "value", error);

  if (name == NULL)
    return NULL;
  if (console_rename (find_console (context), index, name) < 0)
    {
      g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
                           "Parameter 'value' expects a name of 1 to 63 bytes");
      return NULL;
    }
  return qmp_nothing ();
}

static JsonNode *
run_qom_set (QmpContext *context, JsonObject *arguments, GError **error)
{
  const char *path = qmp_argument (arguments, "path", error);
  const char *property = path ? qmp_argument (arguments, "property", error) : NULL;
  unsigned port;

  if (property && strcmp (property, "name") == 0 && is_port (context, path, &port))
    return name_port (context, port, arguments, error);
  if (property == NULL
      || !qmp_balloon_set (context, path, property, json_object_get_member (arguments, "value"), error))
    return NULL;
  return qmp_nothing ();
}

static JsonNode *
run_query_generation (QmpContext *context, JsonObject *arguments, GError **error)
{
  char text[GENERATION_TEXT];
  JsonObject *object;

  if (!generation_get (&context->machine->generation, text))
    {
      g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND, "VM Generation ID device not found");
      return NULL;
    }
  object = json_object_new ();
  json_object_set_string_member (object, "guid", text);
  return qmp_take_object (object);
}

/* An extension: QEMU changes it only from one process to the next. */
static JsonNode *
run_set_generation (QmpContext *context, JsonObject *arguments, GError **error)
{
  struct machine *machine = context->machine;
  const char *guid = qmp_argument (arguments, "guid", error);
  int ret = guid ? generation_change (&machine->generation, machine->vm, &machine->power, guid) : 0;

  if (ret < 0)
    g_set_error_literal (error, G_IO_ERROR, g_io_error_from_errno (-ret),
                         ret == -ENODEV ? "VM Generation ID device not found"
                                        : "Parameter 'guid' expects a GUID or 'auto'");
  return guid && ret == 0 ? qmp_nothing () : NULL;
}

static JsonNode *run_commands (QmpContext *context, JsonObject *arguments, GError **error);

static const QmpCommand commands[] = {
  { "qmp_capabilities", run_capabilities, TRUE },
  { "query-commands", run_commands },
  { "query-status", run_status },
  { "stop", run_stop },
  { "cont", run_cont },
  { "quit", run_quit },
  { "system_powerdown", run_powerdown },
  { "system_reset", run_reset },
  { "inject-nmi", run_nmi },
  { "query-block", qmp_query_block },
  { "block_resize", qmp_block_resize },
  { "blockdev-snapshot-sync", qmp_snapshot },
  { "transaction", qmp_transaction },
  { "query-chardev", run_chardev },
  { "qom-list", run_qom_list },
  { "qom-get", run_qom_get },
  { "qom-set", run_qom_set },
  { "query-vm-generation-id", run_query_generation },
  { "x-set-vm-generation-id", run_set_generation },
  { "balloon", qmp_balloon },
  { "query-balloon", qmp_query_balloon },
  { "set_link", qmp_set_link },
  { "announce-self", qmp_announce_self },
  { "x-query-net", qmp_query_net },
  { "x-net-policy", qmp_net_policy },
};

static JsonNode *
run_commands (QmpContext *context, JsonObject *arguments, GError **error)
{
  JsonArray *array = json_array_new ();

  for (gsize i = 0; i < G_N_ELEMENTS (commands); i++)
    {
      JsonObject *entry = json_object_new ();

      json_object_set_string_member (entry, "name", commands[i].name);
      json_array_add_object_element (array, entry);
    }
  return qmp_take_array (array);
}

const QmpCommand *
qmp_command_find (const char *name)
{
  for (gsize i = 0; i < G_N_ELEMENTS (commands); i++)
    if (strcmp (commands[i].name, name) == 0)
      return &commands[i];
  return NULL;
}
