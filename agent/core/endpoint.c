/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "endpoint.h"

#include "listener.h"
#include "port.h"

struct _PvtEndpoint
{
  const PvtChannelConfig *config;
  /* one of the two */
  PvtPort *port;
  PvtListener *listener;
};

PvtEndpoint *
pvt_endpoint_new (const PvtChannelConfig *config, GError **error)
{
  PvtEndpoint *endpoint = g_new0 (PvtEndpoint, 1);

  endpoint->config = config;
  if (config->method == PVT_METHOD_VIRTIO_SERIAL || config->method == PVT_METHOD_ISA_SERIAL)
    endpoint->port = pvt_port_new (config);
  else
    endpoint->listener = pvt_listener_new (config, error);
  if (endpoint->port || endpoint->listener)
    return endpoint;
  g_free (endpoint);
  return NULL;
}

void
pvt_endpoint_free (PvtEndpoint *endpoint)
{
  if (endpoint == NULL)
    return;
  pvt_port_free (endpoint->port);
  pvt_listener_free (endpoint->listener);
  g_free (endpoint);
}

const PvtChannelConfig *
pvt_endpoint_config (const PvtEndpoint *endpoint)
{
  return endpoint->config;
}

gboolean
pvt_endpoint_connected (const PvtEndpoint *endpoint)
{
  return endpoint->port ? pvt_port_connected (endpoint->port)
                        : pvt_listener_clients (endpoint->listener) > 0;
}
