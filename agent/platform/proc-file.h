/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A file of /proc that is read again and again: it stays open, so that reading
 * it once more is one system call, or a few when it is long. */
#pragma once

#include "root.h"

typedef struct
{
  const char *path;  /* without leading slash */
  gboolean records;  /* the kernel hands it out in pieces: read to its end */
  int fd;            /* -1: not open */
  gboolean absent;   /* it was not there, and is not looked for again until closed */
  char *text;        /* what was read last */
  gsize len, size;
} PvtProcFile;

/* Reads all of it into @file->text. FALSE when it is not there or too long. */
gboolean pvt_proc_file_read (PvtProcFile *file, const PvtRoot *root);

/* The same for who wants to know why not. In a fake root, whose files are replaced, it
 * does not stay open. */
gboolean pvt_proc_file_get (PvtProcFile *file, const PvtRoot *root, GError **error);

/* Frees the text alone; it stays open. */
void pvt_proc_file_forget (PvtProcFile *file);

/* Closes it and frees the text; it may be read again. */
void pvt_proc_file_close (PvtProcFile *file);
