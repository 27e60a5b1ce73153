/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * All groups of figures in memory that the host sees, too, written again each
 * period (`page-period`) whoever looks or not. Without such memory nothing is done
 * and nobody wakes up. Main loop only.
 */
#pragma once

#include "agent/core/config.h"
#include "agent/platform/root.h"

/* Looks for the page; one that cannot be used is logged. */
void pvt_shared_figures_start (const PvtConfig *config, const PvtRoot *root);

/* Says in the page that this was the end. */
void pvt_shared_figures_stop (void);

/* When it is to be written next, G_MAXINT64 for never; and writes it when it is
 * time. The sampler has begun a tick. */
gint64 pvt_shared_figures_due (void);
void pvt_shared_figures_serve (gint64 now);

/* What filesystems have answered: PvtFilesystem; a reference is taken. */
void pvt_shared_figures_filesystems (GPtrArray *list);
