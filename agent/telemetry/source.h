/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Where events come from. */
#pragma once

#include "subscription.h"

typedef struct
{
  guint kinds; /* PVT_EVENT_BIT of what it tells */
  /* NULL, or why this guest cannot tell; static. Any thread. */
  const char *(*missing) (const PvtRoot *root);
  /* Main loop. A source that cannot start says so in the log. */
  void (*start) (const PvtRoot *root);
  void (*stop) (void);
} PvtSource;

extern const PvtSource *const pvt_sources[]; /* NULL-terminated */

/* Why a kind of event will not come; NULL: it will. */
const char *pvt_source_missing (PvtEventKind kind, const PvtRoot *root);
