/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The frames, built whole: RFC 826, RFC 5227, RFC 4861. */
#include "announce.h"

#include <linux/if_addr.h>
#include <net/ethernet.h>
#include <net/if_arp.h>
#include <linux/rtnetlink.h>
#include <netinet/icmp6.h>
#include <string.h>

static guint8 *
put (guint8 *p, gconstpointer data, gsize len)
{
  memcpy (p, data, len);
  return p + len;
}

static guint8 *
put_u16 (guint8 *p, guint value)
{
  p[0] = (guint8) (value >> 8);
  p[1] = (guint8) value;
  return p + 2;
}

void
pvt_announce_build_arp (const guint8 mac[6], struct in_addr address, gboolean reply,
                        guint8 frame[PVT_ARP_FRAME])
{
  static const guint8 everybody[6] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff }, nobody[6] = { 0 };
  guint8 *p = put (put (frame, everybody, 6), mac, 6);

  p = put_u16 (p, ETHERTYPE_ARP);
  p = put_u16 (p, ARPHRD_ETHER);
  p = put_u16 (p, ETHERTYPE_IP);
  *p++ = 6; /* lengths of the two addresses */
  *p++ = 4;
  p = put_u16 (p, reply ? ARPOP_REPLY : ARPOP_REQUEST);
  p = put (put (p, mac, 6), &address, 4);
  p = put (p, reply ? mac : nobody, 6);
  put (p, &address, 4);
}

static guint32
add_words (guint32 sum, const guint8 *p, gsize len)
{
  for (gsize i = 0; i < len; i += 2)
    sum += (guint32) p[i] << 8 | p[i + 1];
  return sum;
}

/* RFC 4443, 2.3: addresses, length and next header count, too. */
static guint
icmp6_checksum (const guint8 *ip, gsize payload)
{
  guint32 sum = add_words ((guint32) payload + IPPROTO_ICMPV6, ip + 8, 32 + payload);

  while (sum >> 16)
    sum = (sum & 0xffff) + (sum >> 16);
  return ~sum & 0xffff;
}

void
pvt_announce_build_na (const guint8 mac[6], const struct in6_addr *address, gboolean router,
                       guint8 frame[PVT_NA_FRAME])
{
  static const guint8 all_nodes_mac[6] = { 0x33, 0x33, 0, 0, 0, 1 };
  static const guint8 all_nodes[16] = { 0xff, 2, [15] = 1 };
  const gsize payload = 32;
  guint8 *ip = frame + 14, *icmp = ip + 40, *p;

  memset (frame, 0, PVT_NA_FRAME);
  put_u16 (put (put (frame, all_nodes_mac, 6), mac, 6), ETHERTYPE_IPV6);
  ip[0] = 0x60;
  put_u16 (ip + 4, payload);
  ip[6] = IPPROTO_ICMPV6;
  ip[7] = 255; /* a router in between would have made it less: it is dropped then */
  put (put (ip + 8, address, 16), all_nodes, 16);
  icmp[0] = ND_NEIGHBOR_ADVERT;
  icmp[4] = router ? 0xa0 : 0x20; /* router, override; not solicited */
  p = put (icmp + 8, address, 16);
  *p++ = ND_OPT_TARGET_LINKADDR;
  *p++ = 1; /* in units of 8 bytes */
  put (p, mac, 6);
  put_u16 (icmp + 2, icmp6_checksum (ip, payload));
}

gboolean
pvt_announce_wants (const PvtLink *link, const PvtAddress *address)
{
  const guint8 *v4 = (const guint8 *) &address->address.v4;

  if (!(link->flags & IFF_UP) || (link->flags & (IFF_LOOPBACK | IFF_NOARP))
      || link->type != ARPHRD_ETHER || link->mac_len != 6 || address->scope == RT_SCOPE_HOST)
    return FALSE;
  if (address->family == AF_INET)
    return v4[0] != 0 && v4[0] != 127;
  /* One that is not proven to be ours alone must not be claimed. */
  return address->family == AF_INET6 && !(address->flags & (IFA_F_TENTATIVE | IFA_F_DADFAILED));
}
