/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "agent/platform/blockdev.h"
#include "pvt-types.h"

/* A disk's place in the terms of the wire; the caller frees. */
PvtGuestDiskAddress *pvt_disk_address_new (const PvtDiskPlace *place);
