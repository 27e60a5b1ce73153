/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The administrator's programs for what happens to the guest as a whole. */
#pragma once

#include "agent/core/hook-runner.h"

/*
 * Runs the hooks of directory @name ("resume.d") below the configured place,
 * with @event as their argument and PVT_EVENT, besides the variables @env
 * (NULL-terminated, may be NULL). Blocks, never while filesystems are frozen.
 * Returns the PvtHookRuns; the caller unrefs.
 */
GPtrArray *pvt_event_hooks_run (const char *name, const char *event, char *const *env,
                                const gint *cancelled);
