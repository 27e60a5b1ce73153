/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* nft(8), tables of the family netdev: the ingress hook of a tap sees what its guest
 * sends, the egress hook (Linux 5.16) what goes to it; both need no bridge. The kernel
 * takes a VLAN tag off before the ingress hook, as policy.c looks behind one. */
#include "render.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <inttypes.h>
#include <string.h>

#define NAME_MAX_BYTES 15u
#define NS_PER_SECOND UINT64_C (1000000000)
/* The largest frame a tap takes: one that is above the bucket would never pass. */
#define FRAME_MAX 66000u
#define TBF_BURST_MIN 3100u
#define BURST_MAX UINT32_MAX /* nft's and tc's are 32 bits wide */

bool
net_policy_tap_name_ok (const char *name)
{
  size_t len = strlen (name);

  if (len == 0 || len > NAME_MAX_BYTES || !isalnum ((unsigned char) name[0]))
    return false;
  for (size_t i = 0; i < len; i++)
    if (!isalnum ((unsigned char) name[i]) && strchr ("-_.", name[i]) == NULL)
      return false;
  return true;
}

static void
put_mac (const struct net_policy *policy, FILE *out)
{
  for (unsigned i = 0; i < 6; i++)
    fprintf (out, "%s%02x", i ? ":" : "", policy->mac[i]);
}

static void
put_ip4_set (const struct net_policy *policy, const char *first, FILE *out)
{
  char text[INET_ADDRSTRLEN];

  fprintf (out, "{ %s", first);
  for (unsigned i = 0; i < policy->n_ip4; i++)
    fprintf (out, "%s%s", i || *first ? ", " : "",
             inet_ntop (AF_INET, policy->ip4[i], text, sizeof text));
  fputs (" }", out);
}

/* As many as @rate saves up in its burst. */
static uint64_t
saved (const struct net_rate *rate, uint64_t unit, uint64_t least)
{
  uint64_t amount = (uint64_t) ((unsigned __int128) rate->per_second * rate->burst_ns
                                / NS_PER_SECOND / unit);

  amount = amount < least ? least : amount;
  return amount > BURST_MAX ? BURST_MAX : amount;
}

static uint64_t
bytes_of (uint64_t bits)
{
  return bits < 8 ? 1 : bits / 8;
}

static void
put_packet_rate (const struct net_rate *rate, const char *match, FILE *out)
{
  if (rate->per_second)
    fprintf (out, "    %slimit rate over %" PRIu64 "/second burst %" PRIu64 " packets counter drop\n",
             match, rate->per_second, saved (rate, 1, 1));
}

/* ---- from the guest: a chain a protocol, then the rates ---- */

static bool
judges_arp (const struct net_policy *policy)
{
  return policy->bind_mac || policy->bind_ip4 || policy->arp.per_second;
}

static void
put_arp_chain (const struct net_policy *policy, FILE *out)
{
  fputs ("  chain arp-from-guest {\n", out);
  if (policy->bind_mac || policy->bind_ip4)
    fputs ("    arp htype != 1 counter drop\n"
           "    arp ptype != ip counter drop\n"
           "    arp hlen != 6 counter drop\n"
           "    arp plen != 4 counter drop\n",
           out);
  if (policy->bind_mac)
    {
      fputs ("    arp saddr ether != ", out);
      put_mac (policy, out);
      fputs (" counter drop\n", out);
    }
  if (policy->bind_ip4)
    {
      fputs ("    arp saddr ip != ", out);
      put_ip4_set (policy, "0.0.0.0", out);
      fputs (" counter drop\n", out);
    }
  put_packet_rate (&policy->arp, "arp operation request ", out);
  fputs ("  }\n", out);
}

static bool
judges_ip4 (const struct net_policy *policy)
{
  return policy->bind_ip4 || policy->no_dhcp_server;
}

static void
put_ip4_chain (const struct net_policy *policy, FILE *out)
{
  fputs ("  chain ip4-from-guest {\n", out);
  if (policy->no_dhcp_server)
    fputs ("    ip protocol udp ip frag-off & 0x1fff == 1 counter drop\n"
           "    ip protocol udp ip frag-off & 0x1fff == 0 ip length < 28 counter drop\n"
           "    ip frag-off & 0x1fff == 0 udp sport 67 counter drop\n",
           out);
  if (policy->bind_ip4)
    {
      fputs ("    ip saddr 0.0.0.0 udp sport 68 udp dport 67 return\n    ip saddr != ", out);
      put_ip4_set (policy, "", out);
      fputs (" counter drop\n", out);
    }
  fputs ("  }\n", out);
}

/* Address @i of those bound. Behind the others: the link-local one that follows from the
 * MAC (RFC 4291, appendix A). */
static void
bound_ip6 (const struct net_policy *policy, unsigned i, uint8_t ip[16])
{
  const uint8_t *mac = policy->mac;
  const uint8_t own[16] = { 0xfe, 0x80, 0, 0, 0, 0, 0, 0, mac[0] ^ 2, mac[1], mac[2], 0xff, 0xfe,
                            mac[3], mac[4], mac[5] };

  memcpy (ip, i < policy->n_ip6 ? policy->ip6[i] : own, sizeof own);
}

/* Neighbour advertisements: target at byte 8, first option at byte 24 (RFC 4861, 4.4).
 * By place: older nft has no names for them. */
static void
put_advert_chain (const struct net_policy *policy, FILE *out)
{
  uint8_t ip[16];

  fputs ("  chain advert-from-guest {\n", out);
  if (policy->bind_mac)
    {
      fputs ("    @th,192,8 2 @th,208,48 != 0x", out);
      for (unsigned i = 0; i < 6; i++)
        fprintf (out, "%02x", policy->mac[i]);
      fputs (" counter drop\n", out);
    }
  for (unsigned i = 0; i <= policy->n_ip6; i++)
    {
      fputs ("    @th,64,128 0x", out);
      bound_ip6 (policy, i, ip);
      for (unsigned b = 0; b < 16; b++)
        fprintf (out, "%02x", ip[b]);
      fputs (" return\n", out);
    }
  fputs ("    counter drop\n  }\n", out);
}

static bool
judges_ip6 (const struct net_policy *policy)
{
  return policy->bind_ip6 || policy->no_router || policy->no_dhcp_server;
}

static void
put_ip6_source_chain (const struct net_policy *policy, FILE *out)
{
  char text[INET6_ADDRSTRLEN];
  uint8_t ip[16];

  fputs ("  chain ip6-source {\n"
         "    ip6 saddr :: meta l4proto icmpv6 return\n"
         "    ip6 saddr != { ",
         out);
  for (unsigned i = 0; i <= policy->n_ip6; i++)
    {
      bound_ip6 (policy, i, ip);
      fprintf (out, "%s%s", i ? ", " : "", inet_ntop (AF_INET6, ip, text, sizeof text));
    }
  fputs (" } counter drop\n  }\n", out);
}

static void
put_ip6_chain (const struct net_policy *policy, FILE *out)
{
  const char *then = policy->bind_ip6 ? "goto ip6-source" : "return";

  if (policy->bind_ip6)
    {
      put_advert_chain (policy, out);
      put_ip6_source_chain (policy, out);
    }
  /* A later fragment has bytes where the ports would be. */
  fprintf (out, "  chain ip6-from-guest {\n    frag frag-off != 0 %s\n", then);
  if (policy->no_router)
    fputs ("    icmpv6 type nd-router-advert counter drop\n", out);
  if (policy->no_dhcp_server)
    fputs ("    udp sport 547 counter drop\n", out);
  if (policy->bind_ip6)
    fputs ("    icmpv6 type nd-neighbor-advert jump advert-from-guest\n", out);
  /* Extension headers that do not end well could hide all that is looked for. */
  fprintf (out, "    meta l4proto 0-255 %s\n    counter drop\n  }\n", then);
}

static void
put_from_guest (const struct net_policy *policy, const char *tap, FILE *out)
{
  if (judges_arp (policy))
    put_arp_chain (policy, out);
  if (judges_ip4 (policy))
    put_ip4_chain (policy, out);
  if (judges_ip6 (policy))
    put_ip6_chain (policy, out);
  fprintf (out,
           "  chain from-guest {\n"
           "    type filter hook ingress device \"%s\" priority -150; policy accept;\n",
           tap);
  if (policy->bind_mac)
    {
      fputs ("    ether saddr != ", out);
      put_mac (policy, out);
      fputs (" counter drop\n", out);
    }
  /* A tag in a tag would hide what the rules look for. */
  if (judges_ip4 (policy) || judges_ip6 (policy))
    fputs ("    meta protocol { 8021q, 8021ad } counter drop\n", out);
  if (judges_arp (policy))
    fputs ("    meta protocol arp jump arp-from-guest\n", out);
  if (judges_ip4 (policy))
    fputs ("    meta protocol ip jump ip4-from-guest\n", out);
  if (judges_ip6 (policy))
    fputs ("    meta protocol ip6 jump ip6-from-guest\n", out);
  if (policy->tx_bits.per_second)
    fprintf (out, "    limit rate over %" PRIu64 " bytes/second burst %" PRIu64 " bytes counter drop\n",
             bytes_of (policy->tx_bits.per_second), saved (&policy->tx_bits, 8, FRAME_MAX));
  put_packet_rate (&policy->tx_frames, "", out);
  fputs ("  }\n", out);
}

/* ---- to the guest ---- */

static void
put_to_guest (const struct net_policy *policy, const char *tap, FILE *out)
{
  bool suppress = policy->arp_suppress && policy->n_ip4 > 0;

  if (!suppress && policy->rx_frames.per_second == 0)
    return;
  fprintf (out,
           "  chain to-guest {\n"
           "    type filter hook egress device \"%s\" priority -150; policy accept;\n",
           tap);
  if (suppress)
    {
      fputs ("    ether daddr ff:ff:ff:ff:ff:ff arp operation request arp daddr ip != ", out);
      put_ip4_set (policy, "", out);
      fputs (" counter drop\n", out);
    }
  put_packet_rate (&policy->rx_frames, "", out);
  fputs ("  }\n", out);
}

void
net_policy_render (const struct net_policy *policy, const char *tap, FILE *out)
{
  uint64_t rate = policy->rx_bits.per_second, burst = saved (&policy->rx_bits, 8, TBF_BURST_MIN);

  fputs ("#!/bin/sh\n"
         "# Run it again after the tap was made again. Otherwise than pvtools-vmm, which lets\n"
         "# frames wait: what the guest sends above a rate is dropped, a frame that is to be\n"
         "# segmented counts as one packet, and a burst is never below the largest frame.\n"
         "set -e\n"
         "nft -f - <<'END'\n",
         out);
  /* The first line makes the second possible the first time. */
  fprintf (out, "table netdev pvtools-%s\ndelete table netdev pvtools-%s\ntable netdev pvtools-%s {\n",
           tap, tap, tap);
  put_from_guest (policy, tap, out);
  put_to_guest (policy, tap, out);
  fputs ("}\nEND\n", out);
  /* tbf needs a burst of what comes between two ticks of 100 Hz. */
  if (burst < rate / 800)
    burst = rate / 800 > BURST_MAX ? BURST_MAX : rate / 800;
  if (rate)
    fprintf (out, "tc qdisc replace dev %s root tbf rate %" PRIu64 "bit burst %" PRIu64 " latency 100ms\n",
             tap, rate, burst);
}
