/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Whether a guest's shared page can be believed to be of now, and of this guest. The
 * guest writes all of it and may lie about itself as it may on its channel; what it
 * must not do is seem alive when it is not, or keep us busy.
 */
#pragma once

#include "collect.h"

typedef enum
{
  PVT_SHARED_USED,
  PVT_SHARED_NEW,     /* not yet seen to change: it may be what a dead guest left */
  PVT_SHARED_STALE,   /* nobody writes it any more */
  PVT_SHARED_ENDED,   /* its agent has ended, and said so */
  PVT_SHARED_SLOW,    /* its period is too long to tell whether anybody does */
  PVT_SHARED_CUT,     /* it has no room for all figures */
  PVT_SHARED_TORN,    /* it is being written whenever it is looked at */
  PVT_SHARED_BROKEN,  /* it breaks the layout, or has another one */
  PVT_SHARED_ABSENT,  /* no file, or nobody has written to it */
  PVT_SHARED_FOREIGN, /* of another boot than what answers on the channel */
  PVT_SHARED_N_STATES,
} PvtSharedState;

/* The longest period with which a page is used. */
#define PVT_SHARED_MAX_PERIOD_MS 20000

/* A torn or broken page is not looked at again for so long. */
#define PVT_SHARED_QUIET_US (5 * G_USEC_PER_SEC)

typedef struct
{
  char *file; /* NULL: the guest has none */
  PvtPage *page;
  gboolean seen, live; /* it was read, and has changed since */
  guint64 updates, monotonic_ns;
  char boot_id[PVT_HEALTH_BOOT_ID_MAX + 1];
  gint64 quiet_until;
  PvtSharedState state; /* when it was looked at last */
  double unchanged;     /* seconds */
} PvtShared;

/* @file: the guest's page now, or NULL. */
void pvt_shared_set_file (PvtShared *shared, const char *file);
void pvt_shared_clear (PvtShared *shared);

/*
 * Adds what the page says, and of @rest, which is what the channel told last and may be
 * NULL, what pages do not hold. FALSE with @error, and nothing added, unless its state is
 * USED. See pvt_shared_read().
 */
gboolean pvt_shared_collect (PvtShared *shared, const char *boot_id, gint64 patience_us,
                             const PvtMetrics *rest, PvtMetrics *metrics, PvtSign *sign,
                             GError **error);

/*
 * Looks at the page, for some tens of milliseconds at most, and while it is new as long
 * as @patience_us. NULL with @error unless its state, which is kept, is USED; the
 * caller frees. @boot_id is that of the guest's last answer, "" when it is not known.
 */
PvtPageFigures *pvt_shared_read (PvtShared *shared, const char *boot_id, gint64 patience_us,
                                 GError **error);

/* Adds the state. */
void pvt_shared_add_state (const PvtShared *shared, PvtMetrics *metrics);
