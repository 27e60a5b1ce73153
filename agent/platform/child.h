/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Starting programs. Nothing of the agent's leaks into a child: it has a
 * session of its own, default signals, only the descriptors it is given and no
 * protection from the OOM killer, and no limit of the agent's memory.
 */
#pragma once

#include <glib.h>
#include <sys/types.h>

/* The PATH and the environment of programs the agent starts for itself. */
#define PVT_CHILD_PATH "/usr/sbin:/usr/bin:/sbin:/bin"

typedef struct
{
  char *const *argv;     /* argv[0] is looked up in PATH unless it has a slash */
  char *const *env;      /* NULL: the agent's own */
  const char *directory; /* NULL: the agent's */
  const char *user;      /* login name to run as; NULL: the agent's */
  int in, out, err;      /* -1: /dev/null */
  gboolean terminal;     /* in, out and err are one terminal: it becomes the controlling one */
  gboolean apart;        /* in the control group of the host's programs, not the agent's */
} PvtChildSpec;

/*
 * Starts a program; it is running when TRUE is returned. The error names the
 * program and why it could not be run. The caller waits for the process.
 */
gboolean pvt_child_start (const PvtChildSpec *spec, pid_t *pid, GError **error);

/* Text that a program wrote, and how it ended. */
typedef struct
{
  int status; /* of waitpid(2) */
  gboolean timed_out;
  char output[1024]; /* the begin of standard output and error, NUL-terminated */
} PvtChildOutcome;

/*
 * Runs a program to its end, which it must reach within @timeout_ms: it is
 * killed with all of its process group otherwise, as it is once *@cancelled
 * (may be NULL) is set. @input (may be NULL) is its standard input; of @spec
 * only argv, env, directory and user count. FALSE with @error only when it
 * could not be started.
 */
gboolean pvt_child_run (const PvtChildSpec *spec, const char *input, gsize input_len,
                        guint timeout_ms, const gint *cancelled, PvtChildOutcome *outcome,
                        GError **error);

/* "exited with code 3: its output", "was killed by signal 9", "took longer ...";
 * the caller frees. */
char *pvt_child_describe (const PvtChildOutcome *outcome, guint timeout_ms);

/* TRUE when it ran in time and exited with 0. */
gboolean pvt_child_succeeded (const PvtChildOutcome *outcome);

/* The environment of the agent's own helpers; extra entries may be appended by
 * copying. Static. */
char *const *pvt_child_plain_env (void);

/* Where PATH has that program, or a copy of a name with a slash; NULL: nowhere. */
char *pvt_child_find (const char *name);

/* Where a helper of the agent's is that was installed with it: /usr/sbin/pvtools-agent has
 * it in /usr/lib/pvtools, one below another prefix there. NULL when the agent's own place
 * is not known; the caller frees. */
char *pvt_child_helper (const char *name);
