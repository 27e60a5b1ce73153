/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Listening unix sockets. */
#pragma once

/* A listening stream socket at @path, in place of what a killed one left there.
 * Negative errno, and a message. */
int socket_listen (const char *path);
