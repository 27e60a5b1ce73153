/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The extended channel's packets with every chunk size: the same come out. */
#include "fuzz.h"

#include "protocol/frame/packet.h"

static guint
run (const uint8_t *data, size_t size, size_t chunk, gboolean lost)
{
  PvtPacketParser parser;
  PvtPacketResult result;
  PvtPacket packet;
  guint sum = 0;

  pvt_packet_parser_init (&parser, lost);
  for (size_t at = 0; at < size; at += chunk)
    {
      size_t n = MIN (chunk, size - at);

      memcpy (pvt_packet_reserve (&parser, n), data + at, n);
      pvt_packet_commit (&parser, n);
      while ((result = pvt_packet_next (&parser, &packet)) != PVT_PACKET_NONE)
        {
          sum = sum * 31 + result;
          if (result == PVT_PACKET_READY)
            sum = sum * 31 + packet.id + packet.len + (packet.len ? (guint8) packet.data[packet.len - 1] : 0);
        }
    }
  pvt_packet_parser_clear (&parser);
  return sum;
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  for (gboolean lost = FALSE; size > 0 && lost <= TRUE; lost++)
    {
      guint whole = run (data, size, size, lost);

      g_assert_cmpuint (run (data, size, 1, lost), ==, whole);
      g_assert_cmpuint (run (data, size, 13, lost), ==, whole);
    }
  return 0;
}
