/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Keeps a connection to the monitor of each QEMU that was discovered: of a panic, a
 * watchdog, a pause, a reset or an end a guest's agent cannot tell. Lives in the
 * main context of the thread that made it.
 */
#pragma once

#include "guests.h"
#include "targets.h"

/* Each has a thread. Guests beyond that have heartbeats alone. */
#define PVT_MONITORS_MAX 512

typedef struct _PvtMonitors PvtMonitors;

/* Both must outlive it. */
PvtMonitors *pvt_monitors_new (PvtGuests *guests, PvtTargets *targets);

/* Waits for its threads; accepts NULL. */
void pvt_monitors_free (PvtMonitors *monitors);
