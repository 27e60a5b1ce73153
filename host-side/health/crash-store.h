/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Crashes that are kept: a directory, with a directory for each.
 *
 *   ID/crash.json    which guest, when, its state and why
 *   ID/console.txt   the end of its console, as it wrote it
 *   ID/pstore/NAME   what its kernel left behind, as it was read
 */
#pragma once

#include <gio/gio.h>

/* Where they are kept when nobody says otherwise. */
#define PVT_CRASH_DIRECTORY "/var/lib/pvtools/crash"

/* Of one guest; when there are more, the oldest go. */
#define PVT_CRASH_MAX_OF_GUEST 50

/* Of all that are looked at. */
#define PVT_CRASH_MAX 10000

typedef struct
{
  char *id;
  char *guest, *time, *state, *cause;
  gsize console_bytes;
  guint pstore_files;
} PvtCrash;

void pvt_crash_free (PvtCrash *crash);

/* Keeps a crash that was noticed now; @console may be NULL. Its id, or NULL with
 * @error. The directory is made when it is missing, for its owner alone. */
char *pvt_crash_add (const char *directory, const char *guest, const char *state, const char *cause,
                     GBytes *console, GError **error);

/*
 * Adds what a kernel left behind (PvtPstoreFile), leaving out files that a crash of
 * this guest has already, byte for byte. @id NULL: a crash is added for them, if
 * there are any. @n_new: how many were kept.
 */
gboolean pvt_crash_add_pstore (const char *directory, const char *id, const char *guest,
                               GPtrArray *files, guint *n_new, GError **error);

/* All of them, oldest first; what is no crash is left out. NULL with @error when the
 * directory cannot be read. */
GPtrArray *pvt_crash_list (const char *directory, GError **error);

/* One of them; NULL with @error. */
PvtCrash *pvt_crash_load (const char *directory, const char *id, GError **error);

/* A crash's texts: {name, bytes} pairs as PvtPstoreFile, "console.txt" first. At most
 * what may be in a crash is read. */
GPtrArray *pvt_crash_texts (const char *directory, const char *id, GError **error);

/* Whether it is a word that an id can be: no path. */
gboolean pvt_crash_is_id (const char *id);
