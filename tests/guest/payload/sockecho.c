/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Both ends of a check of vsock, for guests that have no tool for it:
 *
 *   sockecho vsock-listen PORT | unix-listen PATH     sends back what the first client sends
 *   sockecho vsock-send PORT BYTES                    to the host's program at this port
 *   sockecho mux-send PATH PORT BYTES                 to the guest's by the VMM's socket
 *
 * A sender compares what comes back, ends its half, and wants the other half's end. */
#include <linux/vm_sockets.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static int
fail (const char *what)
{
  perror (what);
  exit (1);
}

static int
open_unix (const char *path, int listens)
{
  struct sockaddr_un address = { .sun_family = AF_UNIX };
  int fd = socket (AF_UNIX, SOCK_STREAM, 0);

  strncpy (address.sun_path, path, sizeof address.sun_path - 1);
  if (listens ? bind (fd, (struct sockaddr *) &address, sizeof address) || listen (fd, 4)
              : connect (fd, (struct sockaddr *) &address, sizeof address))
    fail (path);
  return fd;
}

static int
open_vsock (const char *port, int listens)
{
  struct sockaddr_vm address = { .svm_family = AF_VSOCK, .svm_port = (unsigned) atol (port),
                                 .svm_cid = listens ? VMADDR_CID_ANY : VMADDR_CID_HOST };
  int fd = socket (AF_VSOCK, SOCK_STREAM, 0);

  if (listens ? bind (fd, (struct sockaddr *) &address, sizeof address) || listen (fd, 4)
              : connect (fd, (struct sockaddr *) &address, sizeof address))
    fail (port);
  return fd;
}

static int
open_mux (const char *path, const char *port)
{
  int fd = open_unix (path, 0);
  char line[32], byte = 0;
  ssize_t len = snprintf (line, sizeof line, "CONNECT %s\n", port);

  if (write (fd, line, (size_t) len) != len)
    fail (path);
  for (len = 0; byte != '\n'; len++)
    if (read (fd, &byte, 1) != 1 || (len == 0 && byte != 'O'))
      fail ("no answer");
  return fd;
}

static void
echo (int listener)
{
  int fd = accept (listener, NULL, NULL);
  static char bytes[65536];
  ssize_t n;

  while ((n = read (fd, bytes, sizeof bytes)) > 0)
    for (ssize_t done = 0, m; done < n; done += m)
      if ((m = write (fd, bytes + done, (size_t) (n - done))) <= 0)
        fail ("write");
  shutdown (fd, SHUT_WR);
  while (read (fd, bytes, 1) > 0) /* the sender closes */
    continue;
  close (fd);
}

static uint8_t
pattern (uint64_t at)
{
  return (uint8_t) ((at * 0x9e3779b97f4a7c15u) >> 56);
}

static uint64_t
send_some (int fd, uint64_t sent, uint64_t total)
{
  static uint8_t bytes[65536];
  size_t len = total - sent < sizeof bytes ? (size_t) (total - sent) : sizeof bytes;
  ssize_t n;

  for (size_t i = 0; i < len; i++)
    bytes[i] = pattern (sent + i);
  n = send (fd, bytes, len, MSG_DONTWAIT | MSG_NOSIGNAL);
  if (n < 0)
    fail ("send");
  if (sent + (uint64_t) n == total)
    shutdown (fd, SHUT_WR);
  return sent + (uint64_t) n;
}

static void
send_and_compare (int fd, uint64_t total)
{
  static uint8_t bytes[65536];
  uint64_t sent = 0, got = 0;

  for (;;)
    {
      struct pollfd ready = { fd, (short) (POLLIN | (sent < total ? POLLOUT : 0)), 0 };
      ssize_t n;

      if (poll (&ready, 1, 120000) != 1)
        fail ("nothing comes");
      if (ready.revents & POLLOUT && sent < total)
        sent = send_some (fd, sent, total);
      if (!(ready.revents & (POLLIN | POLLHUP)))
        continue;
      n = read (fd, bytes, sizeof bytes);
      if (n < 0)
        fail ("read");
      for (ssize_t i = 0; i < n; i++)
        if (bytes[i] != pattern (got + (uint64_t) i))
          {
            fprintf (stderr, "byte %llu is another\n", (unsigned long long) (got + (uint64_t) i));
            exit (1);
          }
      got += (uint64_t) n;
      if (n == 0)
        break;
    }
  printf ("%llu of %llu came back\n", (unsigned long long) got, (unsigned long long) total);
  exit (got == total ? 0 : 1);
}

int
main (int argc, char **argv)
{
  if (argc == 3 && strcmp (argv[1], "vsock-listen") == 0)
    echo (open_vsock (argv[2], 1));
  else if (argc == 3 && strcmp (argv[1], "unix-listen") == 0)
    echo (open_unix (argv[2], 1));
  else if (argc == 4 && strcmp (argv[1], "vsock-send") == 0)
    send_and_compare (open_vsock (argv[2], 0), strtoull (argv[3], NULL, 10));
  else if (argc == 5 && strcmp (argv[1], "mux-send") == 0)
    send_and_compare (open_mux (argv[2], argv[3]), strtoull (argv[4], NULL, 10));
  else
    return 2;
  return 0;
}
