/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What --audit and --fault ask for, for the commands: hung into devices before
 * they start. A zeroed lab watches nothing. */
#pragma once

#include "host-side/vmm/audit/audit.h"
#include "host-side/vmm/fault/fault.h"

#define LAB_DEVICES_MAX 32u

struct lab
{
  bool audits; /* --audit was given */
  const char *path;
  const char *faults; /* --fault */
  uint64_t seed;
  struct audit_log *log;
  unsigned n;
  struct audit *audit[LAB_DEVICES_MAX];
  struct fault *fault[LAB_DEVICES_MAX];
};

/* --audit, with a file or NULL. */
void lab_audit (struct lab *lab, const char *path);
/* --fault, and --seed; "help" prints what there is and returns 1. -EINVAL for a bad seed. */
int lab_fault (struct lab *lab, const char *list);
int lab_seed (struct lab *lab, const char *text);
/* Before @dev has a transport. */
int lab_add (struct lab *lab, struct vdev *dev);
/* Writes what was checked so far. */
void lab_report (struct lab *lab);
/* When all devices are freed. */
void lab_finish (struct lab *lab);
