/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The sd_notify(3) protocol: a datagram to $NOTIFY_SOCKET. No-ops without it. */
#pragma once

#include <glib.h>

/* Sends e.g. "READY=1". */
void pvt_notify (const char *state);

/* Pings the watchdog at half the period that $WATCHDOG_USEC asks for, from the
 * default main context: a stuck main loop stops pinging. */
void pvt_notify_start_watchdog (void);
