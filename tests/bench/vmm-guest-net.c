/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* TCP between the guest and its host. The first byte of a connection says what it is:
 * 'o' the guest sends until it shuts down, and is told when all has come; 'i' the host
 * sends until the guest closes; 'r' every byte comes back. */
#define _GNU_SOURCE
#include "vmm-guest.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define PORT 5001
#define HOST "10.9.0.1"
#define GUEST "10.9.0.2"
#define CHUNK (128u << 10)

static char chunk[CHUNK];

/* ---- the host ---- */

static void
serve_one (int fd)
{
  char what = 0;
  int on = 1;

  setsockopt (fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (read (fd, &what, 1) != 1)
    return;
  if (what == 'o')
    {
      while (read (fd, chunk, sizeof chunk) > 0)
        continue;
      if (write (fd, "!", 1) != 1)
        return;
    }
  while (what == 'i' && write (fd, chunk, sizeof chunk) > 0)
    continue;
  while (what == 'r' && read (fd, chunk, 1) == 1 && write (fd, chunk, 1) == 1)
    continue;
}

int
serve (void)
{
  struct sockaddr_in addr = { .sin_family = AF_INET, .sin_port = htons (PORT) };
  int on = 1, sock = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

  signal (SIGPIPE, SIG_IGN);
  setsockopt (sock, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (bind (sock, (struct sockaddr *) &addr, sizeof addr) < 0 || listen (sock, 4) < 0)
    return 1;
  for (;;)
    {
      int fd = accept4 (sock, NULL, NULL, SOCK_CLOEXEC);

      if (fd < 0)
        continue;
      serve_one (fd);
      close (fd);
    }
}

/* ---- the guest ---- */

static int
bring_up (const char *name)
{
  struct ifreq request = { 0 };
  struct sockaddr_in *addr = (struct sockaddr_in *) &request.ifr_addr;
  int sock = socket (AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), ret;

  strcpy (request.ifr_name, name);
  addr->sin_family = AF_INET;
  inet_pton (AF_INET, GUEST, &addr->sin_addr);
  ret = ioctl (sock, SIOCSIFADDR, &request);
  inet_pton (AF_INET, "255.255.255.0", &addr->sin_addr);
  if (ret == 0)
    ret = ioctl (sock, SIOCSIFNETMASK, &request);
  request.ifr_flags = IFF_UP | IFF_RUNNING;
  if (ret == 0)
    ret = ioctl (sock, SIOCSIFFLAGS, &request);
  close (sock);
  return ret;
}

static int
connect_to (char what)
{
  struct sockaddr_in addr = { .sin_family = AF_INET, .sin_port = htons (PORT) };
  int on = 1, fd = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

  inet_pton (AF_INET, HOST, &addr.sin_addr);
  setsockopt (fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (connect (fd, (struct sockaddr *) &addr, sizeof addr) == 0 && write (fd, &what, 1) == 1)
    return fd;
  say ("error connect: %s\n", strerror (errno));
  close (fd);
  return -1;
}

static void
stream_out (double seconds)
{
  int fd = connect_to ('o');
  long long count = 0;
  ssize_t n = 0;
  double until;

  say ("begin stream-out\n");
  until = seconds_now () + seconds;
  while (seconds_now () < until && (n = write (fd, chunk, sizeof chunk)) > 0)
    count += n;
  shutdown (fd, SHUT_WR);
  if (n < 0 || read (fd, chunk, 1) != 1)
    say ("error stream-out: %s\n", strerror (errno));
  say ("end stream-out %lld\n", count);
  close (fd);
}

static void
stream_in (double seconds)
{
  int fd = connect_to ('i');
  long long count = 0;
  ssize_t n = 0;
  double until;

  say ("begin stream-in\n");
  until = seconds_now () + seconds;
  while (seconds_now () < until && (n = read (fd, chunk, sizeof chunk)) > 0)
    count += n;
  if (n <= 0)
    say ("error stream-in: %s\n", strerror (errno));
  say ("end stream-in %lld\n", count);
  close (fd);
}

static void
round_trip (double seconds)
{
  int fd = connect_to ('r');
  long long count = 0;
  double until;

  say ("begin round-trip\n");
  until = seconds_now () + seconds;
  while (seconds_now () < until && write (fd, "x", 1) == 1 && read (fd, chunk, 1) == 1)
    count++;
  say ("end round-trip %lld\n", count);
  close (fd);
}

void
measure_network (double seconds)
{
  if (bring_up ("eth0") < 0)
    {
      say ("error eth0: %s\n", strerror (errno));
      return;
    }
  round_trip (seconds);
  stream_out (seconds);
  stream_in (seconds);
}
