/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A policy from its text. */
#include "policy.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define BURST_MS 100u
#define BURST_MS_MAX 60000u
#define NS_PER_MS UINT64_C (1000000)
#define RATE_MAX UINT64_C (1000000000000) /* a terabit */

static int
fail (const char **why, const char *text)
{
  if (why)
    *why = text;
  return -EINVAL;
}

static int
take_bool (bool *place, const char *value, const char **why)
{
  if (strcmp (value, "on") != 0 && strcmp (value, "off") != 0)
    return fail (why, "'on' or 'off' is needed");
  *place = value[1] == 'n';
  return 0;
}

static int
take_number (uint64_t *place, const char *value, uint64_t max, const char **why)
{
  static const char units[] = "KMG";
  char *end;
  uint64_t number;

  errno = 0;
  number = strtoull (value, &end, 10);
  if (errno || end == value || value[0] < '0' || value[0] > '9')
    return fail (why, "a number is needed");
  if (*end && strchr (units, *end))
    for (const char *unit = strchr (units, *end++); unit >= units; unit--)
      {
        if (number > max)
          return fail (why, "a number is too large");
        number *= 1000;
      }
  if (*end || number > max)
    return fail (why, "a number is too large or has something behind it");
  *place = number;
  return 0;
}

static int
take_addresses (struct net_policy *policy, char *value, const char **why)
{
  char *rest = value, *word;

  while ((word = strsep (&rest, "+")) != NULL)
    {
      if (policy->n_ip4 == NET_POLICY_IPS_MAX || policy->n_ip6 == NET_POLICY_IPS_MAX)
        return fail (why, "too many addresses");
      if (inet_pton (AF_INET, word, policy->ip4[policy->n_ip4]) == 1)
        policy->n_ip4++;
      else if (inet_pton (AF_INET6, word, policy->ip6[policy->n_ip6]) == 1)
        policy->n_ip6++;
      else
        return fail (why, "an IPv4 or IPv6 address is needed");
    }
  policy->bind_ip4 = policy->n_ip4 > 0;
  policy->bind_ip6 = policy->n_ip6 > 0;
  return 0;
}

static int
take (struct net_policy *policy, const char *key, char *value, uint64_t *burst, const char **why)
{
  const struct
  {
    const char *key;
    bool *flag;
    struct net_rate *rate;
  } keys[] = {
    { "bind-mac", &policy->bind_mac, NULL },       { "no-ra", &policy->no_router, NULL },
    { "no-dhcp-server", &policy->no_dhcp_server, NULL },
    { "arp-suppress", &policy->arp_suppress, NULL }, { "arp-rate", NULL, &policy->arp },
    { "tx-bits", NULL, &policy->tx_bits },         { "tx-packets", NULL, &policy->tx_frames },
    { "rx-bits", NULL, &policy->rx_bits },         { "rx-packets", NULL, &policy->rx_frames },
  };

  if (strcmp (key, "ip") == 0)
    return take_addresses (policy, value, why);
  if (strcmp (key, "burst-ms") == 0)
    return take_number (burst, value, BURST_MS_MAX, why);
  for (unsigned i = 0; i < sizeof keys / sizeof keys[0]; i++)
    if (strcmp (keys[i].key, key) == 0)
      return keys[i].flag ? take_bool (keys[i].flag, value, why)
                          : take_number (&keys[i].rate->per_second, value, RATE_MAX, why);
  return fail (why, "there is no such key in a policy");
}

int
net_policy_parse (struct net_policy *policy, const char *text, const uint8_t mac[6], const char **why)
{
  char copy[NET_POLICY_TEXT_MAX], *rest = copy, *word;
  struct net_policy made = { 0 };
  struct net_rate *rates[] = { &made.tx_bits, &made.tx_frames, &made.rx_bits, &made.rx_frames,
                               &made.arp };
  uint64_t burst = BURST_MS;

  if (strlen (text) >= sizeof copy)
    return fail (why, "a policy is too long");
  strcpy (copy, text);
  memcpy (made.mac, mac, sizeof made.mac);
  while ((word = strsep (&rest, ",;")) != NULL)
    {
      char *value = strchr (word, '=');
      int ret;

      if (*word == '\0')
        continue;
      if (value == NULL)
        return fail (why, "a policy is made of key=value");
      *value++ = '\0';
      ret = take (&made, word, value, &burst, why);
      if (ret < 0)
        return ret;
    }
  for (unsigned i = 0; i < sizeof rates / sizeof rates[0]; i++)
    rates[i]->burst_ns = burst * NS_PER_MS;
  *policy = made;
  return 0;
}
