/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Generated from protocol/schema; do not edit. */

#include "pvt-handlers.h"

static gboolean
call_guest_do (PvtCall *call, const void *args, void *result, GError **error)
{
  return pvt_handle_guest_do (call, args, result, error);
}

static gboolean
call_tell (PvtCall *call, const void *args G_GNUC_UNUSED, void *result, GError **error)
{
  return pvt_handle_tell (call, result, error);
}

const PvtCommand pvt_commands[] = {
  { &pvt_command_infos[PVT_COMMAND_GUEST_DO], call_guest_do },
  { &pvt_command_infos[PVT_COMMAND_PVT_TELL], call_tell },
};
const guint pvt_n_commands = G_N_ELEMENTS (pvt_commands);
