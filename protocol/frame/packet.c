/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "packet.h"

/* A parser's memory goes back to this once it is empty. */
#define RESTING (16 * 1024)

void
pvt_packet_parser_init (PvtPacketParser *parser, gboolean lost)
{
  *parser = (PvtPacketParser){ .lost = lost ? 1 : 0 };
}

void
pvt_packet_parser_clear (PvtPacketParser *parser)
{
  pvt_buf_clear (&parser->buf);
}

char *
pvt_packet_reserve (PvtPacketParser *parser, gsize n)
{
  if (parser->pos == parser->buf.len)
    pvt_buf_empty (&parser->buf, RESTING + n);
  else
    pvt_buf_consume (&parser->buf, parser->pos);
  parser->pos = 0;
  return pvt_buf_reserve (&parser->buf, n);
}

void
pvt_packet_commit (PvtPacketParser *parser, gsize n)
{
  parser->buf.len += n;
}

static guint32
get_u32 (const char *p)
{
  guint32 value;

  memcpy (&value, p, sizeof value);
  return GUINT32_FROM_LE (value);
}

/* Looks for the mark of a new beginning; TRUE once it was found. */
static gboolean
find_step (PvtPacketParser *parser)
{
  while (parser->pos < parser->buf.len)
    {
      if ((guchar) parser->buf.data[parser->pos++] != 0xff)
        parser->lost = 1;
      else if (++parser->lost > PVT_PACKET_SYNC)
        {
          parser->lost = 0;
          return TRUE;
        }
    }
  return FALSE;
}

static gboolean
is_header (const char *p)
{
  return p[0] >= PVT_PACKET_HELLO && p[0] <= PVT_PACKET_END && (guchar) p[1] <= 2 && p[2] == 0
         && p[3] == 0 && get_u32 (p + 8) <= PVT_PACKET_MAX;
}

PvtPacketResult
pvt_packet_next (PvtPacketParser *parser, PvtPacket *packet)
{
  const char *p;
  gsize have;

  if (parser->lost && !find_step (parser))
    return PVT_PACKET_NONE;
  while (parser->pos < parser->buf.len && (guchar) parser->buf.data[parser->pos] == 0xff)
    parser->pos++;
  have = parser->buf.len - parser->pos;
  if (have < PVT_PACKET_HEADER)
    return PVT_PACKET_NONE;
  p = parser->buf.data + parser->pos;
  if (!is_header (p))
    {
      parser->lost = 1;
      return PVT_PACKET_BAD;
    }
  *packet = (PvtPacket){ (PvtPacketType) p[0], (guint8) p[1], get_u32 (p + 4),
                         p + PVT_PACKET_HEADER, get_u32 (p + 8) };
  if (have - PVT_PACKET_HEADER < packet->len)
    return PVT_PACKET_NONE;
  parser->pos += PVT_PACKET_HEADER + packet->len;
  return PVT_PACKET_READY;
}

void
pvt_packet_append_header (PvtBuf *out, PvtPacketType type, guint8 channel, guint32 id, gsize len)
{
  guint32 le_id = GUINT32_TO_LE (id), le_len = GUINT32_TO_LE ((guint32) len);
  char header[PVT_PACKET_HEADER] = { (char) type, (char) channel };

  g_assert (len <= PVT_PACKET_MAX);
  memcpy (header + 4, &le_id, sizeof le_id);
  memcpy (header + 8, &le_len, sizeof le_len);
  pvt_buf_append (out, header, sizeof header);
}

void
pvt_packet_append (PvtBuf *out, PvtPacketType type, guint8 channel, guint32 id, const void *data,
                   gsize len)
{
  pvt_packet_append_header (out, type, channel, id, len);
  pvt_buf_append (out, data, len);
}
