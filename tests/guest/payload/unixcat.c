/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* unixcat SOCKET SECONDS [TEXT]: standard input to a unix socket, and what comes back
 * within that time, or until it contains TEXT, to standard output. For guests that have
 * no such tool. */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

/* Whether @text has come by now; what may be a beginning of it is kept. */
static int
seen (const char *text, const char *bytes, size_t n)
{
  static size_t matched;

  for (size_t i = 0; text && i < n && text[matched]; i++)
    matched = bytes[i] == text[matched] ? matched + 1 : bytes[i] == text[0];
  return text && text[matched] == 0;
}

int
main (int argc, char **argv)
{
  struct sockaddr_un address = { .sun_family = AF_UNIX };
  int fd = socket (AF_UNIX, SOCK_STREAM, 0);
  struct pollfd fds[2] = { { .fd = fd, .events = POLLIN }, { .fd = 0, .events = POLLIN } };
  time_t end = time (NULL) + (argc > 2 ? atoi (argv[2]) : 5);
  char bytes[4096];

  const char *text = argc > 3 ? argv[3] : NULL;

  if (argc < 2 || fd < 0)
    return 2;
  strncpy (address.sun_path, argv[1], sizeof address.sun_path - 1);
  if (connect (fd, (struct sockaddr *) &address, sizeof address) < 0)
    {
      perror (argv[1]);
      return 1;
    }
  while (time (NULL) < end && poll (fds, 2, 200) >= 0)
    for (int i = 0; i < 2; i++)
      {
        ssize_t n = fds[i].revents ? read (fds[i].fd, bytes, sizeof bytes) : 0;

        if (n > 0 && write (i == 0 ? 1 : fd, bytes, (size_t) n) != n)
          return 1;
        if (n > 0 && i == 0 && seen (text, bytes, (size_t) n))
          return 0;
        if (fds[i].revents && n <= 0 && i == 0)
          return 0;
        if (fds[i].revents && n <= 0)
          fds[i].fd = -1;
      }
  return 0;
}
