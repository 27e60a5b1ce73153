/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "system-bus.h"

#include "library.h"
#include "static-libc.h"

#include <errno.h>
#include <poll.h>
#include <string.h>

#define MATCH_UNITS                                                                                \
  "type='signal',sender='org.freedesktop.systemd1',path_namespace='/org/freedesktop/systemd1/"     \
  "unit',interface='org.freedesktop.DBus.Properties',member='PropertiesChanged',"                  \
  "arg0='org.freedesktop.systemd1.Unit'"
#define MATCH_JOB                                                                                  \
  "type='signal',sender='org.freedesktop.systemd1',path='/org/freedesktop/systemd1',"              \
  "interface='org.freedesktop.systemd1.Manager',member='JobNew',arg2='%s'"

/* Messages handled in one turn of the main loop. */
#define TURN 64

static const char *const targets[]
    = { "poweroff.target", "reboot.target", "halt.target", "kexec.target", "sleep.target" };

typedef int (*Handler) (void *message, void *user_data, void *error);

/* sd-bus(3); objects are opaque here. */
static struct
{
  int (*open_system) (void **bus);
  void *(*close_unref) (void *bus);
  int (*add_match_async) (void *bus, void **slot, const char *match, Handler handler,
                          Handler installed, void *user_data);
  int (*call_method_async) (void *bus, void **slot, const char *destination, const char *path,
                            const char *interface, const char *member, Handler handler,
                            void *user_data, const char *types, ...);
  int (*get_fd) (void *bus);
  int (*get_events) (void *bus);
  int (*get_timeout) (void *bus, guint64 *us);
  int (*process) (void *bus, void **message);
  const char *(*get_path) (void *message);
  int (*read) (void *message, const char *types, ...);
  int (*skip) (void *message, const char *types);
  int (*enter) (void *message, char type, const char *contents);
  int (*leave) (void *message);
} sd;

typedef struct
{
  GSource source;
  PvtSystemBus *owner;
} BusSource;

struct _PvtSystemBus
{
  void *bus;
  const PvtSystemBusOps *ops;
  gpointer user_data;
  GSource *source;
  gpointer tag;
};

/* ---- the library ---- */

static gboolean
load (void)
{
  static const PvtSymbol wanted[] = {
    { "sd_bus_open_system", (void **) &sd.open_system, FALSE },
    { "sd_bus_close_unref", (void **) &sd.close_unref, FALSE },
    { "sd_bus_add_match_async", (void **) &sd.add_match_async, FALSE },
    { "sd_bus_call_method_async", (void **) &sd.call_method_async, FALSE },
    { "sd_bus_get_fd", (void **) &sd.get_fd, FALSE },
    { "sd_bus_get_events", (void **) &sd.get_events, FALSE },
    { "sd_bus_get_timeout", (void **) &sd.get_timeout, FALSE },
    { "sd_bus_process", (void **) &sd.process, FALSE },
    { "sd_bus_message_get_path", (void **) &sd.get_path, FALSE },
    { "sd_bus_message_read", (void **) &sd.read, FALSE },
    { "sd_bus_message_skip", (void **) &sd.skip, FALSE },
    { "sd_bus_message_enter_container", (void **) &sd.enter, FALSE },
    { "sd_bus_message_exit_container", (void **) &sd.leave, FALSE },
  };
  static gsize done;

  return pvt_library_load_once (&done, "libsystemd.so.0", wanted, G_N_ELEMENTS (wanted));
}

const char *
pvt_system_bus_missing (const PvtRoot *root)
{
  if (!pvt_root_exists (root, "run/systemd/system"))
    return "this guest is not run by systemd";
  if (!pvt_root_exists (root, "run/dbus/system_bus_socket"))
    return "there is no system bus";
  return load () ? NULL : PVT_NO_LIBRARY "libsystemd.so.0";
}

/* ---- what is said ---- */

gboolean
pvt_unit_of_path (const char *path, char *name, gsize size)
{
  static const char prefix[] = "/org/freedesktop/systemd1/unit/";
  gsize n = 0;

  if (!g_str_has_prefix (path, prefix))
    return FALSE;
  for (const char *p = path + sizeof prefix - 1; *p && n + 1 < size; p++)
    {
      if (*p != '_')
        name[n++] = *p;
      else if (g_ascii_isxdigit (p[1]) && g_ascii_isxdigit (p[2]))
        {
          name[n++] = (char) (g_ascii_xdigit_value (p[1]) << 4 | g_ascii_xdigit_value (p[2]));
          p += 2;
        }
      else
        return FALSE;
    }
  name[n] = '\0';
  return n > 0;
}

/* One "sv" of the changes; texts are borrowed from the message. */
static gboolean
take_change (void *message, const char **state, const char **sub_state)
{
  const char **place, *key;

  if (sd.read (message, "s", &key) <= 0)
    return FALSE;
  place = strcmp (key, "ActiveState") == 0 ? state : strcmp (key, "SubState") == 0 ? sub_state : NULL;
  if (place == NULL)
    return sd.skip (message, "v") >= 0;
  return sd.enter (message, 'v', "s") > 0 && sd.read (message, "s", place) > 0 && sd.leave (message) >= 0;
}

static int
on_unit (void *message, void *user_data, void *error G_GNUC_UNUSED)
{
  const char *path = sd.get_path (message), *state = NULL, *sub_state = NULL;
  PvtSystemBus *bus = user_data;
  char unit[512];

  if (path == NULL || !pvt_unit_of_path (path, unit, sizeof unit) || sd.skip (message, "s") < 0
      || sd.enter (message, 'a', "{sv}") <= 0)
    return 0;
  while (sd.enter (message, 'e', "sv") > 0)
    if (!take_change (message, &state, &sub_state) || sd.leave (message) < 0)
      return 0;
  if (state)
    bus->ops->unit (unit, state, sub_state, bus->user_data);
  return 0;
}

static int
on_job (void *message, void *user_data, void *error G_GNUC_UNUSED)
{
  PvtSystemBus *bus = user_data;
  const char *path, *unit;
  guint32 id;

  if (sd.read (message, "uos", &id, &path, &unit) > 0)
    bus->ops->target (unit, bus->user_data);
  return 0;
}

/* ---- the main loop ---- */

static void
watch_what_it_wants (PvtSystemBus *bus)
{
  int events = sd.get_events (bus->bus);
  GIOCondition wanted = G_IO_HUP | G_IO_ERR;
  guint64 timeout;

  if (events >= 0)
    wanted |= ((events & POLLIN) ? G_IO_IN : 0) | ((events & POLLOUT) ? G_IO_OUT : 0);
  g_source_modify_unix_fd (bus->source, bus->tag, wanted);
  if (sd.get_timeout (bus->bus, &timeout) >= 0 && timeout <= G_MAXINT64)
    g_source_set_ready_time (bus->source, (gint64) timeout);
  else
    g_source_set_ready_time (bus->source, -1);
}

static gboolean
dispatch (GSource *source, GSourceFunc callback G_GNUC_UNUSED, gpointer data G_GNUC_UNUSED)
{
  PvtSystemBus *bus = ((BusSource *) source)->owner;
  int result = 1;

  for (guint i = 0; i < TURN && result > 0 && !g_source_is_destroyed (source); i++)
    result = sd.process (bus->bus, NULL);
  if (g_source_is_destroyed (source))
    return G_SOURCE_REMOVE;
  if (result < 0)
    {
      /* The bus has gone, as at the end of a shutdown: nothing more will come. */
      g_source_remove_unix_fd (source, bus->tag);
      g_source_set_ready_time (source, -1);
      return G_SOURCE_CONTINUE;
    }
  watch_what_it_wants (bus);
  if (result > 0)
    g_source_set_ready_time (source, 0);
  return G_SOURCE_CONTINUE;
}

static GSourceFuncs source_funcs = { .dispatch = dispatch };

static int
subscribe (PvtSystemBus *bus)
{
  int result = sd.add_match_async (bus->bus, NULL, MATCH_UNITS, on_unit, NULL, bus);

  for (guint i = 0; result >= 0 && i < G_N_ELEMENTS (targets); i++)
    {
      g_autofree char *match = g_strdup_printf (MATCH_JOB, targets[i]);

      result = sd.add_match_async (bus->bus, NULL, match, on_job, NULL, bus);
    }
  /* Without it systemd says little: org.freedesktop.systemd1(5). */
  if (result >= 0)
    result = sd.call_method_async (bus->bus, NULL, "org.freedesktop.systemd1",
                                   "/org/freedesktop/systemd1", "org.freedesktop.systemd1.Manager",
                                   "Subscribe", NULL, NULL, NULL);
  return result;
}

PvtSystemBus *
pvt_system_bus_open (const PvtSystemBusOps *ops, gpointer user_data, int *why)
{
  PvtSystemBus *bus = g_new0 (PvtSystemBus, 1);
  int result = load () ? sd.open_system (&bus->bus) : -ENOSYS;

  bus->ops = ops;
  bus->user_data = user_data;
  if (result >= 0)
    result = subscribe (bus);
  if (result < 0)
    {
      pvt_system_bus_close (bus);
      *why = result;
      return NULL;
    }
  bus->source = g_source_new (&source_funcs, sizeof (BusSource));
  ((BusSource *) bus->source)->owner = bus;
  bus->tag = g_source_add_unix_fd (bus->source, sd.get_fd (bus->bus), G_IO_IN);
  g_source_set_ready_time (bus->source, 0);
  g_source_attach (bus->source, NULL);
  return bus;
}

void
pvt_system_bus_close (PvtSystemBus *bus)
{
  if (bus == NULL)
    return;
  if (bus->source)
    g_source_destroy (bus->source);
  g_clear_pointer (&bus->source, g_source_unref);
  /* Without flushing: that would wait for a bus that hangs. */
  if (bus->bus)
    sd.close_unref (bus->bus);
  g_free (bus);
}
