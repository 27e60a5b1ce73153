/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Frames that announce a guest, byte for byte, and the kernel's news. */
#include "tap-main.h"

#include "agent/platform/announce.h"
#include "agent/platform/uevent.h"

#include <arpa/inet.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <net/if_arp.h>

static const guint8 mac[6] = { 0x52, 0x54, 0x00, 0x12, 0x34, 0x56 };

static void
arp_request (void **state G_GNUC_UNUSED)
{
  static const guint8 wanted[PVT_ARP_FRAME] = {
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x52, 0x54, 0x00, 0x12, 0x34, 0x56, 0x08, 0x06,
    0x00, 0x01, 0x08, 0x00, 0x06, 0x04, 0x00, 0x01,
    0x52, 0x54, 0x00, 0x12, 0x34, 0x56, 0x0a, 0x00, 0x02, 0x0f,
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x0a, 0x00, 0x02, 0x0f,
  };
  struct in_addr address = { htonl (0x0a00020f) };
  guint8 frame[PVT_ARP_FRAME];

  pvt_announce_build_arp (mac, address, FALSE, frame);
  assert_memory_equal (frame, wanted, sizeof wanted);
}

static void
arp_reply (void **state G_GNUC_UNUSED)
{
  static const guint8 wanted[PVT_ARP_FRAME] = {
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x52, 0x54, 0x00, 0x12, 0x34, 0x56, 0x08, 0x06,
    0x00, 0x01, 0x08, 0x00, 0x06, 0x04, 0x00, 0x02,
    0x52, 0x54, 0x00, 0x12, 0x34, 0x56, 0x0a, 0x00, 0x02, 0x0f,
    0x52, 0x54, 0x00, 0x12, 0x34, 0x56, 0x0a, 0x00, 0x02, 0x0f,
  };
  struct in_addr address = { htonl (0x0a00020f) };
  guint8 frame[PVT_ARP_FRAME];

  pvt_announce_build_arp (mac, address, TRUE, frame);
  assert_memory_equal (frame, wanted, sizeof wanted);
}

/* The checksum is from another implementation of RFC 1071. */
static void
neighbour_advertisement (void **state G_GNUC_UNUSED)
{
  static const guint8 wanted[PVT_NA_FRAME] = {
    0x33, 0x33, 0x00, 0x00, 0x00, 0x01, 0x52, 0x54, 0x00, 0x12, 0x34, 0x56, 0x86, 0xdd,
    0x60, 0x00, 0x00, 0x00, 0x00, 0x20, 0x3a, 0xff,
    0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0x50, 0x54, 0x00, 0xff, 0xfe, 0x12, 0x34, 0x56,
    0xff, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x01,
    0x88, 0x00, 0xcb, 0x68, 0x20, 0x00, 0x00, 0x00,
    0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0x50, 0x54, 0x00, 0xff, 0xfe, 0x12, 0x34, 0x56,
    0x02, 0x01, 0x52, 0x54, 0x00, 0x12, 0x34, 0x56,
  };
  struct in6_addr address;
  guint8 frame[PVT_NA_FRAME];

  assert_int_equal (inet_pton (AF_INET6, "fe80::5054:ff:fe12:3456", &address), 1);
  pvt_announce_build_na (mac, &address, FALSE, frame);
  assert_memory_equal (frame, wanted, sizeof wanted);
  pvt_announce_build_na (mac, &address, TRUE, frame);
  assert_int_equal (frame[58], 0xa0);
}

static void
who_is_announced (void **state G_GNUC_UNUSED)
{
  const PvtLink up = { .index = 2, .flags = IFF_UP | IFF_RUNNING, .type = ARPHRD_ETHER, .mac_len = 6 };
  PvtLink down = up, loopback = up, tunnel = up;
  PvtAddress v4 = { .link = 2, .family = AF_INET }, v6 = { .link = 2, .family = AF_INET6 };

  v4.address.v4.s_addr = htonl (0xc0a80001);
  v6.address.v6.s6_addr[0] = 0xfe;
  down.flags = 0;
  loopback.flags |= IFF_LOOPBACK;
  tunnel.type = ARPHRD_TUNNEL;
  assert_true (pvt_announce_wants (&up, &v4));
  assert_true (pvt_announce_wants (&up, &v6));
  assert_false (pvt_announce_wants (&down, &v4));
  assert_false (pvt_announce_wants (&loopback, &v4));
  assert_false (pvt_announce_wants (&tunnel, &v4));
  v6.flags = IFA_F_TENTATIVE;
  assert_false (pvt_announce_wants (&up, &v6));
  v6.flags = IFA_F_DADFAILED;
  assert_false (pvt_announce_wants (&up, &v6));
  v4.scope = RT_SCOPE_HOST;
  assert_false (pvt_announce_wants (&up, &v4));
}

/* As the kernel sends it: the header, then variables, each with its NUL. */
static const char generation[]
    = "change@/devices/LNXSYSTM:00/LNXSYBUS:00/QEMUVGID:00\0ACTION=change\0"
      "DEVPATH=/devices/LNXSYSTM:00/LNXSYBUS:00/QEMUVGID:00\0SUBSYSTEM=acpi\0NEW_VMGENID=1\0"
      "SEQNUM=1234";
static const char disk[] = "change@/devices/virtual/block/loop0\0ACTION=change\0SUBSYSTEM=block\0"
                           "XNEW_VMGENID=1\0NEW_VMGENID=0\0SEQNUM=7";

static void
uevents (void **state G_GNUC_UNUSED)
{
  assert_string_equal (pvt_uevent_get (generation, sizeof generation, "SUBSYSTEM"), "acpi");
  assert_null (pvt_uevent_get (generation, sizeof generation, "DRIVER"));
  assert_true (pvt_uevent_is_generation (generation, sizeof generation));
  assert_false (pvt_uevent_is_generation (disk, sizeof disk));
  /* A variable that is cut off does not count. */
  for (gsize len = 0; len < sizeof generation; len++)
    if (pvt_uevent_is_generation (generation, len))
      assert_true (len >= sizeof generation - strlen ("SEQNUM=1234") - 1);
}

static gboolean
said (const char *record)
{
  return pvt_kmsg_is_generation (record, strlen (record));
}

static void
kernel_log (void **state G_GNUC_UNUSED)
{
  assert_true (said ("5,812,4710123,-;random: crng reseeded due to virtual machine fork\n"));
  assert_false (said ("5,812,4710123,-;random: crng init done\n"));
  /* Facility 1, user: somebody wrote it to /dev/kmsg. */
  assert_false (said ("13,812,4710123,-;random: crng reseeded due to virtual machine fork\n"));
  assert_false (said ("crng reseeded due to virtual machine fork"));
  assert_false (said ("crng reseeded due to virtual machine fork;5"));
  assert_false (said (""));
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (arp_request), cmocka_unit_test (arp_reply),
    cmocka_unit_test (neighbour_advertisement), cmocka_unit_test (who_is_announced),
    cmocka_unit_test (uevents), cmocka_unit_test (kernel_log),
  };

  return cmocka_run_group_tests_name ("lifecycle", tests, NULL, NULL);
}
