/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Opening both ends of every channel kind. All descriptors are non-blocking
 * and close-on-exec; the caller closes them. Errors are GFileError's, with the
 * path or address in the message.
 */
#pragma once

#include <glib.h>

/*
 * A virtio-serial port or a serial device. A tty (isa-serial) is put in raw
 * mode. -1 with G_FILE_ERROR_NOENT while the host has not plugged it, with
 * G_FILE_ERROR_FAILED and EBUSY's text while somebody else has it open.
 */
int pvt_transport_open_port (const char *path, GError **error);

/* Listening sockets. A stale unix socket nobody listens on is replaced; a path
 * that is no socket, or one in use, is an error. */
int pvt_transport_listen_unix (const char *path, GError **error);
int pvt_transport_listen_vsock (guint32 cid, guint32 port, GError **error);

/*
 * Who has connected to a vsock listener: TRUE for the host, and for a process of this
 * machine's with a privileged port (vsock(7)). Not for its other users, nor for
 * guests of its own, who reach it by the same address as their host.
 */
gboolean pvt_transport_vsock_is_trusted (int fd);

/* The same of addresses; @own_cid: this machine's. */
gboolean pvt_transport_trusts (guint32 cid, guint32 port, guint32 own_cid);

/* The host's end. Connecting does not block for longer than the peer's backlog
 * takes: unix sockets connect at once or fail. */
int pvt_transport_connect_unix (const char *path, GError **error);
int pvt_transport_connect_vsock (guint32 cid, guint32 port, GError **error);

/* "CID:PORT" in decimal or 0x hexadecimal; CID may be "any" (listen) or "host". */
gboolean pvt_transport_parse_vsock (const char *address, guint32 *cid, guint32 *port,
                                    GError **error);
