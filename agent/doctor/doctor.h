/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Whether the guest is set up as a virtual machine should be: twenty-odd checks,
 * each with a remedy. A check reads through the root and says one thing.
 */
#pragma once

#include "agent/platform/root.h"
#include "pvt-types.h"

typedef struct
{
  const PvtRoot *root;
  const gint *cancelled; /* as of a call; may be NULL */
  GArray *virtio;        /* PvtVirtioDevice */
  guint n_cpus;          /* online; 0: nobody knows */
  GPtrArray *checks;     /* PvtCheck */
} PvtDoctor;

/*
 * Runs all checks. @cancelled (may be NULL) ends them early once it is 1. The
 * caller frees the result.
 */
PvtCheckup *pvt_doctor_run (const PvtRoot *root, const gint *cancelled);

/* One check's result; @remedy is NULL, or static. */
void pvt_doctor_say (PvtDoctor *doctor, const char *name, PvtCheckState state, const char *remedy,
                     const char *format, ...) G_GNUC_PRINTF (5, 6);

/*
 * What a check finds of several devices: if any is not as it should be, those are
 * told, else all. Zeroed memory is one without devices.
 */
typedef struct
{
  PvtCheckState worst;
  guint n;
  GString *good, *bad;
} PvtVerdict;

void pvt_verdict_add (PvtVerdict *verdict, PvtCheckState state, const char *format, ...)
    G_GNUC_PRINTF (3, 4);

/* Says it and clears it. @none: the finding when there was no device; the check is
 * skipped then. */
void pvt_verdict_say (PvtVerdict *verdict, PvtDoctor *doctor, const char *name, const char *none,
                      const char *remedy);

/* Reads a small file without white space at its end; FALSE: there is none. */
gboolean pvt_doctor_read (const PvtDoctor *doctor, char *text, gsize size, const char *format, ...)
    G_GNUC_PRINTF (4, 5);

/* The files and directories below one, sorted; empty where it is not. The caller
 * frees with g_strfreev(). */
char **pvt_doctor_names (const PvtDoctor *doctor, const char *directory);

/* The kinds of checks, in their order. */
void pvt_doctor_machine (PvtDoctor *doctor);    /* hypervisor, clocks, entropy, balloon, steal */
void pvt_doctor_devices (PvtDoctor *doctor);    /* emulated and virtio devices, rings */
void pvt_doctor_network (PvtDoctor *doctor);
void pvt_doctor_disks (PvtDoctor *doctor);
void pvt_doctor_interrupts (PvtDoctor *doctor);
void pvt_doctor_boot (PvtDoctor *doctor);       /* what the next boot will need */
