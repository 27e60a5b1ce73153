/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The interrupts of virtio devices: /proc/interrupts, see proc(5). */
#pragma once

#include "root.h"

typedef struct
{
  char name[64];      /* virtio0-input.0; of a shared line the first of virtio's */
  gboolean message;   /* signalled by messages (MSI), not by a line */
  guint64 total;
  guint busiest;      /* column, the n-th CPU that is online */
  guint64 on_busiest; /* how many of @total came there */
} PvtInterrupt;

/* Appends a PvtInterrupt for each line that is a virtio device's. Pure. */
void pvt_interrupts_parse (const char *text, gsize len, GArray *interrupts);

/* The caller unrefs; empty when they cannot be read. */
GArray *pvt_interrupts_read (const PvtRoot *root);
