/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Asks all guests by itself, in a steady rhythm and spread over the period, so
 * that a scrape of any number of guests is answered from memory.
 */
#pragma once

#include "guests.h"
#include "targets.h"

typedef struct _PvtRefresh PvtRefresh;

/* Both must outlive it. The period is that of the guests' configuration. */
PvtRefresh *pvt_refresh_start (PvtGuests *guests, PvtTargets *targets);

/* Ends its thread; accepts NULL. Guests that are being asked go on being asked. */
void pvt_refresh_stop (PvtRefresh *refresh);
