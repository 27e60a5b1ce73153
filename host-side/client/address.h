/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "vsock-mux.h"

typedef enum
{
  PVT_ADDRESS_UNIX,
  PVT_ADDRESS_VSOCK,
  PVT_ADDRESS_VSOCK_MUX,
  PVT_ADDRESS_QEMU,
  PVT_ADDRESS_LIBVIRT,
} PvtAddressKind;

typedef struct
{
  PvtAddressKind kind;
  const char *rest; /* inside the text: path, "path:port" or domain */
  guint32 cid, port;
  char path[PVT_VSOCK_MUX_PATH_MAX + 1]; /* of vsock-mux */
} PvtAddress;

/* "unix:/path", "vsock:CID:PORT", "vsock-mux:/path:PORT", "qemu:/qmp-socket", "libvirt:DOMAIN", or a
 * path with a slash in it, which is a unix socket's. PVT_CLIENT_ERROR_INVALID_ADDRESS. */
gboolean pvt_address_parse (const char *text, PvtAddress *address, GError **error);
