/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The network device through rings in memory, with a socket pair as the wire: frames
 * both ways, hostile headers, merged buffers, the control queue, a full wire. */
#include "tap-main.h"

#include "net-bench.h"

static void
test_transmit (void **state)
{
  struct virtio_net_hdr header = { 0 };
  uint8_t got[2048];

  begin ("off", 0);
  memset (frame_area (), 0xab, 2000);
  transmit (&header, 60);
  assert_int_equal (on_wire (got, sizeof got), 60);
  assert_int_equal (got[0], 0xab);
  transmit (&header, 14);
  assert_int_equal (on_wire (got, sizeof got), 14);
  transmit (&header, 13);
  transmit (&header, 0);
  assert_int_equal (on_wire (got, sizeof got), -1);
  assert_int_equal (count (NET_TX_FRAMES), 2);
  assert_int_equal (count (NET_TX_BYTES), 74);
  assert_int_equal (count (NET_TX_BAD), 2);
  /* Asks for a checksum nobody makes. */
  header.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
  header.csum_start = 14;
  transmit (&header, 60);
  assert_int_equal (count (NET_TX_BAD), 3);
}

static void
test_transmit_with_header (void **state)
{
  struct virtio_net_hdr header = { .flags = 0xff, .gso_type = VIRTIO_NET_HDR_GSO_TCPV4,
                                   .hdr_len = 0xffff, .gso_size = 1448, .csum_start = 34,
                                   .csum_offset = 16, .num_buffers = 77 };
  struct virtio_net_hdr got[8];

  begin ("on", 0);
  transmit (&header, 100);
  assert_int_equal (on_wire (got, sizeof got), 96); /* cut here */
  assert_int_equal (got[0].flags, VIRTIO_NET_HDR_F_NEEDS_CSUM);
  assert_int_equal (got[0].gso_type, VIRTIO_NET_HDR_GSO_TCPV4);
  assert_int_equal (got[0].hdr_len, 100);
  assert_int_equal (got[0].num_buffers, 0);
  header.csum_start = 90;
  transmit (&header, 100);
  assert_int_equal (count (NET_TX_BAD), 1);
}

static void
test_headers (void **state)
{
  const unsigned all = NET_MAY_CSUM | NET_MAY_TSO4 | NET_MAY_TSO6 | NET_MAY_ECN | NET_MAY_UFO;
  const struct virtio_net_hdr good = { 1, VIRTIO_NET_HDR_GSO_TCPV6, 54, 1000, 14, 6, 0 };
  struct virtio_net_hdr h = good;

  assert_true (net_header_check (&h, all, 1000));
  assert_false (net_header_check (&h, all & ~(unsigned) NET_MAY_TSO6, 1000));
  assert_false (net_header_check (&h, all & ~(unsigned) NET_MAY_CSUM, 1000));
  assert_true (net_header_check (&h, all, NET_FRAME_MAX));
  assert_false (net_header_check (&h, all, NET_FRAME_MAX + 1));
  assert_true (net_header_check (&h, all, 22)); /* the sum's last byte is the last one */
  assert_int_equal (h.hdr_len, 22);
  h = good;
  assert_false (net_header_check (&h, all, 21));
  h = good, h.csum_start = 13;
  assert_false (net_header_check (&h, all, 1000));
  h = good, h.csum_start = h.csum_offset = 0xffff;
  assert_false (net_header_check (&h, all, NET_FRAME_MAX));
  h = good, h.gso_size = 0;
  assert_false (net_header_check (&h, all, 1000));
  h = good, h.flags = VIRTIO_NET_HDR_F_DATA_VALID;
  assert_false (net_header_check (&h, all, 1000));
  assert_int_equal (h.flags, 0);
  h = good, h.flags |= 0xfa; /* what is not known means nothing (5.1.6.2.2) */
  assert_true (net_header_check (&h, all, 1000));
  assert_int_equal (h.flags, VIRTIO_NET_HDR_F_NEEDS_CSUM);
  for (unsigned type = 0; type < 256; type++)
    {
      bool ok = type == 0 || type == 1 || type == 3 || type == 4 || type == 0x81 || type == 0x84;

      h = good, h.gso_type = (uint8_t) type;
      assert_int_equal (net_header_check (&h, all, 1000), ok);
      h = good, h.gso_type = (uint8_t) type;
      assert_int_equal (net_header_check (&h, all & ~(unsigned) NET_MAY_ECN, 1000), ok && type < 0x80);
      h = good, h.gso_type = (uint8_t) type;
      assert_int_equal (net_header_check (&h, NET_MAY_CSUM, 1000), type == 0);
    }
}

static void
send_frame (size_t len)
{
  uint8_t bytes[4096];

  for (size_t i = 0; i < len; i++)
    bytes[i] = (uint8_t) (i * 7);
  memcpy (bytes, "\x52\x54\x00\x00\x00\x01", 6);
  assert_int_equal (send (wire, bytes, len, 0), (ssize_t) len);
}

static uint8_t
byte_at (unsigned position)
{
  return ((uint8_t *) at (RAM_DATA))[position];
}

static void
test_receive_into_merged_buffers (void **state)
{
  begin ("off", 0);
  for (uint16_t i = 0; i < SIZE; i++)
    give_buffer (i, 512);
  send_frame (60);
  send_frame (1200);
  vdev_kick (dev, RX);
  assert_int_equal (used_of (RX)->idx, 4);
  assert_int_equal (used_of (RX)->ring[0].len, 72);
  assert_int_equal (((struct virtio_net_hdr *) at (RAM_DATA))->num_buffers, 1);
  assert_int_equal (byte_at (12 + 59), (uint8_t) (59 * 7));
  assert_int_equal (used_of (RX)->ring[1].len, 512);
  assert_int_equal (used_of (RX)->ring[3].len, 1212 - 1024);
  assert_int_equal (((struct virtio_net_hdr *) at (RAM_DATA + 1024))->num_buffers, 3);
  assert_int_equal (byte_at (1024 + 511), (uint8_t) ((512 - 13) * 7));
  assert_int_equal (byte_at (2048), (uint8_t) ((512 - 12) * 7));
  assert_int_equal (byte_at (3072 + 1212 - 1024 - 1), (uint8_t) (1199 * 7));
  /* Four buffers are left, one frame takes three: the next one waits for more. */
  send_frame (1400);
  send_frame (1400);
  vdev_kick (dev, RX);
  assert_int_equal (used_of (RX)->idx, 7);
  for (uint16_t i = 0; i < 3; i++)
    give_buffer (i, 512);
  vdev_kick (dev, RX);
  assert_int_equal (used_of (RX)->idx, 10);
  assert_int_equal (count (NET_RX_FRAMES), 4);
}

static void
test_receive_into_single_buffers (void **state)
{
  begin ("off", VIRTIO_BIT (VIRTIO_NET_F_MRG_RXBUF));
  give_buffer (0, 100);
  send_frame (60);
  vdev_kick (dev, RX);
  assert_int_equal (used_of (RX)->idx, 1);
  assert_int_equal (used_of (RX)->ring[0].len, 72);
  give_buffer (1, 100);
  send_frame (1000); /* will never fit */
  send_frame (88);
  vdev_kick (dev, RX);
  assert_int_equal (used_of (RX)->idx, 2);
  assert_int_equal (used_of (RX)->ring[1].len, 100);
  assert_int_equal (count (NET_RX_NO_ROOM), 1);
}

static void
test_frames_wait_while_there_are_no_buffers (void **state)
{
  begin ("off", 0);
  send_frame (100);
  send_frame (101);
  vdev_kick (dev, RX);
  assert_int_equal (used_of (RX)->idx, 0);
  give_buffer (0, 1024);
  give_buffer (1, 1024);
  vdev_kick (dev, RX);
  assert_int_equal (used_of (RX)->idx, 2);
  assert_int_equal (used_of (RX)->ring[1].len, 113);
}

static void
test_peers_header_is_checked (void **state)
{
  uint8_t frame[100] = { VIRTIO_NET_HDR_F_NEEDS_CSUM, VIRTIO_NET_HDR_GSO_TCPV4 };

  begin ("on", VIRTIO_BIT (VIRTIO_NET_F_GUEST_TSO4));
  for (uint16_t i = 0; i < 4; i++)
    give_buffer (i, 1024);
  send (wire, frame, sizeof frame, 0);
  send (wire, frame, 5, 0);
  vdev_kick (dev, RX);
  assert_int_equal (used_of (RX)->idx, 0);
  assert_int_equal (count (NET_RX_BAD), 2);
}

/* A request on the control queue: its answer. */
static uint8_t
control (uint8_t class_, uint8_t command, const void *data, uint32_t len)
{
  uint8_t *place = at (RAM_DATA + 0x8000);
  uint16_t before = used_of (CTRL)->idx;

  place[0] = class_;
  place[1] = command;
  memcpy (place + 2, data, len);
  place[2 + len] = 0xee;
  desc_of (CTRL)[0] = (struct virtio_desc){ RAM_DATA + 0x8000, 2 + len, VIRTIO_DESC_F_NEXT, 1 };
  desc_of (CTRL)[1] = (struct virtio_desc){ RAM_DATA + 0x8002 + len, 1, VIRTIO_DESC_F_WRITE, 0 };
  offer (CTRL, 0);
  vdev_kick (dev, CTRL);
  assert_int_equal (used_of (CTRL)->idx, (uint16_t) (before + 1));
  return place[2 + len];
}

/* Whether a frame to @mac, in @vlan when not 0, reaches the guest. */
static bool
arrives (const char *mac, unsigned vlan)
{
  uint8_t frame[60] = { 0 };
  uint64_t before = count (NET_RX_FRAMES);

  memcpy (frame, mac, 6);
  if (vlan)
    {
      frame[12] = 0x81;
      frame[14] = (uint8_t) (vlan >> 8);
      frame[15] = (uint8_t) vlan;
    }
  give_buffer (0, 1024);
  assert_int_equal (send (wire, frame, sizeof frame, 0), (ssize_t) sizeof frame);
  vdev_kick (dev, RX);
  if (count (NET_RX_FRAMES) > before)
    return true;
  ((struct virtio_avail *) at (RAM_DRIVER))->idx--;
  return false;
}

#define OWN "\x52\x54\x00\x00\x00\x01"
#define OTHER "\x52\x54\x00\x00\x00\x02"
#define GROUP "\x01\x00\x5e\x00\x00\x05"
#define ALL "\xff\xff\xff\xff\xff\xff"

static void
test_filter (void **state)
{
  const uint8_t on = 1, off = 0, odd = 2;
  const uint16_t vlan = 7, beyond = 4096;

  begin ("off", 0);
  assert_true (arrives (OTHER, 9));
  assert_int_equal (control (VIRTIO_NET_CTRL_RX, VIRTIO_NET_CTRL_RX_PROMISC, &off, 1), VIRTIO_NET_OK);
  assert_true (arrives (OWN, 0));
  assert_false (arrives (OTHER, 0));
  assert_true (arrives (ALL, 0));
  assert_false (arrives (GROUP, 0));
  assert_int_equal (control (VIRTIO_NET_CTRL_RX, VIRTIO_NET_CTRL_RX_ALLMULTI, &on, 1), VIRTIO_NET_OK);
  assert_true (arrives (GROUP, 0));
  assert_int_equal (control (VIRTIO_NET_CTRL_RX, VIRTIO_NET_CTRL_RX_NOBCAST, &on, 1), VIRTIO_NET_OK);
  assert_false (arrives (ALL, 0));
  assert_false (arrives (OWN, 7));
  assert_int_equal (control (VIRTIO_NET_CTRL_VLAN, VIRTIO_NET_CTRL_VLAN_ADD, &vlan, 2), VIRTIO_NET_OK);
  assert_true (arrives (OWN, 7));
  assert_int_equal (control (VIRTIO_NET_CTRL_VLAN, VIRTIO_NET_CTRL_VLAN_DEL, &vlan, 2), VIRTIO_NET_OK);
  assert_false (arrives (OWN, 7));
  assert_int_equal (control (VIRTIO_NET_CTRL_VLAN, VIRTIO_NET_CTRL_VLAN_ADD, &beyond, 2), VIRTIO_NET_ERR);
  assert_int_equal (control (VIRTIO_NET_CTRL_RX, VIRTIO_NET_CTRL_RX_PROMISC, &odd, 1), VIRTIO_NET_ERR);
  assert_int_equal (control (VIRTIO_NET_CTRL_RX, 6, &on, 1), VIRTIO_NET_ERR);
  assert_int_equal (control (77, 0, &on, 1), VIRTIO_NET_ERR);
  assert_int_equal (control (VIRTIO_NET_CTRL_MQ, 0, &vlan, 2), VIRTIO_NET_ERR);
  vdev_reset (dev);
  assert_int_equal (vdev_accept (dev, VIRTIO_BIT (VIRTIO_F_VERSION_1)), 0);
  memset (at (RAM_DRIVER), 0, STEP), memset (at (RAM_DEVICE), 0, STEP);
  start_queue (RX);
  assert_true (arrives (OTHER, 9));
}

/* Of features we do not have. */
static void
test_commands_nobody_negotiated (void **state)
{
  const uint8_t zeroes[64] = { 0 };

  begin ("off", 0);
  for (uint8_t command = VIRTIO_NET_CTRL_MQ_RSS_CONFIG; command <= VIRTIO_NET_CTRL_MQ_HASH_CONFIG; command++)
    assert_int_equal (control (VIRTIO_NET_CTRL_MQ, command, zeroes, sizeof zeroes), VIRTIO_NET_ERR);
  for (uint8_t command = 0; command <= VIRTIO_NET_CTRL_NOTF_COAL_VQ_GET; command++)
    assert_int_equal (control (VIRTIO_NET_CTRL_NOTF_COAL, command, zeroes, 16), VIRTIO_NET_ERR);
  for (unsigned class_ = VIRTIO_NET_CTRL_NOTF_COAL + 1; class_ < 256; class_++)
    for (uint8_t command = 0; command < 4; command++)
      assert_int_equal (control ((uint8_t) class_, command, zeroes, 32), VIRTIO_NET_ERR);
}

static void
test_addresses (void **state)
{
  uint8_t table[4 + 6 + 4 + 6] = { 1 };
  uint8_t large[4 + 65 * 6 + 4] = { 65 };
  const uint8_t off = 0;
  struct net_info info;

  begin ("off", 0);
  control (VIRTIO_NET_CTRL_RX, VIRTIO_NET_CTRL_RX_PROMISC, &off, 1);
  assert_int_equal (control (VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_ADDR_SET, OTHER, 6), VIRTIO_NET_OK);
  assert_true (arrives (OTHER, 0));
  assert_false (arrives (OWN, 0));
  net_describe (dev, &info);
  assert_memory_equal (info.mac, OTHER, 6);
  assert_int_equal (control (VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_ADDR_SET, OWN, 5), VIRTIO_NET_ERR);
  memcpy (table + 4, OWN, 6);
  table[10] = 1;
  memcpy (table + 14, GROUP, 6);
  assert_int_equal (control (VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_TABLE_SET, table, sizeof table),
                    VIRTIO_NET_OK);
  assert_true (arrives (OWN, 0));
  assert_true (arrives (GROUP, 0));
  assert_false (arrives ("\x01\x00\x5e\x00\x00\x06", 0));
  assert_int_equal (control (VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_TABLE_SET, table,
                             sizeof table - 1), VIRTIO_NET_ERR);
  assert_true (arrives (GROUP, 0));
  /* More than there is room for: all of them. */
  assert_int_equal (control (VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_TABLE_SET, large, sizeof large),
                    VIRTIO_NET_OK);
  assert_true (arrives ("\x02\x00\x00\x00\x00\x99", 0));
  assert_false (arrives (GROUP, 0));
}

static void
test_link_and_announcement (void **state)
{
  struct virtio_net_hdr header = { 0 };
  struct virtio_net_config config;
  uint8_t nothing = 0;

  begin ("off", 0);
  config_changes = 0;
  net_set_link (dev, false);
  net_set_link (dev, false);
  assert_int_equal (config_changes, 1);
  vdev_read_config (dev, 0, &config, sizeof config);
  assert_int_equal (config.status, 0);
  assert_int_equal (config.mtu, 1500);
  transmit (&header, 60);
  assert_int_equal (count (NET_TX_NO_LINK), 1);
  assert_false (arrives (OWN, 0));
  net_set_link (dev, true);
  transmit (&header, 60);
  assert_int_equal (count (NET_TX_FRAMES), 1);
  net_announce (dev);
  vdev_read_config (dev, 0, &config, sizeof config);
  assert_int_equal (config.status, VIRTIO_NET_S_LINK_UP | VIRTIO_NET_S_ANNOUNCE);
  assert_int_equal (control (VIRTIO_NET_CTRL_ANNOUNCE, 0, &nothing, 0), VIRTIO_NET_OK);
  vdev_read_config (dev, 0, &config, sizeof config);
  assert_int_equal (config.status, VIRTIO_NET_S_LINK_UP);
}

/* A full wire holds the ring up, and nothing is lost. */
static void
test_wire_without_room (void **state)
{
  uint8_t got[100];
  unsigned sent = 0, arrived = 0;

  begin ("off", 0);
  memset (frame_area (), 0, 100);
  desc_of (TX)[0] = (struct virtio_desc){ RAM_DATA, 72, 0, 0 };
  for (unsigned round = 0; round < 100; round++)
    {
      while ((uint16_t) (sent - used_of (TX)->idx) < SIZE)
        {
          offer (TX, 0);
          sent++;
        }
      vdev_kick (dev, TX);
    }
  assert_true (used_of (TX)->idx < sent);
  for (unsigned turn = 0; turn < 1000 && arrived < sent; turn++)
    {
      while (on_wire (got, sizeof got) == 60)
        arrived++;
      vdev_kick (dev, TX);
    }
  assert_int_equal (arrived, sent);
  assert_int_equal (count (NET_TX_FRAMES), sent);
}

/* The other end of a socket pair of packets has gone: that is read once, not for ever. */
static void
test_wire_that_ends (void **state)
{
  begin_on (SOCK_SEQPACKET, "off", 0);
  for (uint16_t i = 0; i < 2; i++)
    give_buffer (i, 1024);
  close (wire);
  for (unsigned i = 0; i < 3; i++)
    vdev_kick (dev, RX);
  assert_int_equal (count (NET_RX_BAD), 0);
  assert_int_equal (count (NET_RX_FRAMES), 0);
  wire = dup (STDERR_FILENO); /* begin() closes it */
}

static void
test_options (void **state)
{
  const char *const bad[][2] = { { "mac", "01:00:00:00:00:00" }, { "mac", "52:54:00" },
                                 { "mtu", "67" },               { "socket-fd", "999" },
                                 { "socket-fd", "x" },          { "queues", "2" },
                                 { "fds", "998:999" },              { "color", "red" } };
  struct vdev *none = NULL;

  for (unsigned i = 0; i < sizeof bad / sizeof bad[0]; i++)
    {
      struct options options = { 0 };

      options_add (&options, "local", "/nonexistent/a");
      options_add (&options, "peer", "/nonexistent/b");
      options_add (&options, bad[i][0], bad[i][1]);
      assert_true (net_create (&options, &none) < 0);
      assert_null (none);
    }
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_transmit),
    cmocka_unit_test (test_transmit_with_header),
    cmocka_unit_test (test_headers),
    cmocka_unit_test (test_receive_into_merged_buffers),
    cmocka_unit_test (test_receive_into_single_buffers),
    cmocka_unit_test (test_frames_wait_while_there_are_no_buffers),
    cmocka_unit_test (test_peers_header_is_checked),
    cmocka_unit_test (test_filter),
    cmocka_unit_test (test_commands_nobody_negotiated),
    cmocka_unit_test (test_addresses),
    cmocka_unit_test (test_link_and_announcement),
    cmocka_unit_test (test_wire_without_room),
    cmocka_unit_test (test_wire_that_ends),
    cmocka_unit_test (test_options),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
