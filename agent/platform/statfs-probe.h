/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Asks many mounts for their figures without ever hanging on one.
 *
 * A helper thread walks the list. When it is stuck in one mount for longer than
 * the mount's time, the caller goes on with another helper thread behind it,
 * and that mount is latched: it is not asked again until the stuck call has
 * returned. The number of stuck threads is bounded.
 */
#pragma once

#include <glib.h>
#include <sys/statvfs.h>

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

/*
 * Asks @n mountpoints; @results has room for as many. @each_ms: how long one
 * may take. Thread-safe.
 */
void pvt_statfs_probe (const char *const *mountpoints, guint n, guint each_ms,
                       PvtStatfsResult *results);

/* The mountpoints that are latched now; the caller frees. */
char **pvt_statfs_hung (void);

/* Text for an outcome that is not OK; the caller frees. */
char *pvt_statfs_explain (const PvtStatfsResult *result);
