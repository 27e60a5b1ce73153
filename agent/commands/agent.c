/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Commands about the conversation itself. */
#include "agent/core/call.h"
#include "agent/core/gate.h"
#include "agent/core/policy.h"
#include "agent/lifecycle/disruption.h"

gboolean
pvt_handle_guest_ping (PvtCall *call G_GNUC_UNUSED, GError **error G_GNUC_UNUSED)
{
  return TRUE;
}

gboolean
pvt_handle_guest_sync (PvtCall *call G_GNUC_UNUSED, const PvtGuestSyncArgs *args, gint64 *result,
                       GError **error G_GNUC_UNUSED)
{
  pvt_disruption_glance ();
  *result = args->id;
  return TRUE;
}

gboolean
pvt_handle_guest_sync_delimited (PvtCall *call, const PvtGuestSyncDelimitedArgs *args,
                                 gint64 *result, GError **error G_GNUC_UNUSED)
{
  /* Every conversation of the field's clients begins with one of these two. */
  pvt_disruption_glance ();
  call->delimit = TRUE;
  *result = args->id;
  return TRUE;
}

static PvtGuestAgentCommandInfo *
describe (guint index)
{
  const PvtCommandInfo *info = pvt_commands[index].info;
  PvtGuestAgentCommandInfo *entry = pvt_guest_agent_command_info_new ();

  entry->name = g_strdup (info->name);
  entry->enabled = pvt_policy_allows (index) && (info->frozen || !pvt_gate_is_closed ());
  entry->success_response = info->success_response;
  return entry;
}

gboolean
pvt_handle_guest_info (PvtCall *call G_GNUC_UNUSED, PvtGuestAgentInfo **result,
                       GError **error G_GNUC_UNUSED)
{
  PvtGuestAgentInfo *info = pvt_guest_agent_info_new ();

  info->version = g_strdup (PVT_VERSION);
  info->supported_commands = g_ptr_array_sized_new (pvt_n_commands);
  for (guint i = 0; i < pvt_n_commands; i++)
    g_ptr_array_add (info->supported_commands, describe (i));
  *result = info;
  return TRUE;
}
