/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Links, addresses and routes from route netlink: rtnetlink(7). */
#pragma once

#include "root.h"

#include <net/if.h>
#include <netinet/in.h>

typedef struct
{
  int index;
  guint flags; /* IFF_ of netdevice(7) */
  guint type;  /* ARPHRD_ */
  guint mtu;
  char name[IFNAMSIZ];
  guint mac_len;
  guint8 mac[32];
  gboolean has_stats;
  guint64 rx_packets, tx_packets, rx_bytes, tx_bytes, rx_errors, tx_errors, rx_dropped, tx_dropped;
} PvtLink;

typedef struct
{
  int link; /* index */
  int family;
  guint prefix;
  guint scope; /* RT_SCOPE_ */
  guint flags; /* IFA_F_ */
  union
  {
    struct in_addr v4;
    struct in6_addr v6;
  } address;
} PvtAddress;

typedef struct
{
  int family;
  int link;
  guint dst_len, src_len;
  guint metric, mtu, window;
  guint type;     /* RTN_ */
  guint flags;    /* RTM_F_, RTNH_F_ */
  gboolean has_gateway;
  union
  {
    struct in_addr v4;
    struct in6_addr v6;
  } dst, src, gateway, prefsrc;
  gboolean has_prefsrc;
} PvtRoute;

typedef enum
{
  PVT_NETLINK_MORE,
  PVT_NETLINK_DONE,
  PVT_NETLINK_INTERRUPTED, /* it changed meanwhile: ask again */
  PVT_NETLINK_ERROR,
} PvtNetlinkOutcome;

/* Parse one datagram of a dump and append what it holds; malformed messages
 * end it. Pure. */
PvtNetlinkOutcome pvt_netlink_parse_links (const void *data, gsize len, GArray *links);
PvtNetlinkOutcome pvt_netlink_parse_addresses (const void *data, gsize len, GArray *addresses);
PvtNetlinkOutcome pvt_netlink_parse_routes (const void *data, gsize len, GArray *routes);

/* All of a kind; the caller unrefs. Thread-safe. */
GArray *pvt_links_read (GError **error);
GArray *pvt_addresses_read (GError **error);
GArray *pvt_routes_read (GError **error); /* main table, both families */
