/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Files as streams. Disks block, so that a thread of its own moves the bytes
 * between the file and a pipe, whose other end is the stream's.
 */
#pragma once

#include "stream.h"

#include <sys/stat.h>

typedef struct
{
  guint64 offset; /* bytes that are there from an earlier attempt */
  mode_t mode;
  uid_t uid; /* -1: as it comes */
  gid_t gid;
  gint64 mtime; /* -1: now */
} PvtFileTarget;

/* Sends a regular file from @offset on. @st gets what it is. */
gboolean pvt_file_stream_read (PvtStream *stream, const char *path, guint64 offset, struct stat *st,
                               GError **error);

/* Takes a file; it is put in its place when all of it has come. @before gets
 * what was there, all 0 when nothing was. */
gboolean pvt_file_stream_write (PvtStream *stream, const char *path, const PvtFileTarget *target,
                                struct stat *before, GError **error);

/* The sum of the first @length bytes of a file, or of what an earlier attempt at writing it
 * has written; see protocol/codec/sum64.h. */
gboolean pvt_file_stream_sum (const char *path, gboolean partial, guint64 length,
                              const gint *cancelled, char text[17], GError **error);

/* How much of it an earlier attempt has written. */
gboolean pvt_file_stream_partial (const char *path, guint64 *bytes, GError **error);
