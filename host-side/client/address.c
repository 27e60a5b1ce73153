/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "address.h"

#include "pvt-error.h"
#include "protocol/transport/transport.h"

#include <string.h>

static const struct
{
  const char *prefix;
  PvtAddressKind kind;
} kinds[] = {
  { "unix:", PVT_ADDRESS_UNIX },
  { "vsock:", PVT_ADDRESS_VSOCK },
  { "vsock-mux:", PVT_ADDRESS_VSOCK_MUX },
  { "qemu:", PVT_ADDRESS_QEMU },
  { "libvirt:", PVT_ADDRESS_LIBVIRT },
};

static gboolean
split (const char *text, PvtAddress *address)
{
  for (guint i = 0; i < G_N_ELEMENTS (kinds); i++)
    if (g_str_has_prefix (text, kinds[i].prefix))
      {
        address->kind = kinds[i].kind;
        address->rest = text + strlen (kinds[i].prefix);
        return *address->rest != '\0';
      }
  address->kind = PVT_ADDRESS_UNIX;
  address->rest = text;
  return strchr (text, '/') != NULL;
}

gboolean
pvt_address_parse (const char *text, PvtAddress *address, GError **error)
{
  g_autoptr (GError) why = NULL;

  memset (address, 0, sizeof *address);
  if (g_str_has_prefix (text, "page:"))
    {
      g_set_error (error, PVT_CLIENT_ERROR, PVT_CLIENT_ERROR_INVALID_ADDRESS,
                   "'%s' is memory that a guest shares: it has figures, and takes no commands", text);
      return FALSE;
    }
  if (!split (text, address)
      || (address->kind == PVT_ADDRESS_VSOCK_MUX
          && !pvt_vsock_mux_parse (address->rest, address->path, &address->port)))
    {
      g_set_error (error, PVT_CLIENT_ERROR, PVT_CLIENT_ERROR_INVALID_ADDRESS,
                   "'%s' is not an address: unix:/path, vsock:CID:PORT, vsock-mux:/path:PORT, "
                   "qemu:/qmp-socket or libvirt:DOMAIN was expected",
                   text);
      return FALSE;
    }
  if (address->kind != PVT_ADDRESS_VSOCK
      || pvt_transport_parse_vsock (address->rest, &address->cid, &address->port, &why))
    return TRUE;
  g_set_error_literal (error, PVT_CLIENT_ERROR, PVT_CLIENT_ERROR_INVALID_ADDRESS, why->message);
  return FALSE;
}
