/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Both ends of a test connection, for the guest and for the host: every byte is known
 * on both sides and compared.
 *
 *   netpeer tcp-serve PORT COUNT           takes COUNT connections, one after the other
 *   netpeer tcp-send ADDR PORT BYTES
 *   netpeer udp-serve PORT COUNT SIZE      COUNT datagrams, each once and in any order
 *   netpeer udp-send ADDR PORT COUNT SIZE  at most WINDOW of them are on their way
 *
 * The servers print "ready", and both sides print "ok" at the end. */
#include <arpa/inet.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define WINDOW 128u /* datagrams, and */
#define WINDOW_BYTES 200000u /* bytes: what a tap holds */
#define PATIENCE_MS 60000

static void
fail (const char *what)
{
  perror (what);
  exit (1);
}

static uint8_t
pattern (uint64_t at)
{
  return (uint8_t) ((at * UINT64_C (0x9e3779b97f4a7c15)) >> 56);
}

static unsigned
window_for (size_t size)
{
  size_t n = WINDOW_BYTES / size;

  return n < 4 ? 4 : n > WINDOW ? WINDOW : (unsigned) n;
}

static struct sockaddr_in6
address_of (const char *text, const char *port)
{
  struct sockaddr_in6 address = { .sin6_family = AF_INET6, .sin6_port = htons ((uint16_t) atoi (port)) };
  char mapped[64];

  snprintf (mapped, sizeof mapped, "%s%s", strchr (text, ':') ? "" : "::ffff:", text);
  if (inet_pton (AF_INET6, mapped, &address.sin6_addr) != 1)
    fail (text);
  return address;
}

static int
open_socket (int type)
{
  int fd = socket (AF_INET6, type, 0), one = 1, room = 8 << 20;

  if (fd < 0)
    fail ("socket");
  setsockopt (fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  setsockopt (fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room);
  return fd;
}

static int
serve_at (int type, const char *port)
{
  struct sockaddr_in6 any = address_of ("::", port);
  int fd = open_socket (type);

  if (bind (fd, (struct sockaddr *) &any, sizeof any) < 0)
    fail ("bind");
  if (type == SOCK_STREAM && listen (fd, 4) < 0)
    fail ("listen");
  puts ("ready");
  fflush (stdout);
  return fd;
}

static void
wait_readable (int fd)
{
  struct pollfd waiting = { .fd = fd, .events = POLLIN };

  if (poll (&waiting, 1, PATIENCE_MS) != 1)
    {
      fputs ("nothing came\n", stderr);
      exit (1);
    }
}

static int
tcp_serve (const char *port, unsigned count)
{
  static uint8_t bytes[65536];
  int listener = serve_at (SOCK_STREAM, port);

  for (unsigned i = 0; i < count; i++)
    {
      uint64_t at = 0;
      ssize_t got;
      int fd;

      wait_readable (listener);
      fd = accept (listener, NULL, NULL);
      for (;;)
        {
          wait_readable (fd);
          got = read (fd, bytes, sizeof bytes);
          if (got <= 0)
            break;
          for (ssize_t k = 0; k < got; k++)
            if (bytes[k] != pattern (at++))
              {
                fprintf (stderr, "a wrong byte at %llu\n", (unsigned long long) at - 1);
                return 1;
              }
        }
      if (got < 0)
        fail ("read");
      if (write (fd, &at, sizeof at) != sizeof at)
        fail ("write");
      close (fd);
    }
  puts ("ok");
  return 0;
}

static int
tcp_send (const char *host, const char *port, uint64_t total)
{
  static uint8_t bytes[65536];
  struct sockaddr_in6 to = address_of (host, port);
  int fd = open_socket (SOCK_STREAM);
  uint64_t arrived = 0;

  if (connect (fd, (struct sockaddr *) &to, sizeof to) < 0)
    fail ("connect");
  for (uint64_t at = 0; at < total;)
    {
      size_t step = total - at < sizeof bytes ? total - at : sizeof bytes;

      for (size_t k = 0; k < step; k++)
        bytes[k] = pattern (at + k);
      for (size_t done = 0; done < step;)
        {
          ssize_t sent = write (fd, bytes + done, step - done);

          if (sent < 0)
            fail ("write");
          done += (size_t) sent;
        }
      at += step;
    }
  shutdown (fd, SHUT_WR);
  wait_readable (fd);
  if (read (fd, &arrived, sizeof arrived) != sizeof arrived || arrived != total)
    fail ("not all arrived");
  puts ("ok");
  return 0;
}

static int
udp_serve (const char *port, uint64_t count, size_t size)
{
  static uint8_t bytes[65536];
  uint8_t *seen = calloc (1, count);
  int fd = serve_at (SOCK_DGRAM, port);
  uint64_t have = 0;

  while (have < count)
    {
      struct sockaddr_in6 from;
      socklen_t len = sizeof from;
      uint64_t number;
      ssize_t got;

      wait_readable (fd);
      got = recvfrom (fd, bytes, sizeof bytes, 0, (struct sockaddr *) &from, &len);
      memcpy (&number, bytes, sizeof number);
      if (got != (ssize_t) size || number >= count || seen[number])
        {
          fprintf (stderr, "a datagram of %zd bytes, number %llu, seen\n", got, (unsigned long long) number);
          return 1;
        }
      for (size_t k = sizeof number; k < size; k++)
        if (bytes[k] != pattern (number + k))
          {
            fprintf (stderr, "a wrong byte in datagram %llu\n", (unsigned long long) number);
            return 1;
          }
      seen[number] = 1;
      have++;
      if (have % (window_for (size) / 4) == 0 || have == count)
        sendto (fd, &have, sizeof have, 0, (struct sockaddr *) &from, len);
    }
  puts ("ok");
  return 0;
}

static int
udp_send (const char *host, const char *port, uint64_t count, size_t size)
{
  static uint8_t bytes[65536];
  struct sockaddr_in6 to = address_of (host, port);
  int fd = open_socket (SOCK_DGRAM);
  uint64_t arrived = 0;

  if (connect (fd, (struct sockaddr *) &to, sizeof to) < 0)
    fail ("connect");
  for (uint64_t number = 0; arrived < count;)
    {
      if (number < count && number - arrived < window_for (size))
        {
          memcpy (bytes, &number, sizeof number);
          for (size_t k = sizeof number; k < size; k++)
            bytes[k] = pattern (number + k);
          if (send (fd, bytes, size, 0) != (ssize_t) size)
            fail ("send");
          number++;
          continue;
        }
      wait_readable (fd);
      if (recv (fd, &arrived, sizeof arrived, 0) != sizeof arrived)
        fail ("recv");
    }
  puts ("ok");
  return 0;
}

int
main (int argc, char **argv)
{
  if (argc == 4 && strcmp (argv[1], "tcp-serve") == 0)
    return tcp_serve (argv[2], (unsigned) atoi (argv[3]));
  if (argc == 5 && strcmp (argv[1], "tcp-send") == 0)
    return tcp_send (argv[2], argv[3], strtoull (argv[4], NULL, 10));
  if (argc == 5 && strcmp (argv[1], "udp-serve") == 0)
    return udp_serve (argv[2], strtoull (argv[3], NULL, 10), strtoul (argv[4], NULL, 10));
  if (argc == 6 && strcmp (argv[1], "udp-send") == 0)
    return udp_send (argv[2], argv[3], strtoull (argv[4], NULL, 10), strtoul (argv[5], NULL, 10));
  fputs ("usage: netpeer tcp-serve|tcp-send|udp-serve|udp-send ...\n", stderr);
  return 2;
}
