/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which commands this agent accepts: a profile (a set of command classes), cut
 * down by the allow list, then by the block list.
 */
#pragma once

#include "pvt-handlers.h"

/*
 * Sets up the policy. @allow and @block are comma-separated names or NULL. An
 * unknown profile is an error. A listed command that this agent does not have
 * is returned in @unknown (comma-separated, NULL when none; the caller frees):
 * lists are shared between versions, so it is a warning, not an error.
 */
gboolean pvt_policy_init (const char *profile, const char *allow, const char *block,
                          char **unknown, GError **error);

/* TRUE when the command at this index of pvt_commands[] may run. */
gboolean pvt_policy_allows (guint index);
