/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

/*
 * Asks QEMU's monitor at @qmp_path where the agent's channel is: the path of the
 * unix socket behind the virtio-serial port org.qemu.guest_agent.0. The caller
 * frees. @timeout_ms bounds each exchange.
 */
char *pvt_channel_of_qemu (const char *qmp_path, int timeout_ms, GCancellable *cancellable,
                           GError **error);
