/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The host's side of a guest: behind its console port, and where its sockets connect to,
 * it sends back what it gets; at QEMU's monitor it says something. */
#include "verify.h"

#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define STEP_MS 20

struct verify_echo
{
  GThread *thread;
  struct sockaddr_un address;
  const char *words; /* to say; NULL: to send back what comes */
  gint stop;
};

/* Until the other end closes, as the machine does when it ends. */
static gpointer
echo (gpointer data)
{
  int fd = GPOINTER_TO_INT (data);
  char bytes[4096];
  ssize_t n;

  while ((n = recv (fd, bytes, sizeof bytes, 0)) > 0)
    for (ssize_t at = 0, sent; at < n; at += sent)
      {
        sent = send (fd, bytes + at, (size_t) (n - at), MSG_NOSIGNAL);
        if (sent <= 0)
          sent = n - at; /* it has gone: the next recv() says so */
      }
  close (fd);
  return NULL;
}

/* Answers are for nobody. */
static gpointer
say (int fd, const char *words)
{
  size_t len = strlen (words);
  char bytes[4096];

  if (send (fd, words, len, MSG_NOSIGNAL) == (ssize_t) len)
    while (recv (fd, bytes, sizeof bytes, 0) > 0)
      continue;
  close (fd);
  return NULL;
}

static gpointer
connect_and_talk (gpointer data)
{
  struct verify_echo *self = data;

  while (!g_atomic_int_get (&self->stop))
    {
      int fd = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

      if (connect (fd, (struct sockaddr *) &self->address, sizeof self->address) == 0)
        return self->words ? say (fd, self->words) : echo (GINT_TO_POINTER (fd));
      close (fd);
      g_usleep (STEP_MS * 1000);
    }
  return NULL;
}

static gpointer
listen_and_echo (gpointer data)
{
  struct verify_echo *self = data;
  struct pollfd wait = { .fd = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0),
                         .events = POLLIN };

  if (bind (wait.fd, (struct sockaddr *) &self->address, sizeof self->address) == 0
      && listen (wait.fd, 8) == 0)
    while (!g_atomic_int_get (&self->stop))
      {
        int fd = poll (&wait, 1, STEP_MS) == 1 ? accept4 (wait.fd, NULL, NULL, SOCK_CLOEXEC) : -1;

        if (fd >= 0)
          g_thread_unref (g_thread_new ("echo", echo, GINT_TO_POINTER (fd)));
      }
  close (wait.fd);
  return NULL;
}

static struct verify_echo *
start (const char *path, const char *words, GThreadFunc function)
{
  struct verify_echo *self = g_new0 (struct verify_echo, 1);

  self->address.sun_family = AF_UNIX;
  g_strlcpy (self->address.sun_path, path, sizeof self->address.sun_path);
  self->words = words;
  self->thread = g_thread_new ("echo", function, self);
  return self;
}

struct verify_echo *
verify_echo_start (const char *path, gboolean listens)
{
  return start (path, NULL, listens ? listen_and_echo : connect_and_talk);
}

struct verify_echo *
verify_say_start (const char *path, const char *words)
{
  return start (path, words, connect_and_talk);
}

void
verify_echo_stop (struct verify_echo *self)
{
  if (self == NULL)
    return;
  g_atomic_int_set (&self->stop, TRUE);
  g_thread_join (self->thread);
  g_free (self);
}
