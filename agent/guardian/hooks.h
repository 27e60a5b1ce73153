/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Programs that run before a freeze (argument "freeze") and after it ("thaw"),
 * in the order of their names, and backwards for the thaw. One that does not
 * end in time is killed with all it started.
 */
#pragma once

#include "agent/core/hook-runner.h"

typedef struct
{
  const char *single;    /* qemu-ga's hook, runs first; NULL: none */
  const char *directory; /* NULL: none; one that is not there is empty */
  guint timeout_s;       /* for each */
  gboolean required;     /* one that fails fails the freeze */
} PvtHooksConfig;

/* Called before each freeze hook is begun, when it is in the list already. */
typedef void (*PvtHookBegun) (void);

/*
 * Runs the freeze hooks. Every one that was begun is appended to @runs, and the
 * thaw must be run for it. FALSE with @error when a required one failed; those
 * behind it were not begun. *@cancelled ends it.
 */
gboolean pvt_hooks_freeze (const PvtHooksConfig *config, guint64 generation, guint deadline_s,
                           const gint *cancelled, GPtrArray *runs, PvtHookBegun begun,
                           GError **error);

/* Runs the thaw of the hooks in @runs, last first; all of them, whatever fails.
 * Returns how many failed of those whose freeze had not. */
guint pvt_hooks_thaw (const PvtHooksConfig *config, guint64 generation, GPtrArray *runs);
