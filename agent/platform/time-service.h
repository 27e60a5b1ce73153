/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The program in the guest that keeps the clock right by a network's time:
 * chronyd(8), systemd-timesyncd(8) or ntpd(8). */
#pragma once

#include "root.h"

typedef enum
{
  PVT_SERVICE_NONE,
  PVT_SERVICE_CHRONY,
  PVT_SERVICE_TIMESYNCD,
  PVT_SERVICE_NTPD,
} PvtTimeServiceKind;

/* Which one runs, by the names of the processes. */
PvtTimeServiceKind pvt_time_service_find (const PvtRoot *root);

/* The same, at most half a minute old: cheap enough for the main loop. */
PvtTimeServiceKind pvt_time_service_find_recent (const PvtRoot *root);

/* Whether it follows a source. Asks chronyc, may block for some seconds. */
gboolean pvt_time_service_tracking (PvtTimeServiceKind kind);

/* Parses a line of "chronyc -c tracking". Pure. */
gboolean pvt_chrony_is_tracking (const char *text, gsize len);

/* The correction that chronyd is about to make, from the same line. Pure. */
gboolean pvt_chrony_correction (const char *text, gsize len, double *seconds);

/*
 * Tells it that the clock has jumped: it shall measure now. FALSE with @error
 * when it cannot be told. May block for some seconds.
 */
gboolean pvt_time_service_trigger (PvtTimeServiceKind kind, GError **error);

/* Some services step only when told to once they have measured; to be called
 * every second or so after the trigger. */
void pvt_time_service_push (PvtTimeServiceKind kind);

/* "none", "chrony", ...; static. */
const char *pvt_time_service_name (PvtTimeServiceKind kind);
