/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a guest's kernel left behind for the next boot when it crashed: the files
 * of /sys/fs/pstore, and those that systemd-pstore has taken from there. */
#pragma once

#include <pvtools.h>

#define PVT_PSTORE_MAX_FILES 64
#define PVT_PSTORE_MAX_BYTES (64 * 1024) /* a file's */
#define PVT_PSTORE_NAME_MAX 100

typedef struct
{
  char *name; /* letters, digits, '.', '_' and '-' alone, and no '.' first */
  GBytes *data;
} PvtPstoreFile;

void pvt_pstore_file_free (PvtPstoreFile *file);

/*
 * Takes paths out of what the guest listed, one a line: absolute, without "..",
 * of the two directories. Those that are not are left out. NULL-terminated; free
 * with g_strfreev().
 */
char **pvt_pstore_parse_list (const char *text, gsize len);

/* A path's last part as a name of a file of ours, made of harmless characters;
 * the caller frees. NULL when nothing is left of it. */
char *pvt_pstore_safe_name (const char *path);

/*
 * Reads all of them, blocking: lists them by guest-exec (no agent of either kind
 * lists directories on its plain channel), reads them by guest-file-read. PvtPstoreFile; NULL
 * with @error.
 */
GPtrArray *pvt_pstore_collect (PvtClient *client, int timeout_ms, GError **error);
