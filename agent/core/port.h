/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A virtio-serial port or serial line, through all that can happen to it: not
 * plugged yet, taken by somebody else, host not listening, host coming and
 * going, unplugged.
 */
#pragma once

#include "config.h"

typedef struct _PvtPort PvtPort;

PvtPort *pvt_port_new (const PvtChannelConfig *config);
void pvt_port_free (PvtPort *port);

/* TRUE while the host listens. */
gboolean pvt_port_connected (const PvtPort *port);
