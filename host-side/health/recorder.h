/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Keeps what is left of a crash: the console's end when it is noticed, and what
 * the kernel wrote for its successor once that runs. */
#pragma once

#include "health.h"
#include "mailbox.h"

typedef struct _PvtRecorder PvtRecorder;

/* With what pvt_mailbox_new() was given, and something that a person should know. */
typedef void (*PvtRecorderNote) (gpointer owner, const char *text);

/* @console: a socket or a file, or NULL. NULL with @error. */
PvtRecorder *pvt_recorder_new (const char *directory, const char *guest, const char *console,
                               PvtRecorderNote note, PvtMailbox *mailbox, GError **error);
void pvt_recorder_free (PvtRecorder *recorder);

/* @channel: where the agent is; NULL: not known. */
void pvt_recorder_take (PvtRecorder *recorder, const PvtHealthChange *change, const char *channel);
