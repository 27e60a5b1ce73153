/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "worker.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "sandbox.h"

struct worker
{
  pthread_t thread;
  int epoll;
  unsigned kinds;
  struct watch wake; /* an eventfd: somebody calls */
  pthread_mutex_t lock; /* of what follows: one caller at a time */
  pthread_cond_t changed;
  void (*function) (void *data);
  void *data;
  bool busy, done, stop;
  bool held;
  atomic_uint wanted; /* without the lock: calls that do not run yet */
};

static void
take_call (void *data)
{
  struct worker *worker = data;
  uint64_t count;

  if (read (worker->wake.fd, &count, sizeof count) < 0)
    return;
  atomic_fetch_sub (&worker->wanted, 1);
  if (worker->function)
    worker->function (worker->data);
  pthread_mutex_lock (&worker->lock);
  worker->done = true;
  pthread_cond_broadcast (&worker->changed);
  pthread_mutex_unlock (&worker->lock);
}

/* Only the call that holds it makes it look, so that others pay nothing. */
static void
wait_while_held (struct worker *worker)
{
  pthread_mutex_lock (&worker->lock);
  while (worker->held)
    pthread_cond_wait (&worker->changed, &worker->lock);
  pthread_mutex_unlock (&worker->lock);
}

static void *
run (void *data)
{
  struct worker *worker = data;
  struct epoll_event event;

  /* One event at a time: a watch removed by a callback is never called from a
   * list fetched before. */
  while (!worker->stop)
    if (epoll_wait (worker->epoll, &event, 1, -1) == 1)
      {
        struct watch *watch = event.data.ptr;

        sandbox_narrow (worker->kinds);
        watch->ready (watch->data);
        if (watch == &worker->wake)
          wait_while_held (worker);
      }
  return NULL;
}

static void
set_stop (void *data)
{
  ((struct worker *) data)->stop = true;
}

int
worker_new (struct worker **result, const char *name, unsigned kinds)
{
  struct worker *worker = calloc (1, sizeof *worker);
  int ret;

  if (worker == NULL)
    return -ENOMEM;
  worker->kinds = kinds;
  sandbox_expect (kinds);
  pthread_mutex_init (&worker->lock, NULL);
  pthread_cond_init (&worker->changed, NULL);
  worker->epoll = epoll_create1 (EPOLL_CLOEXEC);
  if (worker->epoll < 0)
    {
      ret = -errno;
      goto no_epoll;
    }
  worker->wake = (struct watch){ eventfd (0, EFD_CLOEXEC | EFD_NONBLOCK), take_call, worker };
  if (worker->wake.fd < 0)
    {
      ret = -errno;
      goto no_wake;
    }
  ret = worker_watch (worker, &worker->wake, EPOLLIN);
  if (ret == 0)
    ret = -pthread_create (&worker->thread, NULL, run, worker);
  if (ret < 0)
    goto no_thread;
  pthread_setname_np (worker->thread, name);
  *result = worker;
  return 0;

no_thread:
  close (worker->wake.fd);
no_wake:
  close (worker->epoll);
no_epoll:
  pthread_cond_destroy (&worker->changed);
  pthread_mutex_destroy (&worker->lock);
  free (worker);
  return ret;
}

void
worker_free (struct worker *worker)
{
  if (worker == NULL)
    return;
  worker_call (worker, set_stop, worker);
  pthread_join (worker->thread, NULL);
  close (worker->wake.fd);
  close (worker->epoll);
  pthread_cond_destroy (&worker->changed);
  pthread_mutex_destroy (&worker->lock);
  free (worker);
}

void
worker_call (struct worker *worker, void (*function) (void *data), void *data)
{
  if (pthread_equal (pthread_self (), worker->thread))
    {
      function (data);
      return;
    }
  atomic_fetch_add (&worker->wanted, 1);
  pthread_mutex_lock (&worker->lock);
  while (worker->busy)
    pthread_cond_wait (&worker->changed, &worker->lock);
  worker->busy = true;
  worker->done = false;
  worker->function = function;
  worker->data = data;
  while (eventfd_write (worker->wake.fd, 1) < 0 && errno == EINTR)
    continue;
  while (!worker->done)
    pthread_cond_wait (&worker->changed, &worker->lock);
  worker->busy = false;
  pthread_cond_broadcast (&worker->changed);
  pthread_mutex_unlock (&worker->lock);
}

bool
worker_is_wanted (const struct worker *worker)
{
  return atomic_load_explicit (&worker->wanted, memory_order_relaxed) > 0;
}

/* In the worker: seen when this call returns to its loop. */
static void
set_held (void *data)
{
  struct worker *worker = data;

  pthread_mutex_lock (&worker->lock);
  worker->held = true;
  pthread_mutex_unlock (&worker->lock);
}

void
worker_hold (struct worker *worker)
{
  worker_call (worker, set_held, worker);
}

void
worker_release (struct worker *worker)
{
  pthread_mutex_lock (&worker->lock);
  worker->held = false;
  pthread_cond_broadcast (&worker->changed);
  pthread_mutex_unlock (&worker->lock);
}

int
worker_watch (struct worker *worker, struct watch *watch, uint32_t events)
{
  struct epoll_event event = { .events = events, .data.ptr = watch };

  if (epoll_ctl (worker->epoll, EPOLL_CTL_ADD, watch->fd, &event) == 0)
    return 0;
  if (errno == EEXIST && epoll_ctl (worker->epoll, EPOLL_CTL_MOD, watch->fd, &event) == 0)
    return 0;
  return -errno;
}

void
worker_unwatch (struct worker *worker, struct watch *watch)
{
  epoll_ctl (worker->epoll, EPOLL_CTL_DEL, watch->fd, NULL);
}
