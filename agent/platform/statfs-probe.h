/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Asks many mounts for their figures without ever hanging on one.
 *
 * A helper thread walks the list. When it is stuck in one mount for longer than
 * PVT_STATFS_EACH_MS, the caller goes on with another helper thread behind it,
 * and that mount is latched: it is not asked again until the stuck call has
 * returned. The number of stuck threads is bounded.
 *
 * Mounts that are known to answer from memory are asked directly. Should one of
 * those hang all the same, as on a disk that died, its caller hangs with it;
 * from then on it is latched, too.
 */
#pragma once

#include <glib.h>
#include <sys/statvfs.h>

/* How long one mount may take. */
#define PVT_STATFS_EACH_MS 1000

typedef struct
{
  const char *mountpoint;
  gboolean direct; /* the kernel answers from memory: no need of a thread */
} PvtStatfsQuery;

typedef enum
{
  PVT_STATFS_OK,
  PVT_STATFS_FAILED,  /* error_number says why */
  PVT_STATFS_TIMEOUT, /* did not answer this time */
  PVT_STATFS_LATCHED, /* still stuck since an earlier time; not asked */
} PvtStatfsOutcome;

typedef struct
{
  PvtStatfsOutcome outcome;
  int error_number;
  struct statvfs figures;
} PvtStatfsResult;

/* Asks @n mounts; @results has room for as many. Thread-safe. Call it where
 * blocking for a while does no harm. */
void pvt_statfs_probe (const PvtStatfsQuery *queries, guint n, PvtStatfsResult *results);

/* The mountpoints that are latched now; the caller frees. */
char **pvt_statfs_hung (void);

/* Text for an outcome that is not OK; the caller frees. */
char *pvt_statfs_explain (const PvtStatfsResult *result);
