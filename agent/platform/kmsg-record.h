/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Records of /dev/kmsg: the kernel's Documentation/ABI/testing/dev-kmsg. Pure. */
#pragma once

#include <glib.h>

/* syslog(3): what is less than a warning has a greater number. */
#define PVT_KMSG_WARNING 4

/* Longest text of a message that is taken over. */
#define PVT_KMSG_TEXT 1000

typedef struct
{
  guint level, facility; /* facility 0: the kernel itself */
  guint64 sequence, time_us;
  char text[PVT_KMSG_TEXT + 1]; /* what is longer is cut */
} PvtKmsgRecord;

/* FALSE when this is no record. */
gboolean pvt_kmsg_parse (const char *data, gsize len, PvtKmsgRecord *record);

typedef struct
{
  guint64 pid;
  char process[64];
  gboolean cgroup; /* a control group was out of memory, not the machine */
} PvtKmsgOom;

/* TRUE when the kernel says that it has killed a process for want of memory. */
gboolean pvt_kmsg_is_oom (const PvtKmsgRecord *record, PvtKmsgOom *oom);
