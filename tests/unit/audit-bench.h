/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* An audited device on the bench: what the tests of the auditor share. */
#pragma once

#include "tap-main.h"

#include "tests/support/guest-ram.h"

#include <stdio.h>
#include <stdlib.h>

#include "host-side/vmm/audit/audit.h"

#define V1 VIRTIO_BIT (VIRTIO_F_VERSION_1)
#define INDIRECT VIRTIO_BIT (VIRTIO_F_INDIRECT_DESC)
#define EVENT VIRTIO_BIT (VIRTIO_F_EVENT_IDX)
#define PACKED VIRTIO_BIT (VIRTIO_F_RING_PACKED)
#define SIZE 8u

/* A disk under audit, whose report is read at the end. */
struct bench
{
  struct vdev *dev;
  struct audit_log *log;
  struct audit *audit;
  struct guest_memory memory;
  char *text;
  size_t bytes;
  FILE *stream;
};

static uint8_t *ram;

static inline void *
at (uint64_t gpa)
{
  return ram + (gpa - RAM_GPA);
}

static inline void
open_bench (struct bench *bench, struct vdev *dev)
{
  memset (bench, 0, sizeof *bench);
  ram = ram_new (&bench->memory);
  bench->stream = open_memstream (&bench->text, &bench->bytes);
  assert_int_equal (audit_log_new_stream (&bench->log, bench->stream), 0);
  bench->dev = dev;
  assert_int_equal (audit_new (&bench->audit, dev, bench->log), 0);
  vdev_attach (dev, &bench->memory, NULL, NULL);
}

static inline void
close_bench (struct bench *bench)
{
  vdev_free (bench->dev);
  audit_free (bench->audit);
  audit_log_free (bench->log);
  fclose (bench->stream);
  free (bench->text);
  munmap (ram, RAM_SIZE);
}

/* Exactly one clause was found broken, and the finding says which. */
static inline void
caught (struct bench *bench, const char *clause, const char *name)
{
  char wanted[32];

  if (audit_found (bench->audit, clause) == 0)
    fail_msg ("%s: %s was not found; the log: %s", name, clause, bench->text);
  if (audit_found (bench->audit, clause) != audit_findings (bench->audit))
    fail_msg ("%s: more than %s was found: %s", name, clause, bench->text);
  snprintf (wanted, sizeof wanted, "\"finding\": \"%s\"", clause);
  assert_non_null (strstr (bench->text, wanted));
  assert_non_null (strstr (bench->text, "\"section\": \""));
}
