/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The distribution: os-release(5). */
#pragma once

#include "root.h"

/* The value of one line "KEY=value" of the text, quotes undone as a shell would;
 * NULL when the key is not there. The caller frees. */
char *pvt_osrelease_get (const char *text, gsize len, const char *key);

/* The text of $QGA_OS_RELEASE, else /etc/os-release, else /usr/lib/os-release;
 * NULL when there is none. The caller frees. */
char *pvt_osrelease_read (const PvtRoot *root, gsize *len);
