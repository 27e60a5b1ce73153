/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Packets of the extended channel. Pure: bytes in, packets out, no I/O.
 *
 *   0  type      1 to 8, see PvtPacketType
 *   1  channel   of a DATA or WINDOW packet: 0 in, 1 out, 2 err; else 0
 *   2  zero (16 bits)
 *   4  id        of the request that it belongs to, little-endian
 *   8  length    of the payload, little-endian, at most PVT_PACKET_MAX
 *   12 payload
 *
 * Where a packet may begin, bytes 0xFF are passed over. A port of the
 * hypervisor is one byte stream for all clients that ever come: a new one sends
 * PVT_PACKET_SYNC of them before its HELLO. If the last client left a packet
 * unfinished, and no answer comes, it sends PVT_PACKET_MAX more: they end it.
 * After bytes that are no packet all is dropped until that many 0xFF in a row.
 */
#pragma once

#include "protocol/codec/buf.h"

#define PVT_PACKET_HEADER 12
#define PVT_PACKET_MAX (256u * 1024)
#define PVT_PACKET_SYNC 8

/* What a side may send on one channel of a stream before it is told to go on. */
#define PVT_STREAM_WINDOW (512u * 1024)

typedef enum
{
  PVT_PACKET_HELLO = 1, /* JSON; ends all that was under way */
  PVT_PACKET_REQUEST,   /* JSON, as on the plain channel */
  PVT_PACKET_REPLY,     /* JSON */
  PVT_PACKET_CANCEL,    /* nobody waits for the request any more; its stream ends */
  PVT_PACKET_DATA,      /* bytes; none: the end of that channel */
  PVT_PACKET_WINDOW,    /* 32 bits: so many more bytes may be sent */
  PVT_PACKET_CONTROL,   /* JSON about a stream, to the guest */
  PVT_PACKET_END,       /* JSON: the stream is over, and how it went */
} PvtPacketType;

typedef struct
{
  PvtPacketType type;
  guint8 channel;
  guint32 id;
  /* borrowed from the parser until its next call */
  const char *data;
  guint32 len;
} PvtPacket;

typedef enum
{
  PVT_PACKET_NONE, /* more bytes are needed */
  PVT_PACKET_READY,
  PVT_PACKET_BAD, /* bytes were no packet; once each time that happens */
} PvtPacketResult;

typedef struct
{
  PvtBuf buf;
  gsize pos;      /* of the next byte to look at */
  guint lost;     /* 0, or 1 + how many 0xFF were seen in a row while out of step */
} PvtPacketParser;

/* Zeroed memory is a parser that is in step. @lost: it begins out of step, as
 * the host's end of a port does. */
void pvt_packet_parser_init (PvtPacketParser *parser, gboolean lost);
void pvt_packet_parser_clear (PvtPacketParser *parser);

/* Room for @n bytes to read into; commit says how many came. Invalidates the
 * last packet. */
char *pvt_packet_reserve (PvtPacketParser *parser, gsize n);
void pvt_packet_commit (PvtPacketParser *parser, gsize n);

PvtPacketResult pvt_packet_next (PvtPacketParser *parser, PvtPacket *packet);

/* Appends a packet. @len is at most PVT_PACKET_MAX. */
void pvt_packet_append (PvtBuf *out, PvtPacketType type, guint8 channel, guint32 id,
                        const void *data, gsize len);

/* Appends the header alone, for a payload that is put behind it. */
void pvt_packet_append_header (PvtBuf *out, PvtPacketType type, guint8 channel, guint32 id,
                               gsize len);
