/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A NIC's policy: rates on a clock of the test, every rule with what it lets through and
 * what it does not, and texts. */
#include "tap-main.h"

#include "host-side/vmm/net-policy/policy.h"

#define SECOND UINT64_C (1000000000)
#define MS UINT64_C (1000000)

static const uint8_t mac[6] = { 0x52, 0x54, 0, 0, 0, 1 };
static struct net_policy policy;

static void
use (const char *text)
{
  const char *why = "";

  if (net_policy_parse (&policy, text, mac, &why) < 0)
    fail_msg ("%s: %s", text, why);
}

/* What passes of frames of @cost that are always there, from @now for @ns. */
static uint64_t
run_for (struct net_rate *rate, uint64_t now, uint64_t ns, uint64_t cost)
{
  uint64_t end = now + ns, total = 0;

  while (now < end)
    {
      uint64_t wait = net_rate_wait (rate, now);

      if (wait)
        {
          now += wait;
          assert_true (now >= end || net_rate_wait (rate, now) == 0);
          continue;
        }
      net_rate_charge (rate, now, cost);
      total += cost;
    }
  return total;
}

static void
test_rates (void **state)
{
  const uint64_t rates[] = { 1000, 64000, 10000000, 1000000000 };

  for (unsigned i = 0; i < G_N_ELEMENTS (rates); i++)
    for (uint64_t cost = 480; cost <= 524288; cost *= 8)
      {
        struct net_rate rate = { .per_second = rates[i], .burst_ns = 100 * MS };
        uint64_t seconds = rates[i] < 1000000 ? 1000 : rates[i] < 1000000000 ? 10 : 1;
        uint64_t want = rates[i] * seconds;
        uint64_t got = run_for (&rate, 7 * SECOND, seconds * SECOND, cost);
        uint64_t slack = rates[i] / 10 + cost + want / 1000000;

        /* The rate, the burst and one frame; a frame costs up to a nanosecond too much. */
        assert_true (got + cost >= want - want / 400 && got <= want + slack + cost);
      }
}

static void
test_burst_is_saved_once (void **state)
{
  struct net_rate rate = { .per_second = 1000, .burst_ns = SECOND };
  uint64_t now = 5 * SECOND;

  assert_int_equal (run_for (&rate, now, 1, 1), 1001); /* all in one nanosecond */
  now += 3600 * SECOND;
  for (unsigned i = 0; i <= 1000; i++)
    {
      assert_int_equal (net_rate_wait (&rate, now), 0);
      net_rate_charge (&rate, now, 1);
    }
  assert_int_equal (net_rate_wait (&rate, now), MS);
  assert_int_equal (net_rate_wait (&rate, now + MS), 0);
}

static void
test_no_limit (void **state)
{
  struct net_rate rate = { 0 };

  net_rate_charge (&rate, 0, UINT64_MAX);
  assert_int_equal (net_rate_wait (&rate, 0), 0);
}

/* ---- frames ---- */

static uint8_t frame[128];

static void
ether (const char *to, unsigned type)
{
  memset (frame, 0, sizeof frame);
  memcpy (frame, to, 6);
  memcpy (frame + 6, mac, 6);
  frame[12] = (uint8_t) (type >> 8);
  frame[13] = (uint8_t) type;
}

#define ALL "\xff\xff\xff\xff\xff\xff"
#define HER "\x52\x54\x00\x00\x00\x02"

static enum net_verdict
judge (size_t len)
{
  return net_policy_from_guest (&policy, frame, len, SECOND);
}

static void
make_arp (unsigned operation, const char *sender_ip, const char *target_ip)
{
  static const uint8_t fixed[] = { 0, 1, 8, 0, 6, 4, 0 };

  ether (ALL, 0x0806);
  memcpy (frame + 14, fixed, sizeof fixed);
  frame[21] = (uint8_t) operation;
  memcpy (frame + 22, mac, 6);
  memcpy (frame + 28, sender_ip, 4);
  memcpy (frame + 38, target_ip, 4);
}

#define IP_OWN "\x0a\x00\x00\x05"
#define IP_HER "\x0a\x00\x00\x06"

static void
test_arp (void **state)
{
  use ("bind-mac=on,ip=10.0.0.5");
  make_arp (1, IP_OWN, IP_HER);
  assert_int_equal (judge (60), NET_PASS);
  assert_int_equal (judge (41), NET_MALFORMED);
  make_arp (1, "\0\0\0\0", IP_HER);
  assert_int_equal (judge (60), NET_PASS);
  make_arp (2, IP_HER, IP_OWN);
  assert_int_equal (judge (60), NET_SPOOFED_ARP);
  make_arp (2, IP_OWN, IP_HER);
  frame[27] = 9; /* says another has it */
  assert_int_equal (judge (60), NET_SPOOFED_ARP);
  make_arp (2, IP_OWN, IP_HER);
  frame[11] = 9;
  assert_int_equal (judge (60), NET_SPOOFED_MAC);
}

static void
test_arp_rates (void **state)
{
  unsigned passed = 0;

  use ("arp-rate=10,burst-ms=1000");
  make_arp (1, IP_OWN, IP_HER);
  for (unsigned i = 0; i < 100; i++)
    passed += net_policy_from_guest (&policy, frame, 60, SECOND) == NET_PASS;
  assert_int_equal (passed, 11);
  assert_int_equal (judge (60), NET_ARP_FLOOD);
  assert_int_equal (net_policy_from_guest (&policy, frame, 60, 2 * SECOND), NET_PASS);
  make_arp (2, IP_OWN, IP_HER);
  assert_int_equal (judge (60), NET_PASS); /* answers are not counted */
}

static void
test_arp_suppression (void **state)
{
  use ("ip=10.0.0.5,arp-suppress=on");
  make_arp (1, IP_HER, IP_OWN);
  assert_int_equal (net_policy_to_guest (&policy, frame, 60), NET_PASS);
  make_arp (1, IP_HER, "\x0a\x00\x00\x07");
  assert_int_equal (net_policy_to_guest (&policy, frame, 60), NET_ARP_SUPPRESSED);
  memcpy (frame, mac, 6);
  assert_int_equal (net_policy_to_guest (&policy, frame, 60), NET_PASS);
  assert_int_equal (net_policy_to_guest (&policy, frame, 13), NET_MALFORMED);
}

/* An IPv4 datagram; the UDP header lies at 34. */
static void
make_ip4 (const char *source, unsigned from, unsigned to)
{
  ether (HER, 0x0800);
  frame[14] = 0x45;
  frame[23] = 17;
  memcpy (frame + 26, source, 4);
  frame[34] = (uint8_t) (from >> 8), frame[35] = (uint8_t) from;
  frame[36] = (uint8_t) (to >> 8), frame[37] = (uint8_t) to;
}

static void
test_ip4 (void **state)
{
  use ("ip=10.0.0.5+10.0.0.9");
  make_ip4 (IP_OWN, 5000, 53);
  assert_int_equal (judge (60), NET_PASS);
  make_ip4 ("\x0a\x00\x00\x09", 5000, 53);
  assert_int_equal (judge (60), NET_PASS);
  make_ip4 (IP_HER, 5000, 53);
  assert_int_equal (judge (60), NET_SPOOFED_IP);
  assert_int_equal (judge (33), NET_MALFORMED);
  make_ip4 ("\0\0\0\0", 68, 67);
  assert_int_equal (judge (60), NET_PASS);
  make_ip4 ("\0\0\0\0", 69, 67);
  assert_int_equal (judge (60), NET_SPOOFED_IP);
  frame[14] = 0x44;
  assert_int_equal (judge (60), NET_MALFORMED);
  /* Within a VLAN the same holds, and nothing hides in two of them. */
  make_ip4 (IP_HER, 5000, 53);
  memmove (frame + 18, frame + 14, 60);
  memcpy (frame + 12, "\x81\x00\x00\x07\x08\x00", 6);
  assert_int_equal (judge (64), NET_SPOOFED_IP);
  memcpy (frame + 16, "\x81\x00", 2);
  assert_int_equal (judge (64), NET_MALFORMED);
}

static void
test_dhcp4 (void **state)
{
  use ("no-dhcp-server=on");
  make_ip4 (IP_OWN, 67, 68);
  assert_int_equal (judge (60), NET_ROGUE_DHCP);
  make_ip4 (IP_OWN, 67, 5000);
  assert_int_equal (judge (60), NET_ROGUE_DHCP);
  make_ip4 ("\0\0\0\0", 68, 67);
  assert_int_equal (judge (60), NET_PASS);
  /* Behind options the ports are where the header says. */
  make_ip4 (IP_OWN, 5000, 53);
  frame[14] = 0x46;
  frame[39] = 67;
  assert_int_equal (judge (60), NET_ROGUE_DHCP);
  make_ip4 (IP_OWN, 67, 68);
  assert_int_equal (judge (38), NET_MALFORMED);
  frame[21] = 1;
  assert_int_equal (judge (60), NET_MALFORMED);
  frame[21] = 2;
  assert_int_equal (judge (60), NET_PASS);
}

static const uint8_t ip6_own[16] = { 0xfd, [15] = 5 }, ip6_her[16] = { 0xfd, [15] = 6 };
static const uint8_t ip6_local[16] = { 0xfe, 0x80, [8] = 0x50, 0x54, 0, 0xff, 0xfe, 0, 0, 1 };

/* An IPv6 packet; what @next says lies at 54. */
static void
make_ip6 (const uint8_t *source, unsigned next)
{
  ether (HER, 0x86dd);
  frame[14] = 0x60;
  frame[20] = (uint8_t) next;
  memcpy (frame + 22, source, 16);
}

static void
test_ip6 (void **state)
{
  static const uint8_t none[16];

  use ("bind-mac=on,ip=fd00::5");
  make_ip6 (ip6_own, 6);
  assert_int_equal (judge (80), NET_PASS);
  make_ip6 (ip6_local, 6);
  assert_int_equal (judge (80), NET_PASS);
  make_ip6 (ip6_her, 6);
  assert_int_equal (judge (80), NET_SPOOFED_IP);
  make_ip6 (none, 6);
  assert_int_equal (judge (80), NET_SPOOFED_IP);
  make_ip6 (none, 58);
  frame[54] = 135;
  assert_int_equal (judge (100), NET_PASS);
  /* An advertisement for somebody else, and one with another's MAC. */
  make_ip6 (ip6_own, 58);
  frame[54] = 136;
  memcpy (frame + 62, ip6_own, 16);
  assert_int_equal (judge (78), NET_PASS);
  assert_int_equal (judge (77), NET_MALFORMED);
  memcpy (frame + 78, "\x02\x01", 2);
  memcpy (frame + 80, mac, 6);
  assert_int_equal (judge (86), NET_PASS);
  frame[85] = 9;
  assert_int_equal (judge (86), NET_SPOOFED_ND);
  memcpy (frame + 62, ip6_her, 16);
  assert_int_equal (judge (78), NET_SPOOFED_ND);
}

static void
test_ip6_servers (void **state)
{
  use ("no-dhcp-server=on,no-ra=on");
  make_ip6 (ip6_own, 17);
  frame[54] = 547 >> 8, frame[55] = 547 & 255;
  assert_int_equal (judge (80), NET_ROGUE_DHCP);
  frame[55] = 546 & 255;
  assert_int_equal (judge (80), NET_PASS);
  make_ip6 (ip6_own, 58);
  frame[54] = 134;
  assert_int_equal (judge (80), NET_ROGUE_RA);
  /* Behind extension headers, and behind too many of them. */
  make_ip6 (ip6_own, 0);
  frame[54] = 60;
  frame[62] = 58;
  frame[70] = 134;
  assert_int_equal (judge (100), NET_ROGUE_RA);
  frame[55] = 200;
  assert_int_equal (judge (100), NET_MALFORMED);
  make_ip6 (ip6_own, 0);
  for (unsigned i = 0; i < 6; i++)
    frame[54 + 8 * i] = 60;
  assert_int_equal (judge (128), NET_MALFORMED);
  make_ip6 (ip6_own, 44);
  frame[54] = 58;
  frame[62] = 134;
  assert_int_equal (judge (100), NET_ROGUE_RA);
  frame[56] = 1; /* a later fragment */
  assert_int_equal (judge (100), NET_PASS);
}

static void
test_everything_passes_without_rules (void **state)
{
  use ("tx-bits=1M");
  make_arp (2, IP_HER, IP_OWN);
  assert_int_equal (judge (60), NET_PASS);
  make_ip4 (IP_HER, 67, 68);
  assert_int_equal (judge (60), NET_PASS);
  make_ip6 (ip6_her, 58);
  frame[54] = 134;
  assert_int_equal (judge (60), NET_PASS);
  ether (HER, 0x88cc);
  assert_int_equal (judge (14), NET_PASS);
  assert_int_equal (judge (13), NET_MALFORMED);
}

static void
test_texts (void **state)
{
  static const char *const bad[] = {
    "x=1", "bind-mac", "bind-mac=yes", "ip=", "ip=10.0.0", "ip=10.0.0.1+", "tx-bits=", "tx-bits=-1",
    "tx-bits=1KK", "tx-bits=1.5M", "tx-bits=2000G", "tx-bits=99999999999999999999", "burst-ms=60001",
    "tx-packets=1T",
  };
  g_autoptr (GString) many = g_string_new ("ip=10.0.0.1");
  const char *why = NULL;

  use ("tx-bits=10M;rx-bits=2G,tx-packets=5K,burst-ms=50,,");
  assert_int_equal (policy.tx_bits.per_second, 10000000);
  assert_int_equal (policy.rx_bits.per_second, 2000000000);
  assert_int_equal (policy.tx_frames.per_second, 5000);
  assert_int_equal (policy.tx_bits.burst_ns, 50 * MS);
  for (unsigned i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      assert_true (net_policy_parse (&policy, bad[i], mac, &why) < 0);
      assert_non_null (why);
      assert_int_equal (policy.tx_frames.per_second, 5000);
    }
  for (unsigned i = 0; i < 16; i++)
    g_string_append (many, "+10.0.0.1");
  assert_true (net_policy_parse (&policy, many->str, mac, NULL) < 0);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_rates),
    cmocka_unit_test (test_burst_is_saved_once),
    cmocka_unit_test (test_no_limit),
    cmocka_unit_test (test_arp),
    cmocka_unit_test (test_arp_rates),
    cmocka_unit_test (test_arp_suppression),
    cmocka_unit_test (test_ip4),
    cmocka_unit_test (test_dhcp4),
    cmocka_unit_test (test_ip6),
    cmocka_unit_test (test_ip6_servers),
    cmocka_unit_test (test_everything_passes_without_rules),
    cmocka_unit_test (test_texts),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
