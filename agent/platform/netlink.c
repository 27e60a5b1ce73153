/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "netlink.h"

#include "bounds.h"

#include <errno.h>
#include <linux/if_link.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* The kernel makes the messages of a dump as large as what was received with before,
 * and clears that memory: half of the work of a dump of few links when it is much. */
#define RECEIVE_SIZE 4096
#define RECEIVE_MAX 32768
#define MAX_RETRIES 5

typedef PvtNetlinkOutcome (*Parser) (const void *data, gsize len, GArray *array);

/* What a message handler gets: header checked, attributes behind @fixed bytes. */
typedef void (*Handler) (const struct nlmsghdr *message, GArray *array);

static gboolean
has_message (const char *p, const char *end)
{
  const struct nlmsghdr *message = (const struct nlmsghdr *) (const void *) p;
  gsize left = (gsize) (end - p);

  return left >= sizeof *message && message->nlmsg_len >= sizeof *message
         && message->nlmsg_len <= left;
}

static const char *
next_message (const char *p, const char *end)
{
  gsize step = NLMSG_ALIGN (((const struct nlmsghdr *) (const void *) p)->nlmsg_len);

  return step < (gsize) (end - p) ? p + step : end;
}

static PvtNetlinkOutcome
parse (const void *data, gsize len, guint16 type, gsize fixed, gsize max, Handler handler,
       GArray *array)
{
  const char *p = data, *const end = p + len;

  for (; has_message (p, end); p = next_message (p, end))
    {
      const struct nlmsghdr *message = (const struct nlmsghdr *) (const void *) p;

      if (message->nlmsg_flags & NLM_F_DUMP_INTR)
        return PVT_NETLINK_INTERRUPTED;
      if (message->nlmsg_type == NLMSG_DONE)
        return PVT_NETLINK_DONE;
      if (message->nlmsg_type == NLMSG_ERROR)
        return PVT_NETLINK_ERROR;
      if (message->nlmsg_type == type && message->nlmsg_len >= NLMSG_LENGTH (fixed)
          && array->len < max)
        handler (message, array);
    }
  return p < end ? PVT_NETLINK_ERROR : PVT_NETLINK_MORE;
}

/* Attributes come as type, length, value; a value shorter than wanted is none. */
static gboolean
copy_exact (const struct rtattr *attr, void *to, gsize size)
{
  if (RTA_PAYLOAD (attr) < size)
    return FALSE;
  memcpy (to, RTA_DATA (attr), size);
  return TRUE;
}

static void
link_stats (const struct rtattr *attr, PvtLink *link)
{
  struct rtnl_link_stats64 s;

  if (!copy_exact (attr, &s, G_STRUCT_OFFSET (struct rtnl_link_stats64, multicast)))
    return;
  link->has_stats = TRUE;
  link->rx_packets = s.rx_packets;
  link->tx_packets = s.tx_packets;
  link->rx_bytes = s.rx_bytes;
  link->tx_bytes = s.tx_bytes;
  link->rx_errors = s.rx_errors;
  link->tx_errors = s.tx_errors;
  link->rx_dropped = s.rx_dropped;
  link->tx_dropped = s.tx_dropped;
}

static void
link_attribute (const struct rtattr *attr, PvtLink *link)
{
  gsize size = RTA_PAYLOAD (attr);

  switch (attr->rta_type)
    {
    case IFLA_IFNAME:
      memcpy (link->name, RTA_DATA (attr), MIN (size, sizeof link->name - 1));
      break;
    case IFLA_ADDRESS:
      link->mac_len = (guint) MIN (size, sizeof link->mac);
      memcpy (link->mac, RTA_DATA (attr), link->mac_len);
      break;
    case IFLA_MTU:
      copy_exact (attr, &link->mtu, sizeof link->mtu);
      break;
    case IFLA_STATS64:
      link_stats (attr, link);
      break;
    default:
      break;
    }
}

static void
handle_link (const struct nlmsghdr *message, GArray *array)
{
  const struct ifinfomsg *info = NLMSG_DATA (message);
  int left = (int) IFLA_PAYLOAD (message);
  PvtLink link;

  memset (&link, 0, sizeof link);
  link.index = info->ifi_index;
  link.flags = info->ifi_flags;
  link.type = info->ifi_type;
  for (const struct rtattr *attr = IFLA_RTA (info); RTA_OK (attr, left);
       attr = RTA_NEXT (attr, left))
    link_attribute (attr, &link);
  if (link.name[0])
    g_array_append_val (array, link);
}

PvtNetlinkOutcome
pvt_netlink_parse_links (const void *data, gsize len, GArray *links)
{
  return parse (data, len, RTM_NEWLINK, sizeof (struct ifinfomsg), PVT_MAX_LINKS, handle_link,
                links);
}

static gsize
address_size (int family)
{
  return family == AF_INET ? 4 : family == AF_INET6 ? 16 : 0;
}

static void
handle_address (const struct nlmsghdr *message, GArray *array)
{
  const struct ifaddrmsg *info = NLMSG_DATA (message);
  int left = (int) IFA_PAYLOAD (message);
  gsize size = address_size (info->ifa_family);
  gboolean have = FALSE, local = FALSE;
  PvtAddress address;

  memset (&address, 0, sizeof address);
  address.link = (int) info->ifa_index;
  address.family = info->ifa_family;
  address.prefix = info->ifa_prefixlen;
  address.scope = info->ifa_scope;
  address.flags = info->ifa_flags;
  for (const struct rtattr *attr = IFA_RTA (info); size && RTA_OK (attr, left);
       attr = RTA_NEXT (attr, left))
    {
      /* On a point-to-point link IFA_ADDRESS is the other end's. */
      if (attr->rta_type == IFA_LOCAL)
        local = have = copy_exact (attr, &address.address, size);
      else if (attr->rta_type == IFA_ADDRESS && !local)
        have = copy_exact (attr, &address.address, size);
      else if (attr->rta_type == IFA_FLAGS)
        copy_exact (attr, &address.flags, sizeof address.flags);
    }
  if (have)
    g_array_append_val (array, address);
}

PvtNetlinkOutcome
pvt_netlink_parse_addresses (const void *data, gsize len, GArray *addresses)
{
  return parse (data, len, RTM_NEWADDR, sizeof (struct ifaddrmsg), PVT_MAX_ADDRESSES,
                handle_address, addresses);
}

static void
route_metrics (const struct rtattr *outer, PvtRoute *route)
{
  int left = (int) RTA_PAYLOAD (outer);

  for (const struct rtattr *attr = RTA_DATA (outer); RTA_OK (attr, left);
       attr = RTA_NEXT (attr, left))
    {
      if (attr->rta_type == RTAX_MTU)
        copy_exact (attr, &route->mtu, sizeof route->mtu);
      else if (attr->rta_type == RTAX_WINDOW)
        copy_exact (attr, &route->window, sizeof route->window);
    }
}

/* The first hop of several stands for all. */
static void
route_multipath (const struct rtattr *outer, gsize size, PvtRoute *route)
{
  const struct rtnexthop *hop = RTA_DATA (outer);
  int left;

  if (RTA_PAYLOAD (outer) < sizeof *hop || hop->rtnh_len > RTA_PAYLOAD (outer)
      || hop->rtnh_len < sizeof *hop)
    return;
  route->link = hop->rtnh_ifindex;
  left = (int) (hop->rtnh_len - sizeof *hop);
  for (const struct rtattr *attr = RTNH_DATA (hop); RTA_OK (attr, left);
       attr = RTA_NEXT (attr, left))
    if (attr->rta_type == RTA_GATEWAY)
      route->has_gateway = copy_exact (attr, &route->gateway, size);
}

static void
route_attribute (const struct rtattr *attr, gsize size, PvtRoute *route, guint *table)
{
  switch (attr->rta_type)
    {
    case RTA_DST:
      copy_exact (attr, &route->dst, size);
      break;
    case RTA_SRC:
      copy_exact (attr, &route->src, size);
      break;
    case RTA_GATEWAY:
      route->has_gateway = copy_exact (attr, &route->gateway, size);
      break;
    case RTA_PREFSRC:
      route->has_prefsrc = copy_exact (attr, &route->prefsrc, size);
      break;
    case RTA_OIF:
      copy_exact (attr, &route->link, sizeof route->link);
      break;
    case RTA_PRIORITY:
      copy_exact (attr, &route->metric, sizeof route->metric);
      break;
    case RTA_TABLE:
      copy_exact (attr, table, sizeof *table);
      break;
    case RTA_METRICS:
      route_metrics (attr, route);
      break;
    case RTA_MULTIPATH:
      route_multipath (attr, size, route);
      break;
    default:
      break;
    }
}

static void
handle_route (const struct nlmsghdr *message, GArray *array)
{
  const struct rtmsg *info = NLMSG_DATA (message);
  int left = (int) RTM_PAYLOAD (message);
  gsize size = address_size (info->rtm_family);
  guint table = info->rtm_table;
  PvtRoute route;

  memset (&route, 0, sizeof route);
  route.family = info->rtm_family;
  route.dst_len = info->rtm_dst_len;
  route.src_len = info->rtm_src_len;
  route.type = info->rtm_type;
  route.flags = info->rtm_flags;
  for (const struct rtattr *attr = RTM_RTA (info); size && RTA_OK (attr, left);
       attr = RTA_NEXT (attr, left))
    route_attribute (attr, size, &route, &table);
  if (size && table == RT_TABLE_MAIN && !(route.flags & RTM_F_CLONED))
    g_array_append_val (array, route);
}

PvtNetlinkOutcome
pvt_netlink_parse_routes (const void *data, gsize len, GArray *routes)
{
  return parse (data, len, RTM_NEWROUTE, sizeof (struct rtmsg), PVT_MAX_ROUTES, handle_route,
                routes);
}

/* A socket for the life of the process. */
typedef struct
{
  int fd;
  gsize room; /* to receive with */
} Socket;

/* Used by one thread at a time. A route of many hops is long, and the kernel passes over
 * in silence what has no room in a message; links are told how much they need. */
static GMutex lock;
static Socket for_links = { -1, RECEIVE_SIZE }, for_routes = { -1, RECEIVE_MAX };

static void
hang_up (Socket *to)
{
  if (to->fd >= 0)
    close (to->fd);
  to->fd = -1;
}

static gboolean
fail (Socket *to, const char *what, GError **error)
{
  int code = errno;

  g_set_error (error, G_FILE_ERROR, (gint) g_file_error_from_errno (code), "netlink: %s: %s", what,
               g_strerror (code));
  hang_up (to);
  return FALSE;
}

/* The kernel finds out how long the longest message is, and makes room for that, where
 * it is told what to leave out: rtnl_calcit(). These counters are IPv6's. */
static void
leave_out_stats (struct nlmsghdr *header, struct rtattr *attr)
{
  const guint32 mask = RTEXT_FILTER_SKIP_STATS;

  attr->rta_type = IFLA_EXT_MASK;
  attr->rta_len = RTA_LENGTH (sizeof mask);
  memcpy (RTA_DATA (attr), &mask, sizeof mask);
  header->nlmsg_len += attr->rta_len;
}

static gboolean
send_dump (Socket *to, guint16 type, int family, guint32 sequence, GError **error)
{
  struct
  {
    struct nlmsghdr header;
    union
    {
      struct
      {
        struct ifinfomsg head;
        char mask[RTA_SPACE (sizeof (guint32))] __attribute__ ((aligned (RTA_ALIGNTO)));
      } link;
      struct ifaddrmsg address;
      struct rtmsg route;
      guchar family; /* the first byte of each, and all the kernel wants */
    } body;
  } request;

  if (to->fd < 0)
    to->fd = socket (AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
  if (to->fd < 0)
    return fail (to, "socket", error);
  memset (&request, 0, sizeof request);
  request.header.nlmsg_type = type;
  request.header.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
  request.header.nlmsg_seq = sequence;
  request.header.nlmsg_len = NLMSG_LENGTH (type == RTM_GETLINK   ? sizeof request.body.link.head
                                           : type == RTM_GETADDR ? sizeof request.body.address
                                                                 : sizeof request.body.route);
  request.body.family = (guchar) family;
  if (type == RTM_GETLINK)
    leave_out_stats (&request.header, (struct rtattr *) (void *) request.body.link.mask);
  if (send (to->fd, &request, request.header.nlmsg_len, 0) < 0)
    return fail (to, "send", error);
  return TRUE;
}

static PvtNetlinkOutcome
receive_dump (Socket *from, Parser parser, guint32 sequence, GArray *array, GError **error)
{
  static char buf[RECEIVE_MAX] __attribute__ ((aligned (8)));
  PvtNetlinkOutcome outcome = PVT_NETLINK_MORE;

  while (outcome == PVT_NETLINK_MORE)
    {
      gssize n = recv (from->fd, buf, from->room, MSG_TRUNC);

      if (n < 0 && errno == EINTR)
        continue;
      if (n > (gssize) from->room && from->room < sizeof buf)
        {
          from->room = sizeof buf;
          return PVT_NETLINK_INTERRUPTED;
        }
      if (n < (gssize) sizeof (struct nlmsghdr) || n > (gssize) sizeof buf)
        {
          fail (from, "receive", error);
          return PVT_NETLINK_ERROR;
        }
      /* The rest of a dump that was interrupted: pass it over. */
      if (((struct nlmsghdr *) buf)->nlmsg_seq != sequence)
        continue;
      outcome = parser (buf, (gsize) n, array);
    }
  if (outcome == PVT_NETLINK_ERROR)
    {
      errno = EPROTO;
      fail (from, "the kernel's answer", error);
    }
  return outcome;
}

static GArray *
dump (guint16 type, gsize element, Parser parser, GError **error)
{
  static guint32 sequence;
  Socket *with = type == RTM_GETROUTE ? &for_routes : &for_links;
  GArray *array = g_array_new (FALSE, FALSE, (guint) element);
  PvtNetlinkOutcome outcome = PVT_NETLINK_ERROR;

  g_mutex_lock (&lock);
  for (guint i = 0; i < MAX_RETRIES; i++)
    {
      g_array_set_size (array, 0);
      if (!send_dump (with, type, AF_UNSPEC, ++sequence, error))
        break;
      outcome = receive_dump (with, parser, sequence, array, error);
      if (outcome != PVT_NETLINK_INTERRUPTED)
        break;
      /* The rest of this one would mix with the next. */
      hang_up (with);
    }
  g_mutex_unlock (&lock);
  /* Changing all the time: the last answer is as good as any. */
  if (outcome != PVT_NETLINK_ERROR)
    return array;
  g_array_unref (array);
  return NULL;
}

GArray *
pvt_links_read (GError **error)
{
  return dump (RTM_GETLINK, sizeof (PvtLink), pvt_netlink_parse_links, error);
}

GArray *
pvt_addresses_read (GError **error)
{
  return dump (RTM_GETADDR, sizeof (PvtAddress), pvt_netlink_parse_addresses, error);
}

GArray *
pvt_routes_read (GError **error)
{
  return dump (RTM_GETROUTE, sizeof (PvtRoute), pvt_netlink_parse_routes, error);
}
