/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Frames before a NIC's policy: every rule on, the frame in memory of exactly its length. */
#include "fuzz.h"

#include <stdlib.h>

#include "host-side/vmm/net-policy/policy.h"
#include "host-side/vmm/net/user-room.h"

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  static const uint8_t mac[6] = { 0x52, 0x54, 0, 0, 0, 1 };
  static struct net_policy policy;
  char text[256];
  size_t len = size < 128 ? size : 128;
  uint8_t *frame = malloc (len + 1);

  if (policy.n_ip4 == 0
      && net_policy_parse (&policy, "bind-mac=on,ip=10.0.0.5+fd00::5,no-dhcp-server=on,no-ra=on,"
                                    "arp-suppress=on,arp-rate=10", mac, NULL) < 0)
    abort ();
  memcpy (frame, data, len);
  /* Half of them have the right sender, to come further. */
  if (len >= 12 && data[0] & 1)
    memcpy (frame + 6, mac, 6);
  frame = realloc (frame, len ? len : 1);
  net_policy_from_guest (&policy, frame, len, size);
  net_policy_to_guest (&policy, frame, len);
  {
    struct user_room full = { .full = true, .told = true }; /* does not ask for descriptors */

    user_room_admits (&full, frame, len, -1);
  }
  free (frame);
  len = size < sizeof text - 1 ? size : sizeof text - 1;
  memcpy (text, data, len);
  text[len] = '\0';
  {
    struct net_policy other;

    net_policy_parse (&other, text, mac, NULL);
  }
  return 0;
}
