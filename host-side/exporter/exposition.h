/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The text that Prometheus reads, version 0.0.4: each family once, its HELP and
 * TYPE before its samples.
 */
#pragma once

#include "metrics.h"

#define PVT_EXPOSITION_TYPE "text/plain; version=0.0.4; charset=utf-8"

typedef struct
{
  const PvtMetrics *metrics; /* sealed */
  const char *guest;         /* value of the label guest; NULL: no such label */
  const char *domain;        /* the same, domain, for names of libvirt's exporters alone */
} PvtExposed;

/* Appends the samples of all @sets, which stay whole families: a family that
 * several have comes once. @prefix goes before each name that is not ours ("" for
 * none). */
void pvt_exposition_write (GString *out, const PvtExposed *sets, guint n_sets,
                           const char *prefix);

/* The shortest text that reads back as @value, in any locale. */
void pvt_exposition_number (GString *out, double value);
