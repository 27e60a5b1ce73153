/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Where events come from. */
#pragma once

#include "subscription.h"

typedef struct
{
  guint kinds; /* PVT_EVENT_BIT of what it tells */
  /* NULL, or why this guest cannot tell; static. Any thread. */
  const char *(*missing) (PvtEventKind kind, const PvtRoot *root);
  /* Main loop; to publish is fine, to flush is not. A source that cannot start
   * says so in the log. */
  void (*start) (const PvtRoot *root);
  void (*stop) (void);
} PvtSource;

extern const PvtSource pvt_source_bus, pvt_source_kernel, pvt_source_mount, pvt_source_network,
    pvt_source_users;

/* The other kinds are told by who finds them: see telemetry.h and space.h. */
extern const PvtSource *const pvt_sources[]; /* NULL-terminated */

/* Why a kind of event will not come; NULL: it will. */
const char *pvt_source_missing (PvtEventKind kind, const PvtRoot *root);
