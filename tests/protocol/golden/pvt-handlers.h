/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Generated from protocol/schema; do not edit. */

#pragma once

#include "pvt-commands.h"
#include "pvt-types.h"

/* One request being handled; see agent/core/call.h. */
typedef struct _PvtCall PvtCall;

typedef gboolean (*PvtHandler) (PvtCall *call, const void *args, void *result,
                                GError **error);

typedef struct
{
  const PvtCommandInfo *info;
  PvtHandler handler;
} PvtCommand;

/* The commands built into this agent, sorted by name. */
extern const PvtCommand pvt_commands[];
extern const guint pvt_n_commands;

#define PVT_MAX_ARGS_SIZE (sizeof (union { char none; PvtGuestDoArgs m0; }))

/**
 * `guest-do`: Does it.
 */
gboolean pvt_handle_guest_do (PvtCall *call, const PvtGuestDoArgs *args, GPtrArray **result, GError **error);

/**
 * `pvt-tell`: Tells.
 */
gboolean pvt_handle_tell (PvtCall *call, gint64 *result, GError **error);
