/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A process that copies files for one in the sandbox, which cannot open any.
 *
 * It is given open files to copy from and makes new ones; it never writes over what
 * is there, and ends with the process that made it. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define COPIES_MAX 31u
#define COPY_PATH_MAX 1024u

struct copier;

struct copy
{
  int fd;        /* copied from its beginning */
  uint64_t size; /* bytes */
  const char *path;
};

/* Starts the process: before there are threads. @sandboxed: in a sandbox of its own. */
int copier_new (struct copier **copier, bool sandboxed);
/* Ends it. NULL is accepted. */
void copier_free (struct copier *copier);

/* Makes all of the @n copies, on the disk when it returns, or none: negative errno,
 * with the one that failed in @failed. One caller at a time. */
int copier_copy (struct copier *copier, const struct copy *copies, unsigned n, unsigned *failed);
