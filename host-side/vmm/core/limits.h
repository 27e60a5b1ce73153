/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the process may have besides what it has: memory of its own, and descriptors. */
#pragma once

/* For ever; @kinds of sandbox.h say what may still be needed. Where there is no /proc the
 * limits stay as they are. Negative errno. */
int limits_enter (unsigned kinds);
