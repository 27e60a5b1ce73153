/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a machine's thread has to say, put in the mail to its owner. */
#pragma once

#include "machine.h"

void pvt_machine_tell_input (const PvtMachineSink *sink, PvtMailbox *mailbox,
                             const PvtHealthInput *input);
void pvt_machine_tell_note (const PvtMachineSink *sink, PvtMailbox *mailbox, const char *text);

/* Of the unix sockets behind the agent's ports; @plain may be NULL. */
void pvt_machine_tell_channel (const PvtMachineSink *sink, PvtMailbox *mailbox, const char *path,
                               const char *plain);
