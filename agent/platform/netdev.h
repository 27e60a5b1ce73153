/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* /proc/net/dev: see proc(5). Cheaper than asking route netlink each second. */
#pragma once

#include <glib.h>
#include <net/if.h>

typedef struct
{
  char name[IFNAMSIZ];
  guint64 rx_bytes, rx_packets, rx_errors, rx_dropped;
  guint64 tx_bytes, tx_packets, tx_errors, tx_dropped;
} PvtNetdev;

/* Appends a PvtNetdev for each line; lines of another form are passed over. */
void pvt_netdev_parse (const char *text, gsize len, GArray *devices);
