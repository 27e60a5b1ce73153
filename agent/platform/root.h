/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The directory that paths are relative to: "/" or a test's fake. */
#pragma once

#include <glib.h>

typedef struct
{
  int fd;
  gboolean fake;
  char *path; /* without a slash at the end; "" for "/" */
} PvtRoot;

/* Errors of all of these are G_FILE_ERROR, with the path in the message. */
PvtRoot *pvt_root_open (const char *path, GError **error);
void pvt_root_free (PvtRoot *root);

/*
 * Reads a file, named without leading slash, into @buf of @size bytes and puts
 * a NUL behind it. A file that does not fit is an error. Returns its length.
 */
gssize pvt_root_read (const PvtRoot *root, const char *path, char *buf, gsize size,
                      GError **error);

/* The same into memory the caller frees, up to @max bytes. */
char *pvt_root_read_alloc (const PvtRoot *root, const char *path, gsize max, gsize *len,
                           GError **error);

/* As pvt_root_read() relative to a directory descriptor, without an error text:
 * -errno on failure. White space at the end is cut. */
gssize pvt_read_at (int dirfd, const char *path, char *buf, gsize size);

/* One decimal number of a file; -errno on failure, -EINVAL when it is none. */
int pvt_read_u64_at (int dirfd, const char *path, guint64 *value);

/* Where a symbolic link points; FALSE when there is none. */
gboolean pvt_readlink_at (int dirfd, const char *path, char *buf, gsize size);

/* Opens a directory for iterating or reading below; -errno on failure. */
int pvt_open_dir_at (int dirfd, const char *path);

gboolean pvt_root_exists (const PvtRoot *root, const char *path);

/* "cannot WHAT PATH: " and errno's text, as G_FILE_ERROR; FALSE, to return it at
 * once. */
gboolean pvt_errno_fail (GError **error, const char *what, const char *path);

/*
 * An exclusive flock(2), which another may have for some seconds: FALSE with
 * EWOULDBLOCK after that. TRUE also where there are no locks, as on some networks.
 */
gboolean pvt_lock_patiently (int fd);

/* Writes a short text to a file that exists; -errno on failure. */
int pvt_write_at (int dirfd, const char *path, const char *text);
