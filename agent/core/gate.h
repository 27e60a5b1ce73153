/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Closed while filesystems are frozen: commands that may need one to be
 * writable are refused meanwhile. Any thread. */
#pragma once

#include <glib.h>

void pvt_gate_close (void);
void pvt_gate_open (void);
gboolean pvt_gate_is_closed (void);

/* Blocks until it is open: for threads of their own, never the main loop. */
void pvt_gate_wait (void);
