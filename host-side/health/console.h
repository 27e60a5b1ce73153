/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The end of what a guest wrote to its console: of QEMU's log file of it, or of
 * the socket of its serial line, which is then listened to all the time. */
#pragma once

#include <glib.h>

/* Most bytes that are kept: a panic's text is a few kilobytes. */
#define PVT_CONSOLE_MAX (64 * 1024)

typedef struct _PvtConsole PvtConsole;

/* @path: a socket or a file. In the thread-default main context. NULL with
 * GFileError when it is a socket and cannot be connected to. */
PvtConsole *pvt_console_new (const char *path, GError **error);
void pvt_console_free (PvtConsole *console);

/* Its last PVT_CONSOLE_MAX bytes, as the guest wrote them; none when nothing can
 * be read. */
GBytes *pvt_console_tail (PvtConsole *console);
