/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* No new privileges, and only the system calls we need. */
#pragma once

enum
{
  SANDBOX_UNIX_SOCKETS = 1, /* making them: for connections the guest begins */
  SANDBOX_IO_URING = 2,     /* using rings that were made before */
  SANDBOX_INET_SOCKETS = 4, /* TCP and UDP as a client, and taking connections where one listens */
};

/* Before it is entered: somebody will need this, too. */
void sandbox_allow (unsigned what);
/* For all threads of the process, for ever: what is to be opened has been opened.
 * A call that is not on the list ends the process. Negative errno. */
int sandbox_enter (void);
