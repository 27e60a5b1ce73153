/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Whether a silent guest's kernel lives, from what QEMU shows of it from outside.
 * Pure: samples in, a verdict out. README.md says what proves which.
 */
#pragma once

#include "health.h"

/* More processors than this are not looked at. */
#define PVT_EVIDENCE_MAX_CPUS 1024

/* Of one moment. */
typedef struct
{
  guint cpus;         /* 0: not known */
  guint asleep;       /* halted with interrupts on: idle, as only a living kernel is */
  guint dead;         /* halted with interrupts off: nothing ordinary can wake it */
  guint uninterrupted; /* interrupts off, halted or not */
} PvtCpuSample;

/* Reads QEMU's "info registers -a" (x86). FALSE when it is not understood. */
gboolean pvt_cpu_sample_parse (const char *text, gsize len, PvtCpuSample *sample);

/* What was seen in one silence. */
typedef struct
{
  guint samples;
  guint since_asleep; /* samples since one was asleep, plus 1; 0: none ever was */
  guint all_dead, all_uninterrupted; /* in a row, up to the last one */
  /* the balloon driver's answers */
  gint64 balloon_update;            /* the last one's time stamp; 0: none */
  gint64 balloon_moved;             /* when it was seen to change, by our clock; 0: never */
  gint64 balloon_first;             /* when it was looked at first */
} PvtEvidence;

/* Forgets; the balloon's stamp stays, for it is one of the past. */
void pvt_evidence_begin (PvtEvidence *evidence);

void pvt_evidence_add_cpus (PvtEvidence *evidence, const PvtCpuSample *sample);

/* @update: the balloon's last-update; 0 when it has none. */
void pvt_evidence_add_balloon (PvtEvidence *evidence, gint64 update, gint64 now);

/* @stall: how long a balloon that has answered may be silent. */
PvtKernel pvt_evidence_verdict (const PvtEvidence *evidence, gint64 stall, gint64 now);
