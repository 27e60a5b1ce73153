/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tap-main.h"

#include "protocol/frame/packet.h"

/* What came out, as text: TYPE.CHANNEL.ID:LENGTH, ! for bytes that are no packet. */
static char *
run (const PvtBuf *in, gsize chunk, gboolean lost)
{
  GString *out = g_string_new (NULL);
  PvtPacketParser parser;
  PvtPacketResult result;
  PvtPacket packet;

  pvt_packet_parser_init (&parser, lost);
  for (gsize at = 0; at < in->len; at += chunk)
    {
      gsize n = MIN (chunk, in->len - at);

      memcpy (pvt_packet_reserve (&parser, n), in->data + at, n);
      pvt_packet_commit (&parser, n);
      while ((result = pvt_packet_next (&parser, &packet)) != PVT_PACKET_NONE)
        if (result == PVT_PACKET_READY)
          g_string_append_printf (out, "%d.%d.%u:%u ", packet.type, packet.channel, packet.id, packet.len);
        else
          g_string_append (out, "! ");
    }
  pvt_packet_parser_clear (&parser);
  return g_string_free (out, FALSE);
}

static void
expect (const PvtBuf *in, gboolean lost, const char *wanted)
{
  static const gsize chunks[] = { 1, 3, 12, 13, 4096, 1 << 20 };

  for (guint i = 0; i < G_N_ELEMENTS (chunks); i++)
    {
      g_autofree char *got = run (in, chunks[i], lost);

      assert_string_equal (got, wanted);
    }
}

static void
sync_bytes (PvtBuf *buf, guint n)
{
  for (guint i = 0; i < n; i++)
    pvt_buf_append_c (buf, (char) 0xff);
}

static void
test_round_trip (void **state)
{
  static char big[PVT_PACKET_MAX];
  PvtBuf buf = { 0 };

  (void) state;
  pvt_packet_append (&buf, PVT_PACKET_HELLO, 0, 1, "{}", 2);
  pvt_packet_append (&buf, PVT_PACKET_DATA, 2, 0xfffffffe, big, sizeof big);
  pvt_packet_append (&buf, PVT_PACKET_DATA, 1, 7, NULL, 0);
  sync_bytes (&buf, 3);
  pvt_packet_append (&buf, PVT_PACKET_END, 0, 255, "x", 1);
  expect (&buf, FALSE, "1.0.1:2 5.2.4294967294:262144 5.1.7:0 8.0.255:1 ");
  pvt_buf_clear (&buf);
}

static void
test_layout (void **state)
{
  static const guint8 wanted[] = { 6, 1, 0, 0, 0x78, 0x56, 0x34, 0x12, 3, 0, 0, 0, 'a', 'b', 'c' };
  PvtBuf buf = { 0 };

  (void) state;
  pvt_packet_append (&buf, PVT_PACKET_WINDOW, 1, 0x12345678, "abc", 3);
  assert_int_equal (buf.len, sizeof wanted);
  assert_memory_equal (buf.data, wanted, sizeof wanted);
  pvt_buf_clear (&buf);
}

/* Every byte of the header that may not be so. */
static void
test_bad_headers (void **state)
{
  static const struct
  {
    guint at;
    guint8 value;
  } bad[] = { { 0, 0 }, { 0, 9 }, { 0, '{' }, { 1, 3 }, { 2, 1 }, { 3, 1 }, { 11, 1 }, { 10, 5 } };

  (void) state;
  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      PvtBuf buf = { 0 };

      pvt_packet_append (&buf, PVT_PACKET_REQUEST, 0, 1, "{}", 2);
      buf.data[bad[i].at] = (char) bad[i].value;
      pvt_packet_append (&buf, PVT_PACKET_REQUEST, 0, 2, "{}", 2);
      sync_bytes (&buf, PVT_PACKET_SYNC);
      pvt_packet_append (&buf, PVT_PACKET_HELLO, 0, 3, "{}", 2);
      expect (&buf, FALSE, "! 1.0.3:2 ");
      pvt_buf_clear (&buf);
    }
}

static void
test_out_of_step (void **state)
{
  PvtBuf buf = { 0 };

  (void) state;
  pvt_packet_append (&buf, PVT_PACKET_DATA, 1, 1, "left over", 9);
  sync_bytes (&buf, PVT_PACKET_SYNC - 1);
  pvt_buf_append_c (&buf, 'x');
  pvt_packet_append (&buf, PVT_PACKET_DATA, 1, 2, "left over", 9);
  sync_bytes (&buf, PVT_PACKET_SYNC);
  pvt_packet_append (&buf, PVT_PACKET_HELLO, 0, 3, "{}", 2);
  expect (&buf, TRUE, "1.0.3:2 ");
  pvt_buf_clear (&buf);
}

/* A packet of which only the header came, and what a new client sends then. */
static void
test_padding_ends_a_packet (void **state)
{
  PvtBuf buf = { 0 };

  (void) state;
  pvt_packet_append_header (&buf, PVT_PACKET_DATA, 0, 9, PVT_PACKET_MAX);
  sync_bytes (&buf, PVT_PACKET_MAX + PVT_PACKET_SYNC);
  pvt_packet_append (&buf, PVT_PACKET_HELLO, 0, 3, "{}", 2);
  expect (&buf, FALSE, "5.0.9:262144 1.0.3:2 ");
  pvt_buf_clear (&buf);
}

int
main (void)
{
  const struct CMUnitTest tests[]
      = { cmocka_unit_test (test_round_trip), cmocka_unit_test (test_layout),
          cmocka_unit_test (test_bad_headers), cmocka_unit_test (test_out_of_step),
          cmocka_unit_test (test_padding_ends_a_packet) };

  return cmocka_run_group_tests_name ("packet", tests, NULL, NULL);
}
