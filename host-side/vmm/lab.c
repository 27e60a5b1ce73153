/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lab.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "host-side/vmm/core/options.h"

void
lab_audit (struct lab *lab, const char *path)
{
  lab->audits = true;
  lab->path = path;
}

int
lab_fault (struct lab *lab, const char *list)
{
  const struct fault_kind *kind;

  lab->faults = list;
  if (strcmp (list, "help") != 0)
    return 0;
  for (unsigned i = 0; (kind = fault_kind_at (i)); i++)
    printf ("%-18s %-10s %s\n", kind->name, kind->clauses, kind->text);
  return 1;
}

int
lab_seed (struct lab *lab, const char *text)
{
  struct options options = { 0 };

  options_add (&options, "seed", text);
  return options_get_number (&options, "seed", 0, UINT64_MAX, &lab->seed);
}

int
lab_add (struct lab *lab, struct vdev *dev)
{
  int ret = 0;

  if (!lab->audits && lab->faults == NULL)
    return 0;
  if (lab->n == LAB_DEVICES_MAX)
    return -ENOSPC;
  if (lab->audits && lab->log == NULL)
    ret = audit_log_new (&lab->log, lab->path);
  if (ret == 0 && lab->audits)
    ret = audit_new (&lab->audit[lab->n], dev, lab->log);
  if (ret == 0 && lab->faults)
    ret = fault_new (&lab->fault[lab->n], dev, lab->faults, lab->seed);
  lab->n++;
  return ret;
}

void
lab_report (struct lab *lab)
{
  for (unsigned i = 0; i < lab->n; i++)
    if (lab->audit[i])
      audit_report (lab->audit[i]);
}

void
lab_finish (struct lab *lab)
{
  for (unsigned i = 0; i < lab->n; i++)
    {
      audit_free (lab->audit[i]);
      fault_free (lab->fault[i]);
    }
  audit_log_free (lab->log);
  lab->n = 0;
  lab->log = NULL;
}
