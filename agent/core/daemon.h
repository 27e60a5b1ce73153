/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Going to the background, the pid file and the state directory. */
#pragma once

#include "config.h"

/* With -d: forks, the parent exits once the child goes on alone. Writes the pid
 * file; one that a running process holds locked is an error. */
gboolean pvt_daemon_start (const PvtConfig *config, GError **error);

/* Removes the pid file. */
void pvt_daemon_stop (const PvtConfig *config);
