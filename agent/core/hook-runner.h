/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Programs of the administrator's that the agent runs: all of a directory, in
 * the order of their names. They run as root, so only what nobody but root can
 * have written is run. One that does not end in time is killed with all it
 * started.
 */
#pragma once

#include <glib.h>

typedef struct
{
  char *path;
  gint64 took_ms;
  gboolean ok;
} PvtHookRun;

/* An array that frees its PvtHookRuns. */
GPtrArray *pvt_hook_runs_new (void);

/* Appends one for a hook that is about to run; borrowed. */
PvtHookRun *pvt_hook_runs_begin (GPtrArray *runs, const char *path);

/* Paths of the hooks in @directory (NULL: none; one that is not there is
 * empty), sorted, at most 64; the caller unrefs. */
GPtrArray *pvt_hooks_find (const char *directory);

/*
 * Runs one with the argument @what and the variables @env ("NAME=VALUE",
 * NULL-terminated, or NULL) besides a plain PATH. FALSE with @error when it
 * failed or took longer than @timeout_ms. *@cancelled (may be NULL) ends it.
 */
gboolean pvt_hook_exec (const char *path, const char *what, char *const *env, guint timeout_ms,
                        const gint *cancelled, GError **error);

/* Runs all of @directory, whatever fails; failures are logged. Returns the
 * PvtHookRuns; the caller unrefs. */
GPtrArray *pvt_hooks_run (const char *directory, const char *what, char *const *env,
                          guint timeout_ms, const gint *cancelled);
