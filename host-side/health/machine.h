/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A machine as its monitor (QMP) shows it. A thread of its own keeps the
 * connection, listens, looks into a silent guest, and does what is asked.
 */
#pragma once

#include "health.h"
#include "mailbox.h"
#include "policy.h"
#include "source.h"

typedef struct _PvtMachine PvtMachine;

typedef struct
{
  /* All with what pvt_mailbox_new() was given. */
  void (*input) (gpointer owner, const PvtHealthInput *input);
  /* Where the agent's channels are, "unix:/path": the one that was asked for, and the
   * plain one or NULL. Told at each connection. */
  void (*channel) (gpointer owner, const char *address, const char *plain);
  /* Something that a person should know: no channel, a monitor that is taken. */
  void (*note) (gpointer owner, const char *text);
} PvtMachineSink;

/*
 * @port: the name of the port that heartbeats come over. @interval: microseconds between two looks into a silent guest. @outlive_panic:
 * QEMU is told to let a machine that panicked go on and not to end it, so that its
 * kernel can write its last words and it can be reset.
 */
PvtMachine *pvt_machine_new (const char *qmp_path, const char *port, gint64 interval,
                             gboolean outlive_panic,
                             const PvtMachineSink *sink, PvtMailbox *mailbox);

/* Waits for its thread: as long as an exchange with the monitor may take. */
void pvt_machine_free (PvtMachine *machine);

/* Whether it is to look into the guest. */
void pvt_machine_set_looking (PvtMachine *machine, gboolean looking);

/* Which heartbeats come over the machine's channel; NULL: none do now. */
void pvt_machine_set_source (PvtMachine *machine, const PvtHeartbeatSource *ops, gpointer source);

/* The source had no answer: looks, as soon as that can be told, whether somebody else
 * has the channel. */
void pvt_machine_check_channel (PvtMachine *machine);

/* PVT_ACTION_RESET or PVT_ACTION_POWER_OFF. What fails is a note. */
void pvt_machine_act (PvtMachine *machine, PvtActionKind kind);
