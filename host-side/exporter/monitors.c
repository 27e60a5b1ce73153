/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "monitors.h"

#include "host-side/client/channel-of-qemu.h"
#include "host-side/health/machine.h"

#include <string.h>

/* How often it is seen to that silent guests are looked into, and, as a multiple
 * of that, which guests there are. */
#define TICK_MS 1000
#define TICKS_A_LIST 5

#define LOOK_INTERVAL_US (5 * G_USEC_PER_SEC)

typedef struct
{
  PvtGuests *guests;
  char *address;
  PvtMailbox *mailbox;
  PvtMachine *machine;
  gboolean looking, found;
  guint failures; /* when it was last seen to */
  char *note;     /* the last one, which is not repeated */
} Monitor;

struct _PvtMonitors
{
  PvtGuests *guests;
  PvtTargets *targets;
  GHashTable *by_address; /* Monitor */
  guint timer, ticks;
};

/* ---- what a machine tells ---- */

static void
take_input (gpointer owner, const PvtHealthInput *input)
{
  const Monitor *monitor = owner;

  pvt_guests_take_news (monitor->guests, monitor->address, input);
}

static void
take_channel (gpointer owner, const char *address, const char *plain G_GNUC_UNUSED)
{
  const Monitor *monitor = owner;

  pvt_guests_set_channel (monitor->guests, monitor->address, address);
}

static void
take_note (gpointer owner, const char *text)
{
  Monitor *monitor = owner;

  if (g_strcmp0 (monitor->note, text) == 0)
    return;
  g_free (monitor->note);
  monitor->note = g_strdup (text);
  g_printerr ("pvtools-exporter: %s: %s\n", monitor->address, text);
}

static const PvtMachineSink sink = { take_input, take_channel, take_note };

/* ---- what it is told ---- */

static gboolean
is_away (gpointer source)
{
  const Monitor *monitor = source;
  PvtGuestLook look = pvt_guests_look (monitor->guests, monitor->address);

  return !look.asking && look.left_at + PVT_SOURCE_AWAY_US <= g_get_monotonic_time ();
}

/* Only asked whether a connection on the channel is ours: guests.c asks the guest. */
static const PvtHeartbeatSource collects = { "collects", FALSE, NULL, NULL, is_away };

static void
see_to (Monitor *monitor)
{
  PvtGuestLook look = pvt_guests_look (monitor->guests, monitor->address);
  gboolean looking = look.failures > 0;

  if (looking != monitor->looking)
    pvt_machine_set_looking (monitor->machine, looking);
  if (look.failures > monitor->failures)
    pvt_machine_check_channel (monitor->machine);
  monitor->looking = looking;
  monitor->failures = look.failures;
}

/* ---- life ---- */

static void
monitor_free (gpointer data)
{
  Monitor *monitor = data;

  pvt_mailbox_close (monitor->mailbox);
  pvt_machine_set_source (monitor->machine, NULL, NULL);
  pvt_machine_free (monitor->machine);
  pvt_mailbox_unref (monitor->mailbox);
  g_free (monitor->note);
  g_free (monitor->address);
  g_free (monitor);
}

static void
follow (PvtMonitors *monitors, const char *address)
{
  Monitor *monitor = g_hash_table_lookup (monitors->by_address, address);

  if (monitor == NULL && g_hash_table_size (monitors->by_address) < PVT_MONITORS_MAX)
    {
      monitor = g_new0 (Monitor, 1);
      monitor->guests = monitors->guests;
      monitor->address = g_strdup (address);
      pvt_guests_set_channel (monitors->guests, address, NULL);
      monitor->mailbox = pvt_mailbox_new (monitor);
      monitor->machine = pvt_machine_new (address + strlen ("qemu:"), PVT_AGENT_PORT, LOOK_INTERVAL_US,
                                          FALSE, &sink, monitor->mailbox);
      pvt_machine_set_source (monitor->machine, &collects, monitor);
      g_hash_table_insert (monitors->by_address, monitor->address, monitor);
    }
  if (monitor)
    monitor->found = TRUE;
}

static gboolean
was_lost (gpointer key G_GNUC_UNUSED, gpointer value, gpointer user_data G_GNUC_UNUSED)
{
  Monitor *monitor = value;
  gboolean lost = !monitor->found;

  monitor->found = FALSE;
  return lost;
}

static void
list (PvtMonitors *monitors)
{
  g_autoptr (GPtrArray) found = pvt_targets_list (monitors->targets);

  for (guint i = 0; i < found->len; i++)
    {
      const PvtFound *one = found->pdata[i];

      if (g_str_has_prefix (one->address, "qemu:"))
        follow (monitors, one->address);
    }
  g_hash_table_foreach_remove (monitors->by_address, was_lost, NULL);
}

static gboolean
tick (gpointer data)
{
  PvtMonitors *monitors = data;
  GHashTableIter iter;
  gpointer value;

  if (monitors->ticks++ % TICKS_A_LIST == 0)
    list (monitors);
  g_hash_table_iter_init (&iter, monitors->by_address);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    see_to (value);
  return G_SOURCE_CONTINUE;
}

PvtMonitors *
pvt_monitors_new (PvtGuests *guests, PvtTargets *targets)
{
  PvtMonitors *monitors = g_new0 (PvtMonitors, 1);

  monitors->guests = guests;
  monitors->targets = targets;
  monitors->by_address = g_hash_table_new_full (g_str_hash, g_str_equal, NULL, monitor_free);
  tick (monitors);
  monitors->timer = g_timeout_add (TICK_MS, tick, monitors);
  return monitors;
}

void
pvt_monitors_free (PvtMonitors *monitors)
{
  if (monitors == NULL)
    return;
  g_source_remove (monitors->timer);
  g_hash_table_unref (monitors->by_address);
  g_free (monitors);
}
