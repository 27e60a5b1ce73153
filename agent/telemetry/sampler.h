/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Reads the groups of metrics, each at most once a tick however many have
 * subscribed to it. The files stay open between the ticks. Main loop only; all
 * that is read here the kernel answers from memory. How full filesystems are is
 * not: see space.h.
 */
#pragma once

#include "agent/platform/root.h"
#include "protocol/codec/types.h"
#include "pvt-types.h"

#define PVT_N_GROUPS (PVT_METRIC_GROUP_FILESYSTEMS + 1)

/* Most entries of a list in a report; what is cut is said. */
#define PVT_SAMPLE_MAX_ENTRIES 64

typedef struct
{
  char *name; /* "" when the group is one object */
  char *text; /* JSON */
  gsize len;
} PvtSampleEntry;

typedef struct
{
  gboolean list;
  guint64 total;      /* entries that there are, of which these are the first */
  GPtrArray *entries; /* PvtSampleEntry */
} PvtSample;

/* The group's name, which is also the member's. */
const char *pvt_group_name (PvtMetricGroup group);

void pvt_sampler_open (const PvtRoot *root);
void pvt_sampler_close (void);

/* Another tick: what was read before is old. */
void pvt_sampler_tick (void);

/* Shows a group's entries as they are, one by one; names are "" when the group is one
 * object. All of it is borrowed for the call. FALSE when this kernel does not tell. */
typedef void (*PvtSampleVisit) (const char *name, const PvtType *type, gconstpointer object,
                                gpointer data);
gboolean pvt_sampler_visit (PvtMetricGroup group, PvtSampleVisit show, gpointer data);

/* The same as JSON. Borrowed until the next tick; NULL when this kernel does not tell. */
const PvtSample *pvt_sampler_get (PvtMetricGroup group);

/* For groups that are read elsewhere. */
PvtSample *pvt_sample_new (gboolean list);
void pvt_sample_free (PvtSample *sample);
gboolean pvt_sample_is_full (const PvtSample *sample);
void pvt_sample_add (PvtSample *sample, const char *name, const PvtType *type,
                     gconstpointer object);

/* The three resources' pressure; NULL when the kernel has none. The caller frees. */
PvtPressure *pvt_sampler_pressure (void);
