/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which entries of a report have changed since the last one. Remembers a sum
 * of each entry's text, not the text. Pure.
 */
#pragma once

#include <glib.h>

typedef struct
{
  GHashTable *seen; /* name -> Entry; NULL: nothing yet */
  guint round;
  gboolean full; /* of the round that is under way */
} PvtChanges;

/* Zeroed memory has seen nothing. */
void pvt_changes_clear (PvtChanges *changes);

/* A report begins. @full: all entries shall count as changed. */
void pvt_changes_begin (PvtChanges *changes, gboolean full);

/* TRUE when the entry is new or another than last time. */
gboolean pvt_changes_differs (PvtChanges *changes, const char *name, const char *text, gsize len);

/* The report is complete: appends copies of the names that were not in it any
 * more to @gone, which frees them, and forgets them. */
void pvt_changes_end (PvtChanges *changes, GPtrArray *gone);
