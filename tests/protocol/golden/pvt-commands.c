/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Generated from protocol/schema; do not edit. */

#include "pvt-commands.h"

#include "pvt-tables.h"

static const PvtField return_of_guest_do = { "return", 6, PVT_KIND_STRUCT, PVT_FIELD_ARRAY, 0, PVT_NO_OFFSET, 0, 0, &pvt_thing_type, 0, 0 };
static const PvtField return_of_pvt_tell = { "return", 6, PVT_KIND_I64, 0, 0, PVT_NO_OFFSET, 0, 0, NULL, 0, 0 };

const PvtCommandInfo pvt_command_infos[] = {
  { "guest-do", &pvt_guest_do_args_type, &return_of_guest_do, 1000,
    PVT_CLASS_CONTROL, FALSE, TRUE, TRUE, TRUE, FALSE, FALSE },
  { "pvt-tell", NULL, &return_of_pvt_tell, 10,
    PVT_CLASS_QUERY, TRUE, FALSE, TRUE, FALSE, FALSE, FALSE },
};
const guint pvt_n_command_infos = G_N_ELEMENTS (pvt_command_infos);
