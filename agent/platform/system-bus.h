/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What systemd tells on the system bus: units that fail, and jobs that end or
 * suspend the guest. libsystemd is loaded when this is opened first: a guest
 * where nobody asks, or without systemd, has nothing of it in memory.
 */
#pragma once

#include "root.h"

typedef struct
{
  /* A unit's ActiveState is @state, its SubState @sub_state (NULL: not said). */
  void (*unit) (const char *unit, const char *state, const char *sub_state, gpointer user_data);
  /* A job for one of the targets was begun, such as "reboot.target". */
  void (*target) (const char *target, gpointer user_data);
} PvtSystemBusOps;

typedef struct _PvtSystemBus PvtSystemBus;

/* NULL, or why there is none; static. Any thread. */
const char *pvt_system_bus_missing (const PvtRoot *root);

/* Connects without waiting; @ops are called from the default main context. NULL
 * when that fails; -errno in @why. */
PvtSystemBus *pvt_system_bus_open (const PvtSystemBusOps *ops, gpointer user_data, int *why);
void pvt_system_bus_close (PvtSystemBus *bus);

/* "/org/freedesktop/systemd1/unit/cron_2eservice" -> "cron.service" into @name of
 * @size bytes; FALSE when it is no unit's path. Pure. */
gboolean pvt_unit_of_path (const char *path, char *name, gsize size);
