/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Directories for copying trees: what is in them, making them, links. */
#pragma once

#include <glib.h>
#include <sys/stat.h>

typedef enum
{
  PVT_LISTED_REGULAR,
  PVT_LISTED_DIRECTORY,
  PVT_LISTED_LINK,
  PVT_LISTED_OTHER,
} PvtListedKind;

typedef struct
{
  char *name; /* "": the path itself, which is no directory */
  PvtListedKind kind;
  struct stat st;
  char *target; /* of a link; else NULL */
} PvtListedFile;

/* Entries by name; links are not followed, but the path itself is. More than a
 * hundred thousand are an error. The caller unrefs. */
GPtrArray *pvt_directory_list (const char *path, GError **error);

/* Makes it, or sets mode and owner of one that is there; -1: leaves the owner. */
gboolean pvt_directory_make (const char *path, mode_t mode, uid_t uid, gid_t gid, GError **error);

/* A symbolic link, in place of another. */
gboolean pvt_directory_link (const char *path, const char *target, GError **error);
