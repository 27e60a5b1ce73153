/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The auditor: checks what a driver must do, whichever it is.
 *
 * It hangs into a device (virtio/hooks.h), looks at every register access the
 * transport has and at the rings by itself, before the device does, and holds
 * both against the clauses of clauses.c. It changes nothing. */
#pragma once

#include "host-side/vmm/virtio/vdev.h"

struct audit_log;
struct audit;

/* Where findings go: a line of JSON each into @path, or text to standard error
 * when it is NULL. Negative errno when the file cannot be made. */
int audit_log_new (struct audit_log **log, const char *path);
/* Into memory of the caller, who reads it when the log is freed: open_memstream(3). */
int audit_log_new_stream (struct audit_log **log, void *stream);
void audit_log_free (struct audit_log *log);

/* Watches @dev from now on; before it is given to a transport. */
int audit_new (struct audit **audit, struct vdev *dev, struct audit_log *log);
/* Writes what was checked, and how often; nothing when there is nothing new. */
void audit_report (struct audit *audit);
/* After the device was freed; NULL is accepted. */
void audit_free (struct audit *audit);

/* ---- for tests and verify ---- */

/* How often a clause was held against the driver, and how often it failed. */
uint64_t audit_checked (const struct audit *audit, const char *clause);
uint64_t audit_found (const struct audit *audit, const char *clause);
uint64_t audit_findings (const struct audit *audit);
/* The clauses there are: NULL behind the last. */
const char *audit_clause_at (unsigned index);
