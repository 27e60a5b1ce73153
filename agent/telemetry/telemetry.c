/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "telemetry.h"

#include "agent/core/server.h"
#include "hub.h"
#include "pvt-tables.h"

/* 0: it has not; else 1 and a PvtShutdownReason */
static gint host_asked;

/* Shutdown was told already. Main loop. */
static gboolean shutdown_told;

const char *
pvt_telemetry_boot_id (void)
{
  static char boot_id[64];
  static gsize read_it;

  if (g_once_init_enter (&read_it))
    {
      if (pvt_root_read (pvt_server_root (), "proc/sys/kernel/random/boot_id", boot_id,
                         sizeof boot_id, NULL)
          < 0)
        boot_id[0] = '\0';
      g_strchomp (boot_id);
      g_once_init_leave (&read_it, 1);
    }
  return boot_id;
}

static gboolean
tell_disruption (gpointer data)
{
  PvtDisruptionNotice disruption = { .kind = (PvtDisruptionKind) GPOINTER_TO_INT (data) };

  pvt_hub_publish (PVT_EVENT_KIND_DISRUPTION, &pvt_disruption_notice_type, &disruption);
  pvt_hub_flush ();
  return G_SOURCE_REMOVE;
}

void
pvt_telemetry_disrupted (PvtDisruptionKind kind)
{
  if (pvt_hub_wants (PVT_EVENT_KIND_DISRUPTION))
    g_idle_add_full (G_PRIORITY_DEFAULT, tell_disruption, GINT_TO_POINTER (kind), NULL);
}

void
pvt_telemetry_host_asked (PvtShutdownReason reason)
{
  g_atomic_int_set (&host_asked, 1 + (gint) reason);
}

void
pvt_telemetry_shutdown (PvtShutdownReason reason)
{
  gint asked = g_atomic_int_get (&host_asked);
  PvtShutdownBegun begun = { .reason = reason };

  if (shutdown_told)
    return;
  /* Suspended is not ended: it may happen again. */
  shutdown_told = reason != PVT_SHUTDOWN_REASON_SUSPEND;
  begun.has_by_host = begun.by_host = asked == 1 + (gint) reason;
  pvt_hub_publish (PVT_EVENT_KIND_SHUTDOWN, &pvt_shutdown_begun_type, &begun);
  pvt_hub_flush ();
}

void
pvt_telemetry_stop (void)
{
  gint asked = g_atomic_int_get (&host_asked);

  pvt_telemetry_shutdown (asked > 0 ? (PvtShutdownReason) (asked - 1)
                                    : PVT_SHUTDOWN_REASON_AGENT_STOP);
}
