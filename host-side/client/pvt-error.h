/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/**
 * PvtClientError:
 * @PVT_CLIENT_ERROR_FAILED: none of the others
 * @PVT_CLIENT_ERROR_INVALID_ADDRESS: the address is not understood
 * @PVT_CLIENT_ERROR_NOT_CONNECTED: the channel could not be opened, or the client was closed
 * @PVT_CLIENT_ERROR_DISCONNECTED: the other side hung up
 * @PVT_CLIENT_ERROR_TIMEOUT_BEFORE_SENT: the agent never answered the greeting; the
 *   command was not sent and has no effect
 * @PVT_CLIENT_ERROR_TIMEOUT_AFTER_SENT: the command was sent and not answered in time;
 *   it may have had its effect, or have it later
 * @PVT_CLIENT_ERROR_PROTOCOL: the other side does not speak the protocol
 * @PVT_CLIENT_ERROR_UNSUPPORTED: this agent does not have the command
 * @PVT_CLIENT_ERROR_BUSY: another call of this client is under way; or a shared page was
 *   being written whenever it was looked at
 *
 * What went wrong on this side of the channel.
 */
typedef enum
{
  PVT_CLIENT_ERROR_FAILED,
  PVT_CLIENT_ERROR_INVALID_ADDRESS,
  PVT_CLIENT_ERROR_NOT_CONNECTED,
  PVT_CLIENT_ERROR_DISCONNECTED,
  PVT_CLIENT_ERROR_TIMEOUT_BEFORE_SENT,
  PVT_CLIENT_ERROR_TIMEOUT_AFTER_SENT,
  PVT_CLIENT_ERROR_PROTOCOL,
  PVT_CLIENT_ERROR_UNSUPPORTED,
  PVT_CLIENT_ERROR_BUSY,
} PvtClientError;

#define PVT_CLIENT_ERROR (pvt_client_error_quark ())
GQuark pvt_client_error_quark (void);

G_END_DECLS
