/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The end of a child as an event of the main loop: a pidfd where the kernel has
 * them (5.3), GLib's watch elsewhere. */
#pragma once

#include <glib.h>
#include <sys/types.h>

typedef void (*PvtChildEnded) (pid_t pid, int status, gpointer user_data);

/* Main loop only. @ended is called once; the child has been waited for then. */
void pvt_child_watch (pid_t pid, PvtChildEnded ended, gpointer user_data);
