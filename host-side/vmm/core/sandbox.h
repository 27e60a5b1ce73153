/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* No new privileges, and only the system calls we need. */
#pragma once

/* For all threads of the process, for ever: what is to be opened has been opened.
 * A call that is not on the list ends the process. Negative errno. */
int sandbox_enter (void);
