/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the process may have besides what it has: memory of its own, and descriptors. */
#pragma once

#include <stdint.h>

/* For ever; @kinds of sandbox.h say what may still be needed. Where there is no /proc the
 * limits stay as they are. Negative errno. */
int limits_enter (unsigned kinds);
/* What the limits of descriptors, and of bytes of data, are now; for threads that may not
 * ask the kernel. */
uint64_t limits_descriptors (void);
uint64_t limits_data (void);
