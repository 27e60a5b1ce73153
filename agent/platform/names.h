/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The names in a directory of the kernel's, without opendir(3), which takes 32 KiB of
 * heap and two system calls more for each.
 */
#pragma once

#include <glib.h>

#define PVT_NAMES_ROOM 4096

/* Begin with { .fd = -1 } or pvt_names_open(); on the stack, as a rule. */
typedef struct
{
  int fd; /* for *at() calls about the entries; -1: there is none */
  gsize at, len;
  char buf[PVT_NAMES_ROOM] __attribute__ ((aligned (8)));
} PvtNames;

/* 0, or -errno; then there are no names. */
int pvt_names_open (PvtNames *names, int dirfd, const char *path);

/* The next, valid until the one after it; NULL at the end. None that begins with a dot. */
const char *pvt_names_next (PvtNames *names);

void pvt_names_close (PvtNames *names);
