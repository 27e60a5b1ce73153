/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What an answer costs before anybody has thought about it: echo SOCKET takes one
 * connection after the other and answers whatever is read with an empty reply, in
 * the three system calls that a program with more than one descriptor needs.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define REPLY "{\"return\": {}}\n"

static int
listen_on (const char *path)
{
  struct sockaddr_un addr = { .sun_family = AF_UNIX };
  int fd = socket (AF_UNIX, SOCK_STREAM, 0);

  if (fd < 0 || strlen (path) >= sizeof addr.sun_path)
    return -1;
  strcpy (addr.sun_path, path);
  if (bind (fd, (struct sockaddr *) &addr, sizeof addr) < 0 || listen (fd, 8) < 0)
    return -1;
  return fd;
}

static void
serve (int listener, int fd)
{
  struct pollfd pfds[2] = { { .fd = fd, .events = POLLIN }, { .fd = listener } };
  char request[16384];

  while (poll (pfds, 2, -1) > 0 && read (fd, request, sizeof request) > 0)
    if (write (fd, REPLY, sizeof REPLY - 1) < 0)
      return;
}

int
main (int argc, char **argv)
{
  int listener = argc == 2 ? listen_on (argv[1]) : -1, fd;

  if (listener < 0)
    {
      fprintf (stderr, "usage: echo SOCKET: %s\n", strerror (errno));
      return 1;
    }
  while ((fd = accept (listener, NULL, NULL)) >= 0)
    {
      serve (listener, fd);
      close (fd);
    }
  return 1;
}
