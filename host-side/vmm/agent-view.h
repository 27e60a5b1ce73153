/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* 'run --agent': a line about the guest, by what its agent says. */
#pragma once

#include <stdbool.h>

/* Starts a process that asks the agent behind the unix socket @path every two seconds
 * and tells on standard error. On a terminal one line is kept up to date, unless it is
 * @shared with the guest's console; else a line comes when something changes. To be
 * called before there are threads. Returns a descriptor for agent_view_stop(), or
 * negative errno. */
int agent_view_start (const char *path, bool shared);

/* Ends it and waits until it has left the terminal as it was. */
void agent_view_stop (int fd);
