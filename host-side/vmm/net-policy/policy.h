/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a NIC may do: how fast, and as whom. Pure: frames and a clock go in, verdicts
 * come out. The caller gives a copy of a frame's head that the guest cannot change. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "rate.h"

#define NET_POLICY_IPS_MAX 16u
#define NET_POLICY_TEXT_MAX 1024u

enum net_verdict
{
  NET_PASS,
  NET_SPOOFED_MAC,      /* from the guest: not its address */
  NET_SPOOFED_IP,       /* an IPv4 or IPv6 source that is not bound to it */
  NET_SPOOFED_ARP,      /* says that somebody else's IPv4 address is here */
  NET_SPOOFED_ND,       /* the same in IPv6 */
  NET_ROGUE_DHCP,       /* a DHCP server's reply, v4 or v6 */
  NET_ROGUE_RA,         /* a router advertisement */
  NET_ARP_FLOOD,        /* more ARP requests than allowed */
  NET_ARP_SUPPRESSED,   /* to the guest: a broadcast that asks for others */
  NET_MALFORMED,        /* cannot be judged */
  NET_VERDICTS,
};

/* "spoofed-mac" */
const char *net_verdict_name (enum net_verdict verdict);

struct net_policy
{
  bool bind_mac, bind_ip4, bind_ip6;
  bool no_dhcp_server, no_router, arp_suppress;
  uint8_t mac[6];
  unsigned n_ip4, n_ip6;
  uint8_t ip4[NET_POLICY_IPS_MAX][4];
  uint8_t ip6[NET_POLICY_IPS_MAX][16];
  /* Bits and frames a second: from the guest and to it. */
  struct net_rate tx_bits, tx_frames, rx_bits, rx_frames;
  struct net_rate arp; /* ARP requests from the guest */
};

/* From "key=value,key=value", or with semicolons; @why, when not NULL, gets a text for an error (-EINVAL).
 *   bind-mac=on|off  ip=ADDR[+ADDR...]  no-dhcp-server=on|off  no-ra=on|off
 *   arp-suppress=on|off  arp-rate=N  tx-bits=N[K|M|G]  tx-packets=N  rx-bits=  rx-packets=
 *   burst-ms=N (100: how long the full rate may have been saved)
 * An address given binds its family: only bound addresses may be used then. */
int net_policy_parse (struct net_policy *policy, const char *text, const uint8_t mac[6],
                      const char **why);

/* Judges a frame from the guest, or to it, by its first @len bytes; @now in ns. */
enum net_verdict net_policy_from_guest (struct net_policy *policy, const uint8_t *head, size_t len,
                                        uint64_t now);
enum net_verdict net_policy_to_guest (const struct net_policy *policy, const uint8_t *head,
                                      size_t len);
