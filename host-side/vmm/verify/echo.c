/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The host behind a guest's console port: sends back what it gets. */
#include "verify.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define STEP_US 20000

struct verify_echo
{
  GThread *thread;
  struct sockaddr_un address;
  gint stop;
};

/* -1 when nobody has listened until the end. */
static int
connect_to (struct verify_echo *echo)
{
  while (!g_atomic_int_get (&echo->stop))
    {
      int fd = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

      if (connect (fd, (struct sockaddr *) &echo->address, sizeof echo->address) == 0)
        return fd;
      close (fd);
      g_usleep (STEP_US);
    }
  return -1;
}

/* The machine's end closes the socket. */
static gpointer
serve (gpointer data)
{
  int fd = connect_to (data);
  char bytes[4096];
  ssize_t n;

  while (fd >= 0 && (n = recv (fd, bytes, sizeof bytes, 0)) > 0)
    for (ssize_t at = 0, sent; at < n; at += sent)
      {
        sent = send (fd, bytes + at, (size_t) (n - at), MSG_NOSIGNAL);
        if (sent <= 0)
          sent = n - at; /* it has gone: the next recv() says so */
      }
  if (fd >= 0)
    close (fd);
  return NULL;
}

struct verify_echo *
verify_echo_start (const char *path)
{
  struct verify_echo *echo = g_new0 (struct verify_echo, 1);

  echo->address.sun_family = AF_UNIX;
  g_strlcpy (echo->address.sun_path, path, sizeof echo->address.sun_path);
  echo->thread = g_thread_new ("echo", serve, echo);
  return echo;
}

void
verify_echo_stop (struct verify_echo *echo)
{
  g_atomic_int_set (&echo->stop, TRUE);
  g_thread_join (echo->thread);
  g_free (echo);
}
