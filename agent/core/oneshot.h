/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the program does at once, at a prompt or in a unit, in place of serving. */
#pragma once

#include "config.h"

/* Whether the options ask for one of these. */
gboolean pvt_oneshot_wanted (const PvtConfig *config);

/*
 * Does it and prints what came of it. FALSE with @error when it could not be done;
 * else @code is the exit code.
 */
gboolean pvt_oneshot_run (const PvtConfig *config, int *code, GError **error);
