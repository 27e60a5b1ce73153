/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Texts that are served: without HTTP. */
#pragma once

#include "guests.h"
#include "targets.h"

typedef struct
{
  PvtGuests *guests;
  PvtTargets *targets;
  gboolean all_guests; /* /metrics has all guests */
  gboolean monitored;  /* QEMUs' monitors are listened to */
  gboolean refreshed;  /* guests are asked by themselves: a page of all waits for none */
} PvtExporter;

/* Addresses of found guests, NULL-terminated; borrowed. The caller frees the array. */
const char **pvt_page_addresses (GPtrArray *found);

/* The exporter's own figures, and with @guests those of all guests of a gather
 * that is done, each with its name as the label guest. The caller frees the text. */
GString *pvt_page_all (PvtGather *gather, gboolean guests, GPtrArray *found,
                       const PvtMetrics *own);

/* All guests for node_exporter's textfile collector. It takes no names of its
 * own: those get a prefix. */
GString *pvt_page_textfile (PvtGather *gather, GPtrArray *found);

/* The first guest of a gather that is done. @name is its domain, where libvirt's names
 * are wanted. */
GString *pvt_page_guest (PvtGather *gather, const char *name);

/* What the exporter says of itself, sealed; the caller unrefs. */
PvtMetrics *pvt_page_own (PvtExporter *exporter, GPtrArray *found, const guint64 *codes);

/* HTTP status codes that are counted, 0 at the end. */
extern const guint pvt_page_codes[];

/* A short page for people. */
GString *pvt_page_root (GPtrArray *found);
