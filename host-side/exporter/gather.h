/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Between guests.c, which asks, and gather.c, which waits. */
#pragma once

#include "guests.h"

/* One thread that tells gathers when their time is up. */
typedef struct _PvtGatherTimer PvtGatherTimer;
PvtGatherTimer *pvt_gather_timer_new (void);
void pvt_gather_timer_free (PvtGatherTimer *timer);

/* By guests.c: fresh figures of a guest, or NULL; the caller unrefs. */
PvtMetrics *pvt_guests_known (PvtGuests *guests, const char *address);
/* By guests.c: has the guest asked, and the gather told. */
void pvt_guests_ask (PvtGuests *guests, const char *address, PvtGather *gather);
PvtGatherTimer *pvt_guests_timer (PvtGuests *guests);

PvtGather *pvt_gather_ref (PvtGather *gather);

/* Everything is there, or time is up: no need to ask for it. */
gboolean pvt_gather_is_over (PvtGather *gather);

/* A guest's figures; NULL: it was not asked. */
void pvt_gather_deliver (PvtGather *gather, const char *address, PvtMetrics *metrics);
