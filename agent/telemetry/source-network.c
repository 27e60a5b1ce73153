/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Addresses and interfaces that change. Route netlink says that something has,
 * rtnetlink(7); what, is found by reading all and comparing, so that news that
 * was lost in a burst is made up for.
 */
#include "source.h"

#include "agent/core/log.h"
#include "agent/platform/netlink.h"
#include "hub.h"
#include "pvt-tables.h"
#include "settle.h"

#include <arpa/inet.h>
#include <errno.h>
#include <glib-unix.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define KINDS (PVT_EVENT_BIT (PVT_EVENT_KIND_ADDRESS) | PVT_EVENT_BIT (PVT_EVENT_KIND_LINK))

typedef struct
{
  char interface[IFNAMSIZ];
  char address[INET6_ADDRSTRLEN];
  guint prefix;
} AddressEntry;

static struct
{
  int fd;
  guint source, settling;
  GHashTable *links;     /* name -> PvtLink */
  GHashTable *addresses; /* text of all of it -> AddressEntry */
} network = { .fd = -1 };

/* ---- what there is ---- */

static GHashTable *
read_links (GArray *links)
{
  GHashTable *table = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);

  for (guint i = 0; links && i < links->len; i++)
    {
      const PvtLink *link = &g_array_index (links, PvtLink, i);

      g_hash_table_insert (table, g_strdup (link->name), g_memdup2 (link, sizeof *link));
    }
  return table;
}

static const char *
name_of (GArray *links, int index)
{
  for (guint i = 0; links && i < links->len; i++)
    if (g_array_index (links, PvtLink, i).index == index)
      return g_array_index (links, PvtLink, i).name;
  return NULL;
}

/* An address that is still being tried, or was found taken, cannot be used. */
static gboolean
is_usable (const PvtAddress *address)
{
  return (address->flags & IFA_F_DADFAILED) == 0
         && ((address->flags & IFA_F_TENTATIVE) == 0 || (address->flags & IFA_F_OPTIMISTIC));
}

static GHashTable *
read_addresses (GArray *links)
{
  g_autoptr (GArray) addresses = pvt_addresses_read (NULL);
  GHashTable *table = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);

  for (guint i = 0; addresses && i < addresses->len; i++)
    {
      const PvtAddress *address = &g_array_index (addresses, PvtAddress, i);
      const char *name = name_of (links, address->link);
      AddressEntry entry = { .prefix = address->prefix };

      if (name == NULL || !is_usable (address)
          || !inet_ntop (address->family, &address->address, entry.address, sizeof entry.address))
        continue;
      g_strlcpy (entry.interface, name, sizeof entry.interface);
      g_hash_table_insert (table, g_strdup_printf ("%s %s/%u", name, entry.address, entry.prefix),
                           g_memdup2 (&entry, sizeof entry));
    }
  return table;
}

/* ---- what is new ---- */

static void
tell_link (const PvtLink *link, gboolean present)
{
  g_autoptr (GString) mac = g_string_new (NULL);
  PvtLinkChange change = { .interface = (char *) link->name, .present = present,
                           .up = present && (link->flags & IFF_UP),
                           .carrier = present && (link->flags & IFF_UP) && (link->flags & IFF_RUNNING) };

  for (guint i = 0; i < link->mac_len && i < sizeof link->mac; i++)
    g_string_append_printf (mac, "%s%02x", i ? ":" : "", link->mac[i]);
  change.mac = mac->len ? mac->str : NULL;
  pvt_hub_publish (PVT_EVENT_KIND_LINK, &pvt_link_change_type, &change);
}

static gboolean
is_same_link (const PvtLink *a, const PvtLink *b)
{
  const guint told = IFF_UP | IFF_RUNNING;

  return a->index == b->index && (a->flags & told) == (b->flags & told) && a->mac_len == b->mac_len
         && memcmp (a->mac, b->mac, sizeof a->mac) == 0;
}

static void
compare_links (GHashTable *before, GHashTable *now)
{
  GHashTableIter iter;
  gpointer name, entry;

  g_hash_table_iter_init (&iter, before);
  while (g_hash_table_iter_next (&iter, &name, &entry))
    if (!g_hash_table_contains (now, name))
      tell_link (entry, FALSE);
  g_hash_table_iter_init (&iter, now);
  while (g_hash_table_iter_next (&iter, &name, &entry))
    {
      const PvtLink *old = g_hash_table_lookup (before, name);

      if (old == NULL || !is_same_link (old, entry))
        tell_link (entry, TRUE);
    }
}

/* What is in @table and not in @others. */
static void
tell_addresses (GHashTable *table, GHashTable *others, gboolean added)
{
  GHashTableIter iter;
  gpointer name, value;

  g_hash_table_iter_init (&iter, table);
  while (g_hash_table_iter_next (&iter, &name, &value))
    {
      AddressEntry *entry = value;
      PvtAddressChange change = { .interface = entry->interface, .address = entry->address,
                                  .prefix = entry->prefix, .added = added };

      if (!g_hash_table_contains (others, name))
        pvt_hub_publish (PVT_EVENT_KIND_ADDRESS, &pvt_address_change_type, &change);
    }
}

static void
forget (void)
{
  g_clear_pointer (&network.links, g_hash_table_unref);
  g_clear_pointer (&network.addresses, g_hash_table_unref);
}

static void
rescan (void)
{
  g_autoptr (GArray) links = pvt_links_read (NULL);
  GHashTable *new_links, *new_addresses;

  if (links == NULL)
    return; /* out of memory: the next news will do */
  new_links = read_links (links);
  new_addresses = read_addresses (links);
  if (network.links)
    {
      compare_links (network.links, new_links);
      tell_addresses (network.addresses, new_addresses, FALSE);
      tell_addresses (new_addresses, network.addresses, TRUE);
    }
  forget ();
  network.links = new_links;
  network.addresses = new_addresses;
}

static gboolean
look (gpointer data G_GNUC_UNUSED)
{
  network.settling = 0;
  rescan ();
  pvt_hub_flush ();
  return G_SOURCE_REMOVE;
}

/* ---- that there is news ---- */

static gboolean
changed (gint fd, GIOCondition condition G_GNUC_UNUSED, gpointer data G_GNUC_UNUSED)
{
  char buf[8192];

  /* ENOBUFS: some was lost, which makes no difference. */
  while (recv (fd, buf, sizeof buf, MSG_TRUNC) > 0 || errno == ENOBUFS)
    ;
  pvt_settle (&network.settling, look);
  return G_SOURCE_CONTINUE;
}

static void
start (const PvtRoot *root G_GNUC_UNUSED)
{
  struct sockaddr_nl address = { .nl_family = AF_NETLINK,
                                 .nl_groups = RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR };

  network.fd = socket (AF_NETLINK, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, NETLINK_ROUTE);
  if (network.fd >= 0 && bind (network.fd, (struct sockaddr *) &address, sizeof address) == 0)
    network.source = g_unix_fd_add (network.fd, G_IO_IN | G_IO_ERR, changed, NULL);
  else
    pvt_log (PVT_LOG_WARNING, "the network cannot be watched: %s", g_strerror (errno));
  rescan ();
}

static void
stop (void)
{
  g_clear_handle_id (&network.source, g_source_remove);
  g_clear_handle_id (&network.settling, g_source_remove);
  forget ();
  if (network.fd >= 0)
    close (network.fd);
  network.fd = -1;
}

const PvtSource pvt_source_network = { KINDS, NULL, start, stop };
