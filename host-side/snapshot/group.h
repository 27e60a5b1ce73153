/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Several guests held still at once. Each is frozen with a lease that a thread
 * renews: when this program dies or is stopped, the guests thaw by themselves
 * within seconds. With an agent that knows no leases (qemu-ga) that is not so: the
 * same thread thaws it at the deadline, and the report says that nothing proves its
 * snapshot.
 */
#pragma once

#include <pvtools.h>

/* What is known of a guest's freeze, in the end. */
typedef enum
{
  PVT_HELD_NOT,       /* it was not frozen */
  PVT_HELD_PROVEN,    /* it was, from before the first disk's snapshot until after the last's */
  PVT_HELD_UNPROVEN,  /* it was before and seems to have been after, but its agent cannot prove it */
  PVT_HELD_LOST,      /* it thawed by itself meanwhile */
} PvtHeld;

typedef struct
{
  char *address;
  char *channel;     /* where the agent is: for qemu: what its monitor says once */
  PvtClient *client; /* NULL: not connected */
  gboolean leases;   /* the agent has them */
  gboolean frozen;   /* as far as is known; what is above stays as it is while it is set */
  gboolean doubtful; /* its freeze was not answered: it is thawed as if it were frozen */
  gboolean let_go;   /* it has no lease, and was thawed at the deadline */
  gboolean stuck;    /* it could not be thawed by us */
  guint64 generation;
  guint n_filesystems;
  gint64 frozen_at, before, after, thaw_began; /* the guest's CLOCK_BOOTTIME in ns; 0: unknown */
  PvtHeld held;
  char *trouble; /* what went wrong, or NULL */
} PvtHeldGuest;

typedef struct
{
  GPtrArray *guests; /* PvtHeldGuest */
  guint deadline_ms; /* longest that a guest stays frozen */
  gboolean require;  /* a guest that cannot be frozen fails all */
  int timeout_ms;    /* of a call */
  char **mountpoints; /* borrowed; NULL: all filesystems */
  /* the renewing thread's */
  GThread *thread;
  GMutex lock;
  GCond wake;
  gboolean stop;
} PvtGroup;

PvtGroup *pvt_group_new (guint deadline_ms, gboolean require, int timeout_ms);
void pvt_group_free (PvtGroup *group);
void pvt_group_add (PvtGroup *group, const char *address);

/* Finds the agents' channels; has to be done while the guests' monitors are free. */
gboolean pvt_group_find_channels (PvtGroup *group, GError **error);

/*
 * Freezes all, in the order they were added. When one refuses and all are
 * required, those that were frozen are thawed again and FALSE is returned.
 * @interrupted is looked at between guests; once set it is like a refusal.
 */
gboolean pvt_group_freeze (PvtGroup *group, const volatile gint *interrupted, GError **error);

/* Asks every frozen guest for its state, before and after the snapshots. */
void pvt_group_look_before (PvtGroup *group);
void pvt_group_look_after (PvtGroup *group);

/* Thaws all that are frozen, each on its own: one that does not answer holds up no
 * other. Then settles what was held. */
void pvt_group_thaw (PvtGroup *group);

/* The worst of the guests. */
PvtHeld pvt_group_held (const PvtGroup *group);

/* "consistent" and so on. Static. */
const char *pvt_held_text (PvtHeld held);
