/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A front-end's memory is a file that it may shorten at any time (memfd_create(2), "File
 * sealing"), and who touches what is gone gets SIGBUS. Then zeroes take the place of all that was
 * mapped: rings in it break, and whoever comes next is served. */
#pragma once

#include <stddef.h>

#define SHRINK_MAPPINGS_MAX 8u

/* Once, before the sandbox is entered. */
void shrink_survive (void);
/* The @index'th mapping is @len bytes at @base from now on; no bytes: there is none. While no
 * thread uses it. */
void shrink_watch (unsigned index, void *base, size_t len);
