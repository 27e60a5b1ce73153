/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How full filesystems are. Asked on a thread, because a disk may not answer,
 * one at a time, and never while filesystems are frozen: none is touched then.
 */
#pragma once

#include "agent/platform/root.h"

/* Main loop. Asks; what came is given to the hub. Does nothing while it is being
 * asked, or while frozen. */
void pvt_space_ask (const PvtRoot *root);
