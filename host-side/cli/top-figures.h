/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What top shows of a guest, from reports of its counters. Guests are not
 * trusted: counters that go back, clocks that stand still and sums that overflow
 * give no figure.
 */
#pragma once

#include <pvtools.h>

typedef struct
{
  gboolean has_cpu, has_memory, has_load, has_disk, has_io, has_net;
  double cpu, memory, disk;              /* share in use */
  double load;
  double read_rate, write_rate;          /* bytes a second */
  double rx_rate, tx_rate;
  gboolean frozen;
  char *fullest; /* where disk is */
} PvtTopFigures;

/* A guest's counters as last seen. */
typedef struct
{
  PvtTopFigures figures;
  guint64 busy_ms, all_ms;
  gboolean has_times;
  guint64 disk_ns, read_bytes, written_bytes; /* disk_ns 0: not seen yet */
  guint64 link_ns, rx_bytes, tx_bytes;
} PvtTopState;

void pvt_top_state_clear (PvtTopState *state);

/* Takes over what an event says. */
void pvt_top_take (PvtTopState *state, const PvtEvent *event);

/* Milliseconds since boot, as counted by the guest's kernel. */
void pvt_top_take_times (PvtTopState *state, guint64 busy_ms, guint64 all_ms);

/* Whether a disk counts: no part of one, and nothing that stands on others, such as dm-0
 * and md0. @all: a set of the names of all, by which parts are known; NULL: there are none. */
gboolean pvt_top_counts_disk (const char *name, GHashTable *all);

/* A filesystem; the fullest is shown. The first call of a round has @first. */
void pvt_top_take_filesystem (PvtTopState *state, gboolean first, const char *where, guint64 used,
                              guint64 available);
