/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The memory that a guest and its host share: BAR 2 of an ivshmem-plain device,
 * mapped through sysfs. See protocol/page/README.md. */
#pragma once

#include "root.h"

typedef struct
{
  void *data; /* NULL: there is none */
  gsize size;
  int fd; /* locked: one agent writes */
  char address[32]; /* the device's, such as 0000:00:04.0 */
} PvtSharedPage;

/*
 * Looks for the device at @address, or, if it is NULL, for the first whose memory
 * begins with the label that says it is ours: others may share memory with their
 * host for ends of their own. TRUE without data when there is none; FALSE with
 * @error when it is there and cannot be used, or another agent of this guest does.
 */
gboolean pvt_shared_page_open (const PvtRoot *root, const char *address, PvtSharedPage *page,
                               GError **error);
void pvt_shared_page_close (PvtSharedPage *page);
