/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* relay PORT: what a program outside of this guest needs of it, by TCP. A connection
 * begins with one line:
 *
 *   unix PATH        is joined with that unix socket, hang-ups and all
 *   tail PATH        the file's bytes, also those that are added later
 *   put SIZE PATH    so many bytes follow, for a new file; the answer is a line
 *   run SCRIPT       the shell runs it; its status comes as a line when it has ended, and
 *                    it is killed with all that it began when the connection ends
 *
 * For guests under test: it does what anybody says. */
#define _GNU_SOURCE /* accept4 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define LINE_MAX_BYTES 16384

/* One direction: bytes that were read and are still to be written. */
struct half
{
  int from, to;
  size_t at, end;
  int over; /* nothing more will come */
  char bytes[65536];
};

static int
send_all (int fd, const char *bytes, size_t n)
{
  for (size_t done = 0; done < n;)
    {
      ssize_t some = write (fd, bytes + done, n - done);

      if (some <= 0)
        return -1;
      done += (size_t) some;
    }
  return 0;
}

/* Moves what can be moved. -1 when nobody takes these bytes any more. */
static int
move (struct half *half)
{
  ssize_t n;

  if (half->at == half->end && !half->over)
    {
      n = recv (half->from, half->bytes, sizeof half->bytes, MSG_DONTWAIT);
      half->over = n == 0 || (n < 0 && errno != EAGAIN);
      half->at = 0;
      half->end = n > 0 ? (size_t) n : 0;
    }
  while (half->at < half->end)
    {
      n = send (half->to, half->bytes + half->at, half->end - half->at, MSG_DONTWAIT | MSG_NOSIGNAL);
      if (n < 0)
        return errno == EAGAIN ? 0 : -1;
      half->at += (size_t) n;
    }
  return 0;
}

/* Who hangs up is followed when all that it said has been said on. */
static void
join (int tcp, int fd)
{
  static struct half in, out;

  in = (struct half){ .from = tcp, .to = fd };
  out = (struct half){ .from = fd, .to = tcp };
  while (!(in.over && in.at == in.end) && !(out.over && out.at == out.end))
    {
      struct pollfd fds[2] = {
        { tcp, (short) ((in.at == in.end ? POLLIN : 0) | (out.at < out.end ? POLLOUT : 0)), 0 },
        { fd, (short) ((out.at == out.end ? POLLIN : 0) | (in.at < in.end ? POLLOUT : 0)), 0 },
      };

      for (int i = 0; i < 2; i++) /* a hang-up that is to wait would be told on and on */
        fds[i].fd = fds[i].events ? fds[i].fd : -1;
      poll (fds, 2, -1);
      if (move (&in) < 0)
        return;
      if (move (&out) < 0) /* nobody listens, but what was said before has to arrive */
        out.at = out.end = 0;
    }
}

static void
serve_unix (int tcp, const char *path)
{
  struct sockaddr_un address = { .sun_family = AF_UNIX };
  int fd = socket (AF_UNIX, SOCK_STREAM, 0);

  strncpy (address.sun_path, path, sizeof address.sun_path - 1);
  if (connect (fd, (struct sockaddr *) &address, sizeof address) == 0)
    join (tcp, fd);
}

static int
is_gone (int tcp, int milliseconds)
{
  struct pollfd state = { tcp, POLLIN, 0 };

  return poll (&state, 1, milliseconds) != 0;
}

static void
serve_tail (int tcp, const char *path)
{
  char bytes[65536];
  int fd;

  while ((fd = open (path, O_RDONLY)) < 0)
    if (is_gone (tcp, 100))
      return;
  for (;;)
    {
      ssize_t n = read (fd, bytes, sizeof bytes);

      if (n < 0 || (n > 0 && send_all (tcp, bytes, (size_t) n) < 0) || (n == 0 && is_gone (tcp, 100)))
        return;
    }
}

static void
serve_put (int tcp, const char *text)
{
  char bytes[65536], *path;
  unsigned long long left = strtoull (text, &path, 10);
  int fd = open (path + 1, O_WRONLY | O_CREAT | O_TRUNC, 0644);

  while (left > 0)
    {
      ssize_t n = read (tcp, bytes, left < sizeof bytes ? (size_t) left : sizeof bytes);

      if (n <= 0 || send_all (fd, bytes, (size_t) n) < 0)
        return;
      left -= (unsigned long long) n;
    }
  send_all (tcp, "done\n", 5);
}

static void
serve_run (int tcp, const char *script)
{
  char text[32];
  sigset_t children;
  struct pollfd fds[2] = { { tcp, POLLIN, 0 } };
  pid_t pid;
  int status;

  sigemptyset (&children);
  sigaddset (&children, SIGCHLD);
  signal (SIGCHLD, SIG_DFL);
  sigprocmask (SIG_BLOCK, &children, NULL);
  fds[1] = (struct pollfd){ signalfd (-1, &children, SFD_CLOEXEC), POLLIN, 0 };
  pid = fork ();
  if (pid == 0)
    {
      setsid ();
      sigprocmask (SIG_UNBLOCK, &children, NULL);
      signal (SIGPIPE, SIG_DFL);
      execl ("/bin/sh", "sh", "-c", script, NULL);
      _exit (127);
    }
  while (poll (fds, 2, -1) < 0)
    continue;
  if (waitpid (pid, &status, WNOHANG) != pid) /* the connection has ended */
    {
      kill (-pid, SIGKILL);
      waitpid (pid, &status, 0);
    }
  kill (-pid, SIGKILL);
  send_all (tcp, text, (size_t) snprintf (text, sizeof text, "%d\n",
                                          WIFEXITED (status) ? WEXITSTATUS (status) : -WTERMSIG (status)));
}

static void
serve (int tcp)
{
  static char line[LINE_MAX_BYTES];
  size_t n = 0;

  while (n < sizeof line - 1 && read (tcp, &line[n], 1) == 1 && line[n] != '\n')
    n++;
  line[n] = 0;
  if (strncmp (line, "unix ", 5) == 0)
    serve_unix (tcp, line + 5);
  else if (strncmp (line, "tail ", 5) == 0)
    serve_tail (tcp, line + 5);
  else if (strncmp (line, "put ", 4) == 0)
    serve_put (tcp, line + 4);
  else if (strncmp (line, "run ", 4) == 0)
    serve_run (tcp, line + 4);
}

int
main (int argc, char **argv)
{
  struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons ((unsigned short) atoi (argv[argc - 1])) };
  int listener = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

  signal (SIGCHLD, SIG_IGN);
  signal (SIGPIPE, SIG_IGN);
  setsockopt (listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  if (bind (listener, (struct sockaddr *) &address, sizeof address) < 0 || listen (listener, 64) < 0)
    {
      perror ("relay");
      return 1;
    }
  for (;;)
    {
      int tcp = accept4 (listener, NULL, NULL, SOCK_CLOEXEC);

      if (tcp >= 0 && fork () == 0)
        {
          close (listener);
          setsockopt (tcp, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
          serve (tcp);
          _exit (0);
        }
      close (tcp);
    }
}
