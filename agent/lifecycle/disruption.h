/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Noticing that the guest was suspended, paused, restored or moved, without
 * waking up to look:
 *
 *  - a timer that can only be cancelled by a set of the wall clock
 *    (TFD_TIMER_CANCEL_ON_SET, timerfd_create(2)) is, after a suspend, too;
 *  - the kernel tells of a new VM generation;
 *  - a pause, a restore or a migration leaves the guest no trace of its own.
 *    But after each of them the host comes to the agent, and when it does the
 *    host's clock is looked at: see gap.h.
 *
 * What follows is in reaction.h.
 */
#pragma once

#include "agent/core/config.h"
#include "agent/platform/root.h"

/* Main loop. Does nothing unless a channel leads to a host: an agent on a unix
 * socket is in no guest. Both must stay. */
void pvt_disruption_start (const PvtConfig *config, const PvtRoot *root);
void pvt_disruption_stop (void);

/* Main loop: a host has opened a channel, or begins a conversation. Cheap. */
void pvt_disruption_glance (void);
