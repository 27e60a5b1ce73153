/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One run of a corner: its files, its devices, its programs. */
#pragma once

#include "verify.h"

#define BACKENDS_MAX 5u

struct verify_run
{
  const struct verify_setup *setup;
  struct verify_corner *corner;
  gboolean own;    /* on KVM, in our own machine */
  gboolean polite; /* the guest keeps a driver's rules: the auditor watches */
  gboolean all;    /* not only a disk and entropy, but every kind of device */
  char *directory; /* of its files */
  GPid backend[BACKENDS_MAX];
};

/* A file of the run's. */
char *verify_run_file (const struct verify_run *run, const char *name);
/* What the auditors of the run write; NULL behind the last. */
char **verify_run_audits (const struct verify_run *run);
/* The machine's command line: a GPtrArray of strings, NULL at its end. */
GPtrArray *verify_run_machine (const struct verify_run *run);
/* Starts our devices beside QEMU; the caller stops them, all or some. */
gboolean verify_run_backends (struct verify_run *run, GError **error);
/* "six kinds of device, ...": for people. */
const char *verify_run_lane (const struct verify_run *run);
