/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "agent/core/call.h"
#include "agent/platform/netlink.h"

#include <arpa/inet.h>
#include <linux/rtnetlink.h>
#include <string.h>

/* Flags of /proc/net/route and route(8). */
#define RTF_UP 1
#define RTF_GATEWAY 2
#define RTF_HOST 4
#define RTF_REJECT 0x200

static char *
text_of (int family, const void *address)
{
  char text[INET6_ADDRSTRLEN];

  return g_strdup (inet_ntop (family, address, text, sizeof text));
}

static char *
mac_text (const PvtLink *link)
{
  const guint8 *m = link->mac;

  if (link->mac_len != 6)
    return NULL;
  return g_strdup_printf ("%02x:%02x:%02x:%02x:%02x:%02x", m[0], m[1], m[2], m[3], m[4], m[5]);
}

static PvtGuestNetworkInterfaceStat *
statistics (const PvtLink *link)
{
  PvtGuestNetworkInterfaceStat *stat = pvt_guest_network_interface_stat_new ();

  stat->rx_bytes = link->rx_bytes;
  stat->rx_packets = link->rx_packets;
  stat->rx_errs = link->rx_errors;
  stat->rx_dropped = link->rx_dropped;
  stat->tx_bytes = link->tx_bytes;
  stat->tx_packets = link->tx_packets;
  stat->tx_errs = link->tx_errors;
  stat->tx_dropped = link->tx_dropped;
  return stat;
}

static PvtGuestIpAddress *
ip_address (const PvtAddress *address)
{
  PvtGuestIpAddress *entry = pvt_guest_ip_address_new ();

  entry->ip_address = text_of (address->family, &address->address);
  entry->ip_address_type = address->family == AF_INET ? PVT_GUEST_IP_ADDRESS_TYPE_IPV4
                                                      : PVT_GUEST_IP_ADDRESS_TYPE_IPV6;
  entry->prefix = address->prefix;
  return entry;
}

static PvtGuestNetworkInterface *
interface (const PvtLink *link, GArray *addresses)
{
  PvtGuestNetworkInterface *entry = pvt_guest_network_interface_new ();

  entry->name = g_strdup (link->name);
  entry->hardware_address = mac_text (link);
  if (link->has_stats)
    entry->statistics = statistics (link);
  for (guint i = 0; i < addresses->len; i++)
    {
      const PvtAddress *address = &g_array_index (addresses, PvtAddress, i);

      if (address->link != link->index)
        continue;
      if (entry->ip_addresses == NULL)
        entry->ip_addresses = g_ptr_array_new ();
      g_ptr_array_add (entry->ip_addresses, ip_address (address));
    }
  return entry;
}

gboolean
pvt_handle_guest_network_get_interfaces (PvtCall *call G_GNUC_UNUSED, GPtrArray **result,
                                         GError **error)
{
  g_autoptr (GArray) links = pvt_links_read (error);
  g_autoptr (GArray) addresses = links ? pvt_addresses_read (error) : NULL;

  if (addresses == NULL)
    return FALSE;
  *result = g_ptr_array_sized_new (links->len);
  for (guint i = 0; i < links->len; i++)
    g_ptr_array_add (*result, interface (&g_array_index (links, PvtLink, i), addresses));
  return TRUE;
}

static const char *
link_name (GArray *links, int index)
{
  for (guint i = 0; i < links->len; i++)
    if (g_array_index (links, PvtLink, i).index == index)
      return g_array_index (links, PvtLink, i).name;
  return NULL;
}

static guint64
route_flags (const PvtRoute *route)
{
  guint host_bits = route->family == AF_INET ? 32 : 128;

  return RTF_UP | (route->has_gateway ? RTF_GATEWAY : 0)
         | (route->dst_len == host_bits ? RTF_HOST : 0)
         | (route->type == RTN_UNREACHABLE || route->type == RTN_BLACKHOLE ? RTF_REJECT : 0);
}

static void
fill_v4 (PvtGuestNetworkRoute *entry, const PvtRoute *route)
{
  struct in_addr mask = { htonl (route->dst_len ? G_MAXUINT32 << (32 - route->dst_len) : 0) };

  entry->version = 4;
  entry->destination = text_of (AF_INET, &route->dst);
  entry->gateway = text_of (AF_INET, &route->gateway);
  entry->mask = text_of (AF_INET, &mask);
  entry->has_irtt = entry->has_refcnt = entry->has_use = TRUE;
  entry->has_window = entry->has_mtu = TRUE;
  entry->window = route->window;
  entry->mtu = route->mtu;
}

static void
fill_v6 (PvtGuestNetworkRoute *entry, const PvtRoute *route)
{
  entry->version = 6;
  entry->destination = text_of (AF_INET6, &route->dst);
  entry->desprefixlen = g_strdup_printf ("%u", route->dst_len);
  entry->source = text_of (AF_INET6, &route->src);
  entry->srcprefixlen = g_strdup_printf ("%u", route->src_len);
  entry->nexthop = text_of (AF_INET6, &route->gateway);
  entry->has_refcnt = entry->has_use = TRUE;
}

static PvtGuestNetworkRoute *
network_route (const PvtRoute *route, GArray *links)
{
  PvtGuestNetworkRoute *entry = pvt_guest_network_route_new ();
  const char *name = link_name (links, route->link);

  entry->iface = g_strdup (name ? name : "*");
  entry->metric = route->metric;
  entry->has_flags = TRUE;
  entry->flags = route_flags (route);
  if (route->family == AF_INET)
    fill_v4 (entry, route);
  else
    fill_v6 (entry, route);
  return entry;
}

gboolean
pvt_handle_guest_network_get_route (PvtCall *call G_GNUC_UNUSED, GPtrArray **result,
                                    GError **error)
{
  g_autoptr (GArray) links = pvt_links_read (error);
  g_autoptr (GArray) routes = links ? pvt_routes_read (error) : NULL;

  if (routes == NULL)
    return FALSE;
  *result = g_ptr_array_new ();
  for (guint i = 0; i < routes->len; i++)
    {
      const PvtRoute *route = &g_array_index (routes, PvtRoute, i);

      if (route->family == AF_INET || route->family == AF_INET6)
        g_ptr_array_add (*result, network_route (route, links));
    }
  return TRUE;
}
