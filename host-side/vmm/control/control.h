/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The control socket: QMP's dialect, several clients at once. */
#pragma once

#include "host-side/vmm/machine/machine.h"

struct control;

/* Listens at @path and serves @machine from a thread of its own. */
int control_new (struct control **control, const char *path, struct machine *machine);
/* No command runs when it returns, and none will; events still go out. NULL is accepted. */
void control_end_commands (struct control *control);
/* Sends what is waiting and closes everything; NULL is accepted. */
void control_free (struct control *control);

/* Any thread, never blocks: an event for all clients. @data is a JSON object or
 * NULL. Beyond CONTROL_EVENTS_MAX waiting ones it is dropped. NULL is accepted. */
#define CONTROL_EVENTS_MAX 64
void control_event (struct control *control, const char *name, const char *data);
