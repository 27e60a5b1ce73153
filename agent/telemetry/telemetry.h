/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the rest of the agent tells telemetry. See README.md. */
#pragma once

#include "pvt-types.h"

/* The kernel's name of this boot; static. Main loop and workers. */
const char *pvt_telemetry_boot_id (void);

/* Something happened to the guest as a whole. Any thread. */
void pvt_telemetry_disrupted (PvtDisruptionKind kind);

/* The host has asked for an end of that kind. Any thread. */
void pvt_telemetry_host_asked (PvtShutdownReason reason);

/* Main loop: the guest is about to end, or to be suspended. */
void pvt_telemetry_shutdown (PvtShutdownReason reason);

/* Main loop, once the agent was told to end: says so and why. */
void pvt_telemetry_stop (void);
