/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdint.h>

/* To the serial port, as printf(3). */
void say (const char *format, ...) __attribute__ ((format (printf, 1, 2)));
double seconds_now (void);

/* The guest's side: "stream-out", "stream-in" (bytes) and "round-trip" (answers). */
void measure_network (double seconds);
/* The other side; returns when it cannot listen. */
int serve (void);
