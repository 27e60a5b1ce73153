/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib-unix.h>

/*
 * As g_unix_fd_add(), for a callback that runs no main loop of its own. GLib takes a
 * source that may not recurse out of its poll while it is dispatched and puts it back,
 * waking itself up for both: four system calls a turn, which this spares.
 */
guint pvt_watch_fd (int fd, GIOCondition condition, GUnixFDSourceFunc ready, gpointer data);
