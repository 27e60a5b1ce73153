/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The first header chain of a frame decides: Ethernet, at most one VLAN tag, ARP (RFC
 * 826), IPv4 (RFC 791), IPv6 (RFC 8200) with a bounded walk over extension headers,
 * UDP and ICMPv6 (RFC 4861). What hides behind something that cannot be read is not let
 * through where a rule would have to know it. */
#include "policy.h"

#include <string.h>

#define ETHER_BYTES 14u
#define TYPE_ARP 0x0806u
#define TYPE_IP4 0x0800u
#define TYPE_IP6 0x86ddu
#define TYPE_VLAN 0x8100u
#define TYPE_QINQ 0x88a8u

#define PROTO_HOP 0u
#define PROTO_UDP 17u
#define PROTO_ROUTING 43u
#define PROTO_FRAGMENT 44u
#define PROTO_ICMP6 58u
#define PROTO_OPTIONS 60u
#define EXTENSIONS_MAX 4u

#define ICMP6_RA 134u
#define ICMP6_NS 135u
#define ICMP6_NA 136u

struct view
{
  const uint8_t *ether, *at; /* at: behind Ethernet's header and tag */
  size_t len;                /* at @at */
  unsigned type;
};

const char *
net_verdict_name (enum net_verdict verdict)
{
  static const char *const names[NET_VERDICTS] = {
    [NET_PASS] = "pass",
    [NET_SPOOFED_MAC] = "spoofed-mac",
    [NET_SPOOFED_IP] = "spoofed-ip",
    [NET_SPOOFED_ARP] = "spoofed-arp",
    [NET_SPOOFED_ND] = "spoofed-nd",
    [NET_ROGUE_DHCP] = "rogue-dhcp",
    [NET_ROGUE_RA] = "rogue-ra",
    [NET_ARP_FLOOD] = "arp-flood",
    [NET_ARP_SUPPRESSED] = "arp-suppressed",
    [NET_MALFORMED] = "malformed",
  };

  return names[verdict];
}

static unsigned
get16 (const uint8_t *at)
{
  return (unsigned) at[0] << 8 | at[1];
}

static bool
look (struct view *view, const uint8_t *head, size_t len)
{
  if (len < ETHER_BYTES)
    return false;
  *view = (struct view){ head, head + ETHER_BYTES, len - ETHER_BYTES, get16 (head + 12) };
  if (view->type == TYPE_VLAN)
    {
      if (view->len < 4)
        return false;
      view->type = get16 (view->at + 2);
      view->at += 4;
      view->len -= 4;
    }
  return true;
}

static bool
has_ip4 (const struct net_policy *policy, const uint8_t *ip)
{
  for (unsigned i = 0; i < policy->n_ip4; i++)
    if (memcmp (policy->ip4[i], ip, 4) == 0)
      return true;
  return false;
}

/* The link-local address that follows from the MAC (RFC 4291, appendix A) is bound with it. */
static bool
is_own_link_local (const struct net_policy *policy, const uint8_t *ip)
{
  const uint8_t *mac = policy->mac;
  const uint8_t own[16] = { 0xfe, 0x80, 0, 0, 0, 0, 0, 0, mac[0] ^ 2, mac[1], mac[2], 0xff, 0xfe,
                            mac[3], mac[4], mac[5] };

  return memcmp (own, ip, sizeof own) == 0;
}

static bool
has_ip6 (const struct net_policy *policy, const uint8_t *ip)
{
  for (unsigned i = 0; i < policy->n_ip6; i++)
    if (memcmp (policy->ip6[i], ip, 16) == 0)
      return true;
  return is_own_link_local (policy, ip);
}

static bool
is_zero (const uint8_t *bytes, size_t len)
{
  for (size_t i = 0; i < len; i++)
    if (bytes[i])
      return false;
  return true;
}

/* ---- ARP ---- */

#define ARP_BYTES 28u

static bool
is_arp (const struct view *view)
{
  static const uint8_t ether_and_ip4[] = { 0, 1, 8, 0, 6, 4 };

  return view->len >= ARP_BYTES && memcmp (view->at, ether_and_ip4, sizeof ether_and_ip4) == 0;
}

static enum net_verdict
arp_from_guest (struct net_policy *policy, const struct view *view, uint64_t now)
{
  const uint8_t *sender_mac = view->at + 8, *sender_ip = view->at + 14;

  if (!is_arp (view))
    return policy->bind_mac || policy->bind_ip4 ? NET_MALFORMED : NET_PASS;
  if (policy->bind_mac && memcmp (sender_mac, policy->mac, 6) != 0)
    return NET_SPOOFED_ARP;
  /* All zero asks whether an address is free (RFC 5227). */
  if (policy->bind_ip4 && !has_ip4 (policy, sender_ip) && !is_zero (sender_ip, 4))
    return NET_SPOOFED_ARP;
  if (get16 (view->at + 6) != 1 || policy->arp.per_second == 0)
    return NET_PASS;
  if (net_rate_wait (&policy->arp, now) > 0)
    return NET_ARP_FLOOD;
  net_rate_charge (&policy->arp, now, 1);
  return NET_PASS;
}

/* ---- IPv4 ---- */

static enum net_verdict
ip4_from_guest (const struct net_policy *policy, const struct view *view)
{
  size_t header = view->len > 0 ? (view->at[0] & 15u) * 4u : 0;
  const uint8_t *source = view->at + 12, *udp = view->at + header;
  unsigned offset;
  bool is_udp, asks_dhcp;

  if (view->len < 20 || header < 20 || view->at[0] >> 4 != 4)
    return policy->bind_ip4 || policy->no_dhcp_server ? NET_MALFORMED : NET_PASS;
  offset = get16 (view->at + 6) & 0x1fff;
  is_udp = view->at[9] == PROTO_UDP;
  /* A second fragment at 8 bytes could write over the ports of the first (RFC 3128),
   * and a first one may end before them. */
  if (policy->no_dhcp_server && is_udp && (offset == 1 || (offset == 0 && view->len < header + 8)))
    return NET_MALFORMED;
  is_udp = is_udp && offset == 0 && view->len >= header + 8;
  if (policy->no_dhcp_server && is_udp && get16 (udp) == 67)
    return NET_ROGUE_DHCP;
  asks_dhcp = is_udp && get16 (udp) == 68 && get16 (udp + 2) == 67;
  if (policy->bind_ip4 && !has_ip4 (policy, source) && !(asks_dhcp && is_zero (source, 4)))
    return NET_SPOOFED_IP;
  return NET_PASS;
}

/* ---- IPv6 ---- */

/* What is behind the extension headers; NULL for more of them than we walk over, or a
 * chain that is not all there. A later fragment says 0 bytes. */
static const uint8_t *
upper_layer (const struct view *view, unsigned *proto, size_t *len)
{
  const uint8_t *at = view->at + 40;
  size_t left = view->len - 40;

  *proto = view->at[6];
  for (unsigned i = 0; i <= EXTENSIONS_MAX; i++)
    {
      size_t size;

      if (*proto != PROTO_HOP && *proto != PROTO_ROUTING && *proto != PROTO_FRAGMENT
          && *proto != PROTO_OPTIONS)
        {
          *len = left;
          return at;
        }
      if (left < 8)
        return NULL;
      size = *proto == PROTO_FRAGMENT ? 8 : (at[1] + 1u) * 8u;
      if (*proto == PROTO_FRAGMENT && get16 (at + 2) & 0xfff8)
        {
          *len = 0;
          return at;
        }
      if (size > left)
        return NULL;
      *proto = at[0];
      at += size;
      left -= size;
    }
  return NULL;
}

static enum net_verdict
icmp6_from_guest (const struct net_policy *policy, const struct view *view, const uint8_t *at,
                  size_t len)
{
  if (len < 8)
    return NET_MALFORMED;
  if (at[0] == ICMP6_RA && policy->no_router)
    return NET_ROGUE_RA;
  if (at[0] != ICMP6_NA || !policy->bind_ip6)
    return NET_PASS;
  if (len < 24)
    return NET_MALFORMED;
  if (!has_ip6 (policy, at + 8))
    return NET_SPOOFED_ND;
  /* The target's link-layer address, when the first option says it. */
  if (policy->bind_mac && len >= 32 && at[24] == 2 && memcmp (at + 26, policy->mac, 6) != 0)
    return NET_SPOOFED_ND;
  return NET_PASS;
}

static enum net_verdict
ip6_from_guest (const struct net_policy *policy, const struct view *view)
{
  bool judge = policy->bind_ip6 || policy->no_dhcp_server || policy->no_router;
  const uint8_t *source = view->at + 8, *upper;
  enum net_verdict verdict = NET_PASS;
  unsigned proto = 0;
  size_t len = 0;

  if (!judge)
    return NET_PASS;
  if (view->len < 40 || view->at[0] >> 4 != 6)
    return NET_MALFORMED;
  upper = upper_layer (view, &proto, &len);
  if (upper == NULL)
    return NET_MALFORMED;
  if (len > 0 && proto == PROTO_ICMP6)
    verdict = icmp6_from_guest (policy, view, upper, len);
  else if (len > 0 && proto == PROTO_UDP && len < 8)
    verdict = NET_MALFORMED;
  else if (len > 0 && proto == PROTO_UDP && policy->no_dhcp_server && get16 (upper) == 547)
    verdict = NET_ROGUE_DHCP;
  if (verdict != NET_PASS)
    return verdict;
  /* Without an address yet: neighbour solicitations and group reports (RFC 4861, 3810). */
  if (policy->bind_ip6 && !has_ip6 (policy, source)
      && !(is_zero (source, 16) && proto == PROTO_ICMP6))
    return NET_SPOOFED_IP;
  return NET_PASS;
}

/* ---- both ways ---- */

enum net_verdict
net_policy_from_guest (struct net_policy *policy, const uint8_t *head, size_t len, uint64_t now)
{
  struct view view;

  if (!look (&view, head, len))
    return NET_MALFORMED;
  if (policy->bind_mac && memcmp (head + 6, policy->mac, 6) != 0)
    return NET_SPOOFED_MAC;
  switch (view.type)
    {
    case TYPE_ARP:
      return arp_from_guest (policy, &view, now);
    case TYPE_IP4:
      return ip4_from_guest (policy, &view);
    case TYPE_IP6:
      return ip6_from_guest (policy, &view);
    case TYPE_VLAN:
    case TYPE_QINQ:
      /* A tag in a tag would hide what the rules look for. */
      return policy->bind_ip4 || policy->bind_ip6 || policy->no_dhcp_server || policy->no_router
               ? NET_MALFORMED
               : NET_PASS;
    default:
      return NET_PASS;
    }
}

enum net_verdict
net_policy_to_guest (const struct net_policy *policy, const uint8_t *head, size_t len)
{
  static const uint8_t broadcast[6] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };
  struct view view;

  if (!look (&view, head, len))
    return NET_MALFORMED;
  if (policy->arp_suppress && policy->n_ip4 > 0 && view.type == TYPE_ARP && is_arp (&view)
      && memcmp (head, broadcast, sizeof broadcast) == 0 && get16 (view.at + 6) == 1
      && !has_ip4 (policy, view.at + 24))
    return NET_ARP_SUPPRESSED;
  return NET_PASS;
}
