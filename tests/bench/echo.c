/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What an answer costs before anybody has thought about it: an echo that answers
 * each line with as many bytes as the number at its beginning says, an empty reply
 * when there is none, in the three system calls that a program with more than one
 * descriptor needs.
 *
 *   echo SOCKET      takes one connection of this unix socket after the other
 *   echo -t DIR      as the agent of the micro guest is started: on the port
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define PORT "/dev/virtio-ports/org.qemu.guest_agent.0"
#define REPLY "{\"return\": {}}"
#define MAX_REPLY (4u << 20)
#define HOST_MS 50

static char reply[MAX_REPLY];

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

static int
write_all (int fd, const char *data, size_t len)
{
  while (len > 0)
    {
      struct pollfd pfd = { .fd = fd, .events = POLLOUT };
      ssize_t n = write (fd, data, len);

      if (n < 0 && errno == EAGAIN && poll (&pfd, 1, -1) > 0)
        continue;
      if (n <= 0)
        return -1;
      data += n;
      len -= (size_t) n;
    }
  return 0;
}

/* The length of the line that was asked for, its newline among it. */
static int
answer (int fd, const char *request)
{
  size_t size = strtoul (request, NULL, 10);
  int failed;

  if (size <= strlen (REPLY) || size > MAX_REPLY)
    size = strlen (REPLY) + 1;
  reply[size - 1] = '\n';
  failed = write_all (fd, reply, size);
  reply[size - 1] = ' ';
  return failed;
}

/* Until nobody is there. */
static void
serve (int fd, int other)
{
  struct pollfd pfds[2] = { { .fd = fd, .events = POLLIN }, { .fd = other } };
  char request[16384];
  ssize_t n;

  while (poll (pfds, 2, -1) > 0 && (n = read (fd, request, sizeof request - 1)) > 0)
    {
      request[n] = '\0';
      if (answer (fd, request) < 0)
        return;
    }
}

static int
serve_socket (const char *path)
{
  int listener = listen_on (path), fd;

  if (listener < 0)
    {
      fprintf (stderr, "echo: %s: %s\n", path, strerror (errno));
      return 1;
    }
  while ((fd = accept (listener, NULL, NULL)) >= 0)
    {
      serve (fd, listener);
      close (fd);
    }
  return 1;
}

static int
serve_port (void)
{
  int fd = open (PORT, O_RDWR | O_NONBLOCK);

  if (fd < 0)
    {
      fprintf (stderr, "echo: %s: %s\n", PORT, strerror (errno));
      return 1;
    }
  for (;;)
    {
      serve (fd, -1);
      poll (NULL, 0, HOST_MS); /* the host hung up */
    }
}

int
main (int argc, char **argv)
{
  memset (reply, ' ', sizeof reply);
  memcpy (reply, REPLY, strlen (REPLY));
  if (argc == 2)
    return serve_socket (argv[1]);
  if (argc == 3 && strcmp (argv[1], "-t") == 0)
    return serve_port ();
  fprintf (stderr, "usage: echo SOCKET | -t DIR\n");
  return 2;
}
