/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "qmp.h"

/* The port that every hypervisor's management has for an agent. */
#define PVT_AGENT_PORT "org.qemu.guest_agent.0"

/*
 * Asks QEMU's monitor at @qmp_path where the agent's channel is: the path of the
 * unix socket behind the virtio-serial port of that name. The caller
 * frees. @timeout_ms bounds each exchange.
 */
char *pvt_channel_of_qemu (const char *qmp_path, const char *port, int timeout_ms, GCancellable *cancellable,
                           GError **error);

/* The same over a monitor that is open: the label of the port's chardev, and the
 * path of its socket. The caller frees both; untouched on failure. */
gboolean pvt_qmp_find_channel (PvtQmp *qmp, const char *port, char **chardev, char **path,
                               GError **error);
