/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Units of systemd's that fail, and that the guest begins to end. */
#include "source.h"

#include "agent/core/log.h"
#include "agent/platform/system-bus.h"
#include "hub.h"
#include "pvt-tables.h"
#include "telemetry.h"

#include <string.h>

#define KINDS (PVT_EVENT_BIT (PVT_EVENT_KIND_UNIT) | PVT_EVENT_BIT (PVT_EVENT_KIND_SHUTDOWN))

/* Units that are remembered as failed, so that each failure is told once. */
#define MAX_FAILED 1024

static struct
{
  PvtSystemBus *bus;
  GHashTable *failed; /* set of names */
} watch;

static const struct
{
  const char *target;
  PvtShutdownReason reason;
} ends[] = {
  { "poweroff.target", PVT_SHUTDOWN_REASON_POWEROFF }, { "reboot.target", PVT_SHUTDOWN_REASON_REBOOT },
  { "halt.target", PVT_SHUTDOWN_REASON_HALT },         { "kexec.target", PVT_SHUTDOWN_REASON_KEXEC },
  { "sleep.target", PVT_SHUTDOWN_REASON_SUSPEND },
};

/* A shutdown is told by the agent's own end, too, if not why. */
static const char *
missing (PvtEventKind kind, const PvtRoot *root)
{
  return kind == PVT_EVENT_KIND_UNIT ? pvt_system_bus_missing (root) : NULL;
}

static void
on_unit (const char *unit, const char *state, const char *sub_state, gpointer user_data G_GNUC_UNUSED)
{
  PvtUnitChange change = { .unit = (char *) unit, .state = (char *) state,
                           .sub_state = (char *) sub_state };

  if (strcmp (state, "failed") != 0)
    {
      g_hash_table_remove (watch.failed, unit);
      return;
    }
  if (g_hash_table_size (watch.failed) >= MAX_FAILED || !g_hash_table_add (watch.failed, g_strdup (unit)))
    return;
  pvt_hub_publish (PVT_EVENT_KIND_UNIT, &pvt_unit_change_type, &change);
  pvt_hub_flush ();
}

static void
on_target (const char *target, gpointer user_data G_GNUC_UNUSED)
{
  for (guint i = 0; i < G_N_ELEMENTS (ends); i++)
    if (strcmp (target, ends[i].target) == 0)
      pvt_telemetry_shutdown (ends[i].reason);
}

static const PvtSystemBusOps ops = { on_unit, on_target };

static void
start (const PvtRoot *root)
{
  const char *why_not = pvt_system_bus_missing (root);
  int why = 0;

  watch.failed = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  if (why_not == NULL)
    watch.bus = pvt_system_bus_open (&ops, NULL, &why);
  if (watch.bus == NULL)
    pvt_log (PVT_LOG_DEBUG, "the system bus tells nothing: %s", why_not ? why_not : g_strerror (-why));
}

static void
stop (void)
{
  g_clear_pointer (&watch.bus, pvt_system_bus_close);
  g_clear_pointer (&watch.failed, g_hash_table_unref);
}

const PvtSource pvt_source_bus = { KINDS, missing, start, stop };
