/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "user-room.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "host-side/vmm/core/limits.h"
#include "host-side/vmm/core/log.h"

#define MIB (UINT64_C (1) << 20)
#define OWN_DATA (448 * MIB) /* of the 512 MiB in core/limits.c */
#define SPARE_DATA (32 * MIB) /* below the process's limit */
#define LIMIT_MAX 4096u /* of descriptors: asking for one far up would make a table that long */

#define ETHER_BYTES 14u
#define IP6_BYTES 40u
#define TYPE_ARP 0x0806u
#define TYPE_IP4 0x0800u
#define TYPE_IP6 0x86ddu
#define PROTO_TCP 6u
#define PROTO_ICMP6 58u
#define TCP_SYN 2u
#define ND_FIRST 133u /* RFC 4861: solicitations, advertisements and redirects */
#define ND_LAST 137u

/* proc_pid_statm(5): data and stack, in pages, are the sixth number. */
static uint64_t
data_now (const struct user_room *room)
{
  unsigned long long pages;
  char text[256];
  ssize_t n = room->statm < 0 ? -1 : pread (room->statm, text, sizeof text - 1, 0);

  if (n <= 0)
    return 0;
  text[n] = '\0';
  return sscanf (text, "%*u %*u %*u %*u %*u %llu", &pages) == 1
           ? pages * (uint64_t) sysconf (_SC_PAGESIZE)
           : 0;
}

void
user_room_init (struct user_room *room)
{
  *room = (struct user_room){ .statm = open ("/proc/self/statm", O_RDONLY | O_CLOEXEC) };
  room->data_max = data_now (room) + OWN_DATA;
}

void
user_room_finish (struct user_room *room)
{
  if (room->statm > 0)
    close (room->statm);
}

void
user_room_look (struct user_room *room)
{
  uint64_t limit = limits_data (), data = data_now (room);

  room->full = data > room->data_max || (limit > SPARE_DATA && data > limit - SPARE_DATA);
}

/* The kernel gives the lowest number that is free: while this one is, so are those that
 * others may want behind it. */
static bool
has_descriptors (int fd)
{
  uint64_t limit = limits_descriptors ();
  int want, got;

  if (limit > LIMIT_MAX)
    limit = LIMIT_MAX;
  if (limit <= USER_ROOM_LEAVES)
    return false;
  want = (int) (limit - USER_ROOM_LEAVES - 1);
  got = fcntl (fd, F_DUPFD_CLOEXEC, want);
  if (got >= 0)
    close (got);
  return got == want;
}

static unsigned
get16 (const uint8_t *at)
{
  return (unsigned) at[0] << 8 | at[1];
}

/* What a frame may make libslirp take. */
struct needs
{
  bool socket, memory;
};

static struct needs
needs_of_tcp (const uint8_t *tcp, size_t len, size_t bytes)
{
  bool syn = len < 20 || tcp[13] & TCP_SYN;

  return (struct needs){ syn, syn || bytes > (size_t) (tcp[12] >> 4) * 4 };
}

static struct needs
needs_of (const uint8_t *frame, size_t len)
{
  const struct needs all = { true, true }, none = { false, false };
  const uint8_t *ip = frame + ETHER_BYTES;
  size_t header;

  if (len < ETHER_BYTES || get16 (frame + 12) == TYPE_ARP)
    return none;
  len -= ETHER_BYTES;
  if (get16 (frame + 12) == TYPE_IP4 && len >= 20)
    {
      header = (ip[0] & 15u) * 4u;
      /* A fragment, of whatever, waits for the others. */
      if (ip[9] != PROTO_TCP || get16 (ip + 6) & 0x3fff || header < 20 || header > len
          || get16 (ip + 2) < header)
        return all;
      return needs_of_tcp (ip + header, len - header, get16 (ip + 2) - header);
    }
  if (get16 (frame + 12) == TYPE_IP6 && len >= IP6_BYTES)
    {
      if (ip[6] == PROTO_ICMP6 && len > IP6_BYTES && ip[IP6_BYTES] >= ND_FIRST
          && ip[IP6_BYTES] <= ND_LAST)
        return none;
      return ip[6] == PROTO_TCP ? needs_of_tcp (ip + IP6_BYTES, len - IP6_BYTES, get16 (ip + 4)) : all;
    }
  return all;
}

bool
user_room_admits (struct user_room *room, const uint8_t *frame, size_t len, int fd)
{
  struct needs needs = needs_of (frame, len);

  if (!(needs.memory && room->full) && !(needs.socket && !has_descriptors (fd)))
    return true;
  if (!room->told)
    vmm_log_guest ("net: user: the guest has begun more than there is room for");
  room->told = true;
  return false;
}
