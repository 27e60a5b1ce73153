/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Taking out of a system what belongs to this one machine, so that its disk can be
 * copied: identities, keys, logs, leases, histories.
 */
#pragma once

#include "root.h"

/* Paths that a report names at most, of each step. */
#define PVT_SEAL_MAX_PATHS 100

typedef struct
{
  const char *name;
  const char *about; /* what goes, and what brings it back */
  guint files;       /* that were, or would be, removed or emptied */
  guint64 bytes;     /* in them */
  GPtrArray *paths;  /* char *, the first of them */
  char *error;       /* the first thing that went wrong, or NULL */
} PvtSealStep;

/* How many steps there are, and their names in order. */
guint pvt_seal_count (void);
const char *pvt_seal_name (guint number);

/*
 * One step; nothing is changed unless @apply. Links are never followed out of the
 * directories that a step names, and a file with several names is removed, never
 * emptied. Once *@cancelled (may be NULL) is 1 no more is done. The caller clears.
 */
void pvt_seal_run (const PvtRoot *root, guint number, gboolean apply, const gint *cancelled,
                   PvtSealStep *step);

void pvt_seal_step_clear (PvtSealStep *step);
