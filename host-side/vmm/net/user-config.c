/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a user-mode network is told: QEMU's words for it, and its addresses where
 * nothing is said. */
#ifdef PVT_HAVE_LIBSLIRP
#include "user.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host-side/vmm/core/log.h"

/* Places in the network. */
#define GATEWAY 2u
#define NAME_SERVER 3u
#define FIRST_LEASE 15u
#define BITS_MIN 8
#define BITS_MAX 27 /* or the leases do not fit */
#define MTU_MAX 65521u /* libslirp's own */

static struct in_addr
place (uint32_t network, uint32_t number)
{
  return (struct in_addr){ htonl (network + number) };
}

/* "10.0.2.0/24" */
static int
set_network (const char *text, SlirpConfig *config)
{
  char address[INET_ADDRSTRLEN];
  struct in_addr parsed;
  uint32_t network, mask;
  int bits = 0, end = 0;

  if (sscanf (text, "%15[0-9.]/%2d%n", address, &bits, &end) != 2 || text[end] || bits < BITS_MIN
      || bits > BITS_MAX || inet_pton (AF_INET, address, &parsed) != 1)
    {
      vmm_log ("net=%s: a network like 10.0.2.0/24, of %d to %d bits, is needed", text, BITS_MIN,
               BITS_MAX);
      return -EINVAL;
    }
  mask = UINT32_MAX << (32 - bits);
  network = ntohl (parsed.s_addr) & mask;
  config->vnetwork = place (network, 0);
  config->vnetmask.s_addr = htonl (mask);
  config->vhost = place (network, GATEWAY);
  config->vnameserver = place (network, NAME_SERVER);
  config->vdhcp_start = place (network, FIRST_LEASE);
  return 0;
}

int
user_config (const struct options *options, SlirpConfig *config)
{
  bool restricted = false, ipv6 = true, loopback = true;
  uint64_t mtu = 0;

  *config = (SlirpConfig){ .version = SLIRP_CONFIG_VERSION_MIN, .in_enabled = true,
                           .vprefix_len = 64 };
  if (options_get_bool (options, "restrict", &restricted) < 0
      || options_get_bool (options, "ipv6", &ipv6) < 0
      || options_get_bool (options, "host-loopback", &loopback) < 0
      || options_get_number (options, "mtu", 68, MTU_MAX, &mtu) < 0
      || set_network (options_get (options, "net", "10.0.2.0/24"), config) < 0)
    return -EINVAL;
  config->restricted = restricted;
  config->in6_enabled = ipv6;
  config->disable_host_loopback = !loopback;
  config->if_mtu = config->if_mru = (size_t) mtu; /* 0: 1500 */
  inet_pton (AF_INET6, "fec0::", &config->vprefix_addr6);
  inet_pton (AF_INET6, "fec0::2", &config->vhost6);
  inet_pton (AF_INET6, "fec0::3", &config->vnameserver6);
  return 0;
}

/* "[ADDRESS]:PORT", any address when there is none. */
static bool
parse_end (const char *text, struct in_addr *address, int *port)
{
  char number[INET_ADDRSTRLEN] = "0.0.0.0";
  const char *colon = strchr (text, ':');
  size_t len = colon ? (size_t) (colon - text) : sizeof number;
  char *end;
  long value;

  if (len >= sizeof number)
    return false;
  if (len > 0)
    {
      memcpy (number, text, len);
      number[len] = '\0';
    }
  value = strtol (colon + 1, &end, 10);
  *port = (int) value;
  return inet_pton (AF_INET, number, address) == 1 && end > colon + 1 && *end == '\0' && value > 0
         && value <= UINT16_MAX;
}

static int
forward (Slirp *slirp, const char *rule)
{
  struct in_addr host, guest;
  int host_port, guest_port;
  char from[64] = "", *dash;
  bool udp = strncmp (rule, "udp:", 4) == 0;

  if (udp || strncmp (rule, "tcp:", 4) == 0)
    snprintf (from, sizeof from, "%s", rule + 4);
  dash = strchr (from, '-');
  if (dash)
    *dash++ = '\0';
  if (dash == NULL || strlen (rule) > sizeof from || !parse_end (from, &host, &host_port)
      || !parse_end (dash, &guest, &guest_port))
    {
      vmm_log ("hostfwd=%s: tcp or udp:[HOSTADDR]:PORT-[GUESTADDR]:PORT is needed", rule);
      return -EINVAL;
    }
  if (slirp_add_hostfwd (slirp, udp, host, host_port, guest, guest_port) == 0)
    return 0;
  vmm_log ("hostfwd=%s: %s", rule, strerror (errno));
  return errno ? -errno : -EIO;
}

int
user_forward (const struct options *options, Slirp *slirp)
{
  int ret = 0;

  for (unsigned i = 0; i < options->n && ret == 0; i++)
    if (strcmp (options->key[i], "hostfwd") == 0)
      ret = forward (slirp, options->value[i]);
  return ret;
}
#endif
