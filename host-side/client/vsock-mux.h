/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The unix socket by which Firecracker, Cloud Hypervisor and pvtools-vmm hand on all of
 * a guest's vsock ports: one says "CONNECT <port>\n" and reads "OK <port>\n". */
#pragma once

#include <glib.h>

#define PVT_VSOCK_MUX_PATH_MAX 107

/* "/path:PORT"; @path has room for PVT_VSOCK_MUX_PATH_MAX + 1 bytes. */
gboolean pvt_vsock_mux_parse (const char *text, char *path, guint32 *port);

/* Connects to the guest's @port. A non-blocking descriptor; -1 with GFileError when nobody
 * listens there, or within @timeout_ms nobody answers. */
int pvt_vsock_mux_connect (const char *path, guint32 port, int timeout_ms, GError **error);
