/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Suspend and hibernation: /sys/power, see the kernel's sleep-states.rst. */
#pragma once

#include "root.h"

typedef enum
{
  PVT_SLEEP_RAM,
  PVT_SLEEP_DISK,
  PVT_SLEEP_HYBRID,
} PvtSleepKind;

/* Whether kernel, firmware and (for the disk) swap allow it; the error says
 * what is missing. */
gboolean pvt_sleep_supported (const PvtRoot *root, PvtSleepKind kind, GError **error);

/* Goes to sleep; returns when the guest is awake again. */
gboolean pvt_sleep_enter (const PvtRoot *root, PvtSleepKind kind, GError **error);
