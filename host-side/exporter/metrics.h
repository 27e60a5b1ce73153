/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Figures of one guest, or of the exporter: a set of samples that cannot break
 * the text format whatever they are made of. Impossible values (NaN, infinite,
 * a negative counter), a series that is there already and what exceeds the
 * limits are left out and counted.
 */
#pragma once

#include "families.h"

/* Limits on what a guest can make us keep. 8192 samples are 512 CPUs and more. */
#define PVT_METRICS_MAX_SAMPLES 8192
#define PVT_METRICS_MAX_LABEL_BYTES (512u * 1024) /* of all labels together */
#define PVT_METRICS_MAX_LABEL 256                 /* bytes of one value; the rest is cut off */
/* Kept free for what is said of the guest itself: see pvt_metrics_open_reserve(). */
#define PVT_METRICS_RESERVED_SAMPLES 64
#define PVT_METRICS_RESERVED_LABEL_BYTES (64u * 1024)

typedef enum
{
  PVT_SUFFIX_NONE,
  PVT_SUFFIX_BUCKET,
  PVT_SUFFIX_SUM,
  PVT_SUFFIX_COUNT,
} PvtSuffix;

typedef struct
{
  double value;
  guint32 labels; /* offset in PvtMetrics.labels; 0: none */
  guint16 family;
  guint16 suffix;
} PvtSample;

typedef struct
{
  int refs;
  GArray *samples;    /* PvtSample; by family once sealed */
  GString *labels;    /* `a="b",c="d"` with a NUL behind each */
  GHashTable *seen;   /* NULL once sealed */
  guint16 *first;     /* of each family in samples; sealed only */
  guint dropped;
  guint max_samples;
  gsize max_label_bytes;
} PvtMetrics;

PvtMetrics *pvt_metrics_new (void);
PvtMetrics *pvt_metrics_ref (PvtMetrics *metrics);
void pvt_metrics_unref (PvtMetrics *metrics);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (PvtMetrics, pvt_metrics_unref)

/*
 * Adds a sample. Behind the value: names and values of labels, then NULL. A
 * label whose value is NULL is left out. Label names are ours, values anyone's.
 */
void pvt_metrics_add (PvtMetrics *metrics, PvtFamilyId family, double value,
                      ...) G_GNUC_NULL_TERMINATED;

/* Adds a sample with the labels of one of these metrics, its first name with
 * @prefix in front. */
void pvt_metrics_add_like (PvtMetrics *metrics, PvtFamilyId family, double value,
                           const char *prefix, guint32 labels);

/* Adds the samples of @sealed whose families are not here yet, where @wanted says so. */
void pvt_metrics_add_missing (PvtMetrics *metrics, const PvtMetrics *sealed,
                              gboolean (*wanted) (PvtFamilyId family));

/* From here on the reserve may be used: whatever the guest said, our own figures
 * find room. */
void pvt_metrics_open_reserve (PvtMetrics *metrics);

/* @counts: how many fell into each bucket, one more than @bounds for the rest. */
void pvt_metrics_add_histogram (PvtMetrics *metrics, PvtFamilyId family, const double *bounds,
                                const guint64 *counts, guint n_bounds, double sum);

/* No more will be added: sorts, and frees what only adding needs. */
void pvt_metrics_seal (PvtMetrics *metrics);

/* The first sample of the family of sealed metrics without looking at labels;
 * FALSE when there is none. */
gboolean pvt_metrics_get (const PvtMetrics *metrics, PvtFamilyId family, double *value);

/* Appends a label value, escaped, made valid UTF-8, without control characters
 * and cut to PVT_METRICS_MAX_LABEL. */
void pvt_label_escape (GString *out, const char *value);
