/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "agent/lifecycle/clock-sync.h"
#include "pvt-handlers.h"

/* An outcome in the protocol's words; the caller frees. */
PvtClockSync *pvt_describe_clock (const PvtClockOutcome *outcome);
