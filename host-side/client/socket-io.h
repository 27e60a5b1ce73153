/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Sending and receiving with a deadline, blocking. */
#pragma once

#include "protocol/frame/framer.h"

#include <gio/gio.h>

/* Wraps a descriptor of protocol/transport; a negative one is its error, which
 * becomes PVT_CLIENT_ERROR_NOT_CONNECTED. */
GSocket *pvt_socket_open (int fd, GError **error);

/* Waits for the condition until @deadline (g_get_monotonic_time()).
 * G_IO_ERROR_TIMED_OUT or _CANCELLED when it did not come. */
gboolean pvt_socket_wait (GSocket *socket, GIOCondition condition, gint64 deadline,
                          GCancellable *cancellable, GError **error);

/* Sends what can be sent now; the number of bytes, 0 when that is none, -1 on error. */
gssize pvt_socket_send_some (GSocket *socket, const char *data, gsize len, GError **error);

/* Receives what is there now into the framer; 0 when that is nothing, -1 on
 * error, the end of the connection among them (PVT_CLIENT_ERROR_DISCONNECTED). */
gssize pvt_socket_receive_some (GSocket *socket, PvtFramer *framer, GError **error);

/* All of it, or an error. */
gboolean pvt_socket_send (GSocket *socket, const char *data, gsize len, gint64 deadline,
                          GCancellable *cancellable, GError **error);

/* At least one byte into the framer. */
gboolean pvt_socket_receive (GSocket *socket, PvtFramer *framer, gint64 deadline,
                             GCancellable *cancellable, GError **error);
