/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Waiting until a guest is off, back, or asleep. QEMU's monitor tells when the
 * address names it; else it is seen from the channel: it goes with the guest,
 * and another boot has another boot id.
 */
#pragma once

#include "cli.h"
#include "qmp.h"

typedef enum
{
  PVT_POWER_OFF,
  PVT_POWER_REBOOTED, /* and the agent of the new boot answers */
  PVT_POWER_ASLEEP,
} PvtPowerEnd;

typedef struct
{
  const char *address;
  PvtPowerEnd end;
  PvtQmp *qmp; /* NULL: not a qemu: address */
  gboolean seen; /* the event came */
  char *boot_id; /* of the boot that ends; NULL: the agent cannot tell */
} PvtPowerWait;

/*
 * To be called before the order is given, with @wait->address set: from then on
 * no event is missed. @client may be NULL. Harmless when it was called already.
 */
gboolean pvt_power_wait_begin (PvtPowerWait *wait, PvtClient *client, PvtPowerEnd end,
                               int timeout_ms, GError **error);

/* Presses the virtual machine's power button; a qemu: address only. */
gboolean pvt_power_press_button (PvtPowerWait *wait, GError **error);

/* PVT_CLI_ERROR_NOT_YET when it took longer. */
gboolean pvt_power_wait (PvtPowerWait *wait, int timeout_ms, GError **error);

void pvt_power_wait_clear (PvtPowerWait *wait);
