/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Telling the network where this guest is now: after a migration or a restore
 * switches and neighbours still know its old place. For every IPv4 address a
 * gratuitous ARP request and reply, for every IPv6 address an unsolicited
 * neighbour advertisement (RFC 4861, 7.2.6).
 */
#pragma once

#include "netlink.h"

#define PVT_ARP_FRAME 42 /* bytes: Ethernet header and ARP */
#define PVT_NA_FRAME 86  /* Ethernet and IPv6 header, advertisement, one option */

/* Builds a whole Ethernet frame. @reply: the reply form, which some listen to
 * that do not take requests. Pure. */
void pvt_announce_build_arp (const guint8 mac[6], struct in_addr address, gboolean reply,
                             guint8 frame[PVT_ARP_FRAME]);

/* @router: the node forwards; without that flag its neighbours would drop it
 * from their default routers. Pure. */
void pvt_announce_build_na (const guint8 mac[6], const struct in6_addr *address, gboolean router,
                            guint8 frame[PVT_NA_FRAME]);

/* Whether an address on a link is announced. Pure. */
gboolean pvt_announce_wants (const PvtLink *link, const PvtAddress *address);

typedef struct
{
  guint links, addresses, frames; /* announced, and sent in all rounds */
  guint failed;                   /* frames that the kernel did not take */
} PvtAnnounceResult;

/*
 * Sends all of it @rounds times, @pause_ms apart. Blocks that long. *@cancelled
 * (may be NULL) ends it.
 */
gboolean pvt_announce_send (const PvtRoot *root, guint rounds, guint pause_ms,
                            const gint *cancelled, PvtAnnounceResult *result, GError **error);
