/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "announce.h"

#include <errno.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Addresses announced; a guest with more is a router that has its own ways. */
#define MAX_ANNOUNCED 1024

#define SLICE_MS 100

static const PvtLink *
find_link (const GArray *links, int index)
{
  for (guint i = 0; i < links->len; i++)
    if (g_array_index (links, PvtLink, i).index == index)
      return &g_array_index (links, PvtLink, i);
  return NULL;
}

static gboolean
is_router (const PvtRoot *root, const char *name)
{
  g_autofree char *path = g_strdup_printf ("proc/sys/net/ipv6/conf/%s/forwarding", name);
  guint64 value;

  return pvt_read_u64_at (root->fd, path, &value) == 0 && value == 1;
}

static void
send_frame (int fd, const PvtLink *link, const guint8 *frame, gsize len, PvtAnnounceResult *result)
{
  struct sockaddr_ll to = { .sll_family = AF_PACKET, .sll_ifindex = link->index, .sll_halen = 6 };

  memcpy (to.sll_addr, frame, 6);
  memcpy (&to.sll_protocol, frame + 12, 2);
  if (sendto (fd, frame, len, MSG_DONTWAIT, (struct sockaddr *) &to, sizeof to) == (gssize) len)
    result->frames++;
  else
    result->failed++;
}

static void
send_address (int fd, const PvtRoot *root, const PvtLink *link, const PvtAddress *address,
              PvtAnnounceResult *result)
{
  guint8 frame[PVT_NA_FRAME];

  if (address->family == AF_INET6)
    {
      pvt_announce_build_na (link->mac, &address->address.v6, is_router (root, link->name), frame);
      send_frame (fd, link, frame, PVT_NA_FRAME, result);
      return;
    }
  for (guint reply = 0; reply < 2; reply++)
    {
      pvt_announce_build_arp (link->mac, address->address.v4, reply == 1, frame);
      send_frame (fd, link, frame, PVT_ARP_FRAME, result);
    }
}

/* Read anew each round: DHCP may just be giving out another address. */
static gboolean
send_round (int fd, const PvtRoot *root, PvtAnnounceResult *result, GError **error)
{
  g_autoptr (GArray) links = pvt_links_read (error);
  g_autoptr (GArray) addresses = links ? pvt_addresses_read (error) : NULL;
  const PvtLink *last = NULL;

  if (addresses == NULL)
    return FALSE;
  result->links = result->addresses = 0;
  for (guint i = 0; i < addresses->len && result->addresses < MAX_ANNOUNCED; i++)
    {
      const PvtAddress *address = &g_array_index (addresses, PvtAddress, i);
      const PvtLink *link = find_link (links, address->link);

      if (link == NULL || !pvt_announce_wants (link, address))
        continue;
      result->addresses++;
      result->links += link != last;
      last = link;
      send_address (fd, root, link, address, result);
    }
  return TRUE;
}

/* FALSE when nobody wants the rest. */
static gboolean
wait_between (guint ms, const gint *cancelled)
{
  for (guint done = 0; done < ms; done += SLICE_MS)
    {
      if (cancelled && g_atomic_int_get (cancelled) == 1)
        return FALSE;
      g_usleep (1000 * MIN (SLICE_MS, ms - done));
    }
  return TRUE;
}

gboolean
pvt_announce_send (const PvtRoot *root, guint rounds, guint pause_ms, const gint *cancelled,
                   PvtAnnounceResult *result, GError **error)
{
  int fd = socket (AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
  gboolean ok = fd >= 0;

  memset (result, 0, sizeof *result);
  if (!ok)
    g_set_error (error, G_FILE_ERROR, (gint) g_file_error_from_errno (errno),
                 "a packet socket cannot be opened: %s", g_strerror (errno));
  for (guint round = 0; ok && round < rounds; round++)
    {
      if (round > 0 && !wait_between (pause_ms, cancelled))
        break;
      ok = send_round (fd, root, result, error);
    }
  if (fd >= 0)
    close (fd);
  return ok;
}
