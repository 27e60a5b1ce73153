/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A frame as of a guest that begins a connection to the name server by TCP. */
#ifdef PVT_HAVE_LIBSLIRP
#include "user.h"

#include <string.h>

/* RFC 1071, of an even number of bytes */
static void
put_sum (uint8_t *at, const uint8_t *bytes, unsigned len, uint32_t sum)
{
  for (unsigned i = 0; i < len; i += 2)
    sum += (uint32_t) bytes[i] << 8 | bytes[i + 1];
  sum = (sum >> 16) + (sum & 0xffff);
  sum = ~(sum + (sum >> 16));
  at[0] = (uint8_t) (sum >> 8);
  at[1] = (uint8_t) sum;
}

void
user_knock (const SlirpConfig *config, uint8_t frame[USER_KNOCK_BYTES])
{
  static const uint8_t begin[] = {
    0x52, 0x55, 10, 0, 2, 2, 0x52, 0x54, 0, 0, 0, 1, 0x08, 0x00, /* Ethernet: IPv4 */
    0x45, 0, 0, 40, 0, 1, 0, 0, 64, 6, /* RFC 791: 40 bytes, TCP */
  };
  uint8_t *ip = frame + 14, *tcp = ip + 20;

  memset (frame, 0, USER_KNOCK_BYTES);
  memcpy (frame, begin, sizeof begin);
  memcpy (ip + 12, &config->vdhcp_start, 4);
  memcpy (ip + 16, &config->vnameserver, 4);
  put_sum (ip + 10, ip, 20, 0);
  tcp[0] = 0x80; /* from port 32768 */
  tcp[3] = 53;
  tcp[12] = 5 << 4; /* words of header */
  tcp[13] = 2;      /* SYN (RFC 9293) */
  put_sum (tcp + 16, ip + 12, 28, 6 + 20); /* with both addresses, protocol and length */
}
#endif
