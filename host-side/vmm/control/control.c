/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "control.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "host-side/vmm/core/log.h"
#include "host-side/vmm/core/sandbox.h"
#include "host-side/vmm/core/socket.h"
#include "qmp-session.h"

#define CLIENTS_MAX 4
#define EVENT_MAX 512

struct client
{
  struct control *control;
  struct watch watch; /* fd -1: free */
  struct qmp_session *session;
};

struct control
{
  struct machine *machine;
  struct worker *worker;
  char path[108];
  struct watch listener, wake;
  struct client clients[CLIENTS_MAX];
  pthread_mutex_t lock; /* of the events */
  unsigned n_events;
  char events[CONTROL_EVENTS_MAX][EVENT_MAX];
};

static void
drop (struct client *client)
{
  worker_unwatch (client->control->worker, &client->watch);
  close (client->watch.fd);
  client->watch.fd = -1;
  qmp_session_free (client->session);
  client->session = NULL;
}

/* A client that does not read what it asked for is not waited for. */
static void
say (struct client *client, const char *text, size_t len)
{
  if (client->watch.fd >= 0 && len > 0
      && send (client->watch.fd, text, len, MSG_NOSIGNAL | MSG_DONTWAIT) != (ssize_t) len)
    drop (client);
}

static void
on_client (void *data)
{
  struct client *client = data;
  char bytes[4096], *reply;
  ssize_t n = recv (client->watch.fd, bytes, sizeof bytes, MSG_DONTWAIT);

  if (n <= 0)
    {
      if (n == 0 || (errno != EAGAIN && errno != EINTR))
        drop (client);
      return;
    }
  reply = qmp_session_feed (client->session, bytes, (size_t) n);
  say (client, reply, strlen (reply));
  free (reply);
}

static void
on_listener (void *data)
{
  struct control *control = data;
  int fd = accept4 (control->listener.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

  for (unsigned i = 0; fd >= 0 && i < CLIENTS_MAX; i++)
    {
      struct client *client = &control->clients[i];

      if (client->watch.fd >= 0)
        continue;
      client->control = control;
      client->watch = (struct watch){ fd, on_client, client };
      client->session = qmp_session_new (control, control->machine);
      worker_watch (control->worker, &client->watch, EPOLLIN);
      say (client, QMP_GREETING, strlen (QMP_GREETING));
      return;
    }
  if (fd >= 0)
    close (fd);
}

static void
on_events (void *data)
{
  struct control *control = data;
  eventfd_t count;

  eventfd_read (control->wake.fd, &count);
  pthread_mutex_lock (&control->lock);
  for (unsigned e = 0; e < control->n_events; e++)
    for (unsigned i = 0; i < CLIENTS_MAX; i++)
      if (control->clients[i].watch.fd >= 0 && qmp_session_ready (control->clients[i].session))
        say (&control->clients[i], control->events[e], strlen (control->events[e]));
  control->n_events = 0;
  pthread_mutex_unlock (&control->lock);
}

void
control_event (struct control *control, const char *name, const char *data)
{
  struct timespec now;

  if (control == NULL)
    return;
  clock_gettime (CLOCK_REALTIME, &now);
  pthread_mutex_lock (&control->lock);
  if (control->n_events < CONTROL_EVENTS_MAX)
    {
      char *event = control->events[control->n_events];
      int len = snprintf (event, EVENT_MAX,
                          "{\"timestamp\": {\"seconds\": %lld, \"microseconds\": %ld}, "
                          "\"event\": \"%s\"%s%s}\r\n",
                          (long long) now.tv_sec, now.tv_nsec / 1000, name, data ? ", \"data\": " : "",
                          data ? data : "");

      control->n_events += len < EVENT_MAX;
    }
  pthread_mutex_unlock (&control->lock);
  eventfd_write (control->wake.fd, 1);
}

static void
begin (void *data)
{
  struct control *control = data;

  worker_watch (control->worker, &control->listener, EPOLLIN);
  worker_watch (control->worker, &control->wake, EPOLLIN);
}

static void
stop_listening (void *data)
{
  struct control *control = data;

  worker_unwatch (control->worker, &control->listener);
  for (unsigned i = 0; i < CLIENTS_MAX; i++)
    if (control->clients[i].watch.fd >= 0)
      worker_unwatch (control->worker, &control->clients[i].watch);
}

void
control_end_commands (struct control *control)
{
  if (control)
    worker_call (control->worker, stop_listening, control);
}

static void
end (void *data)
{
  struct control *control = data;

  on_events (control);
  for (unsigned i = 0; i < CLIENTS_MAX; i++)
    if (control->clients[i].watch.fd >= 0)
      drop (&control->clients[i]);
}

int
control_new (struct control **result, const char *path, struct machine *machine)
{
  struct control *control = calloc (1, sizeof *control);
  int ret;

  if (control == NULL)
    return -ENOMEM;
  for (unsigned i = 0; i < CLIENTS_MAX; i++)
    control->clients[i].watch.fd = -1;
  control->machine = machine;
  pthread_mutex_init (&control->lock, NULL);
  ret = control->listener.fd = socket_listen (path);
  if (ret < 0)
    goto no_listener;
  snprintf (control->path, sizeof control->path, "%s", path);
  control->listener = (struct watch){ ret, on_listener, control };
  control->wake = (struct watch){ eventfd (0, EFD_CLOEXEC | EFD_NONBLOCK), on_events, control };
  ret = control->wake.fd < 0 ? -errno : worker_new (&control->worker, "control", SANDBOX_CONTROL);
  if (ret < 0)
    goto no_worker;
  worker_call (control->worker, begin, control);
  *result = control;
  return 0;

no_worker:
  vmm_log ("%s: nobody to serve it: %s", path, strerror (-ret));
  if (control->wake.fd >= 0)
    close (control->wake.fd);
  close (control->listener.fd);
  unlink (path);
no_listener:
  pthread_mutex_destroy (&control->lock);
  free (control);
  return ret;
}

void
control_free (struct control *control)
{
  if (control == NULL)
    return;
  worker_call (control->worker, end, control);
  worker_free (control->worker);
  close (control->wake.fd);
  close (control->listener.fd);
  unlink (control->path);
  pthread_mutex_destroy (&control->lock);
  free (control);
}
