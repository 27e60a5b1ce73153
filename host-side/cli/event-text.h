/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a guest told, as a line for people and as one for programs. */
#pragma once

#include "output.h"

/* "heartbeat 7, frozen"; escaped for a terminal. The caller frees. */
char *pvt_event_text (const PvtCli *cli, const PvtEvent *event);

/* Prints one object on one line, with "guest" as its first member. */
void pvt_print_event_json (const char *guest, const PvtEvent *event);
