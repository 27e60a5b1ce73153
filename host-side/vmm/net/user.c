/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A network without rights on the host: libslirp ends the guest's connections here and
 * makes them again as sockets of this process.
 *
 * libslirp is for one thread and wants to be asked after every poll(2), so it has a
 * thread of its own. Frames go between it and the device's worker on a pair of sockets,
 * whose buffers are the queues: a guest that sends faster waits in its ring, and frames
 * the guest does not take in time are dropped and counted. TCP sends them again. */
#include "backend.h"

#include <errno.h>

#include "host-side/vmm/core/clock.h"
#include "host-side/vmm/core/log.h"

#ifndef PVT_HAVE_LIBSLIRP

int
net_user_new (const struct options *options, struct net_backend **backend)
{
  vmm_log ("net: user: this pvtools-vmm was built without libslirp");
  return -ENOTSUP;
}

#else
#include "user.h"
#include "user-room.h"

#include <glib.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "host-side/vmm/core/sandbox.h"

#define ETHER_BYTES 14u
#define FRAME_MAX (ETHER_BYTES + 4u + 65535u)
#define BURST 64u        /* frames before sockets have their turn */
#define QUEUE (1 << 20)  /* bytes, if the host's net.core.wmem_max allows them */
#define TIMERS_MAX 4u
#define LEAP 10000 /* ms, more than libslirp trusts in what it read */

struct timer
{
  SlirpTimerCb function;
  void *data;
  int64_t at; /* ms of our clock; 0: not set */
  bool used;
};

struct user
{
  struct net_backend backend; /* has the device's end of the pair */
  int wire;                   /* ours */
  Slirp *slirp;               /* the thread's, while there is one */
  struct timer timers[TIMERS_MAX];
  GArray *polls; /* struct pollfd; the first is of the wire */
  bool quiet;    /* before there is a guest */
  int64_t leapt; /* ms that its clock is ahead */
  bool running;
  pthread_t thread;
  struct user_room room;
  uint8_t frame[FRAME_MAX];
};

static struct user *
user_of (struct net_backend *backend)
{
  return (struct user *) backend;
}

/* ---- the device's end ---- */

static ssize_t
user_send (struct net_backend *backend, unsigned pair, const struct iovec *iov, unsigned n)
{
  struct msghdr message = { .msg_iov = (struct iovec *) iov, .msg_iovlen = n };
  size_t len = 0;
  ssize_t done;

  for (unsigned i = 0; i < n; i++)
    len += iov[i].iov_len;
  if (len > ETHER_BYTES + 4 + backend->mtu)
    return -EMSGSIZE;
  do
    done = sendmsg (backend->send_fds[0], &message, MSG_NOSIGNAL | MSG_DONTWAIT);
  while (done < 0 && errno == EINTR);
  return done < 0 ? -errno : done;
}

static ssize_t
user_receive (struct net_backend *backend, unsigned pair, const struct iovec *iov, unsigned n)
{
  struct msghdr message = { .msg_iov = (struct iovec *) iov, .msg_iovlen = n };
  ssize_t done;

  do
    done = recvmsg (backend->fds[0], &message, MSG_DONTWAIT);
  while (done < 0 && errno == EINTR);
  return done < 0 ? -errno : done > 0 ? done : -ENOTCONN; /* its thread has ended */
}

/* ---- what libslirp calls ---- */

static ssize_t
send_packet (const void *frame, size_t len, void *data)
{
  struct user *user = data;
  ssize_t done;

  if (user->quiet)
    return (ssize_t) len;
  do
    done = send (user->wire, frame, len, MSG_NOSIGNAL | MSG_DONTWAIT);
  while (done < 0 && errno == EINTR);
  if (done < 0)
    atomic_fetch_add_explicit (&user->backend.dropped, 1, memory_order_relaxed);
  return (ssize_t) len;
}

/* A guest can cause as many as it likes. */
static void
guest_error (const char *text, void *data)
{
  vmm_log_guest ("net: user: %s", text);
}

static int64_t
clock_get_ns (void *data)
{
  const struct user *user = data;

  return (int64_t) clock_ns () + user->leapt * 1000000;
}

static void *
timer_new (SlirpTimerCb function, void *data, void *opaque)
{
  struct user *user = opaque;

  for (unsigned i = 0; i < TIMERS_MAX; i++)
    if (!user->timers[i].used)
      {
        user->timers[i] = (struct timer){ function, data, 0, true };
        return &user->timers[i];
      }
  g_error ("libslirp wants more than %u timers", TIMERS_MAX);
}

static void
timer_free (void *timer, void *opaque)
{
  if (timer)
    ((struct timer *) timer)->used = false;
}

static void
timer_mod (void *timer, int64_t at, void *opaque)
{
  ((struct timer *) timer)->at = at;
}

/* They are asked for again before each poll(2), and all in the thread. */
static void
on_poll_fd (int fd, void *data)
{
  struct user *user = data;
  int none = user->quiet ? eventfd (0, EFD_CLOEXEC) : -1;

  /* See learn_name_server(): what would be a socket is none. */
  if (none >= 0)
    {
      dup2 (none, fd);
      close (none);
    }
}

static void
off_poll_fd (int fd, void *data)
{
}

static void
notify (void *data)
{
}

static const SlirpCb callbacks = {
  .send_packet = send_packet,
  .guest_error = guest_error,
  .clock_get_ns = clock_get_ns,
  .timer_new = timer_new,
  .timer_free = timer_free,
  .timer_mod = timer_mod,
  .register_poll_fd = on_poll_fd,
  .unregister_poll_fd = off_poll_fd,
  .notify = notify,
};

/* ---- the thread ---- */

static const struct
{
  int slirp;
  short poll;
} events_of[] = {
  { SLIRP_POLL_IN, POLLIN },   { SLIRP_POLL_OUT, POLLOUT }, { SLIRP_POLL_PRI, POLLPRI },
  { SLIRP_POLL_ERR, POLLERR }, { SLIRP_POLL_HUP, POLLHUP },
};

#define N_EVENTS (sizeof events_of / sizeof events_of[0])

static int
add_poll (int fd, int events, void *data)
{
  struct user *user = data;
  struct pollfd entry = { .fd = fd };

  for (unsigned i = 0; i < N_EVENTS; i++)
    if (events & events_of[i].slirp)
      entry.events |= events_of[i].poll;
  g_array_append_val (user->polls, entry);
  return (int) user->polls->len - 1;
}

static int
get_events (int index, void *data)
{
  struct user *user = data;
  short found = g_array_index (user->polls, struct pollfd, index).revents;
  int events = 0;

  for (unsigned i = 0; i < N_EVENTS; i++)
    if (found & events_of[i].poll)
      events |= events_of[i].slirp;
  return events;
}

/* What poll(2) waits for at most: libslirp's own time, or the next timer. */
static int
until_timer (struct user *user, uint32_t timeout)
{
  int64_t wait = timeout > INT32_MAX ? INT32_MAX : (int64_t) timeout;
  int64_t now = clock_get_ns (user) / 1000000;

  for (unsigned i = 0; i < TIMERS_MAX; i++)
    if (user->timers[i].used && user->timers[i].at && user->timers[i].at - now < wait)
      wait = user->timers[i].at > now ? user->timers[i].at - now : 0;
  return timeout == UINT32_MAX && wait == INT32_MAX ? -1 : (int) wait;
}

static void
run_timers (struct user *user)
{
  int64_t now = clock_get_ns (user) / 1000000;

  for (unsigned i = 0; i < TIMERS_MAX; i++)
    {
      struct timer *timer = &user->timers[i];

      if (timer->used && timer->at && timer->at <= now)
        {
          timer->at = 0;
          timer->function (timer->data);
        }
    }
}

/* Frames from the guest; false when the device has closed its end. */
static bool
take_frames (struct user *user)
{
  user_room_look (&user->room);
  for (unsigned i = 0; i < BURST; i++)
    {
      ssize_t got = recv (user->wire, user->frame, sizeof user->frame, MSG_DONTWAIT);

      if (got < 0)
        return errno == EAGAIN || errno == EINTR;
      if (got == 0)
        return false;
      if (user_room_admits (&user->room, user->frame, (size_t) got, user->wire))
        slirp_input (user->slirp, user->frame, (int) got);
    }
  return true;
}

static void *
run (void *data)
{
  struct user *user = data;
  bool more = true;

  while (more)
    {
      struct pollfd wire = { .fd = user->wire, .events = POLLIN };
      uint32_t timeout = UINT32_MAX;
      int n;

      g_array_set_size (user->polls, 0);
      g_array_append_val (user->polls, wire);
      slirp_pollfds_fill (user->slirp, &timeout, add_poll, user);
      n = poll ((struct pollfd *) (void *) user->polls->data, user->polls->len,
                until_timer (user, timeout));
      sandbox_narrow (SANDBOX_USER);
      slirp_pollfds_poll (user->slirp, n < 0, get_events, user);
      run_timers (user);
      more = take_frames (user);
    }
  return NULL;
}

/* Signals are for others, but for the one that says what the thread may not. */
static int
user_start (struct net_backend *backend)
{
  struct user *user = user_of (backend);
  sigset_t all, before;
  int ret;

  sandbox_expect (SANDBOX_USER);
  sigfillset (&all);
  sigdelset (&all, SIGSYS);
  pthread_sigmask (SIG_BLOCK, &all, &before);
  ret = -pthread_create (&user->thread, NULL, run, user);
  pthread_sigmask (SIG_SETMASK, &before, NULL);
  user->running = ret == 0;
  if (ret == 0)
    pthread_setname_np (user->thread, "net-user");
  return ret;
}

static void
user_free (struct net_backend *backend)
{
  struct user *user = user_of (backend);

  if (user->running)
    {
      shutdown (backend->fds[0], SHUT_RDWR);
      pthread_join (user->thread, NULL);
    }
  if (user->slirp)
    slirp_cleanup (user->slirp);
  user_room_finish (&user->room);
  if (user->polls)
    g_array_unref (user->polls);
  if (user->wire > 0)
    close (user->wire);
  net_backend_close_fds (backend);
  free (user);
}

static const struct net_backend_ops user_ops = {
  .send = user_send,
  .receive = user_receive,
  .start = user_start,
  .free = user_free,
};

/* ---- making it ---- */

static int
open_wire (struct user *user)
{
  int size = QUEUE, ends[2];

  if (socketpair (AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) < 0)
    return -errno;
  user->backend.fds[0] = ends[0];
  user->wire = ends[1];
  for (unsigned i = 0; i < 2; i++)
    setsockopt (ends[i], SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
  return net_backend_split_fds (&user->backend);
}

/* libslirp reads /etc/resolv.conf when a guest first speaks to a name server, and again
 * when, a second later or more, the file is not the one it looked at; the first time it
 * does not look. In the sandbox no file can be opened: so a guest speaks to it twice now,
 * by TCP to port 53. The connections fail, since their sockets are none (on_poll_fd()),
 * and nothing leaves the host. */
static void
learn_name_server (struct user *user, const SlirpConfig *config)
{
  uint8_t frame[USER_KNOCK_BYTES];

  user_knock (config, frame);
  user->quiet = true;
  for (unsigned i = 0; i < 2; i++)
    {
      /* It takes the time, and nothing else: there is no socket. */
      slirp_pollfds_poll (user->slirp, 1, get_events, user);
      slirp_input (user->slirp, frame, sizeof frame);
      for (unsigned k = 0; k < TIMERS_MAX; k++) /* router advertisements have the IPv6 one */
        if (user->timers[k].used)
          user->timers[k].function (user->timers[k].data);
      user->leapt += LEAP;
    }
  slirp_pollfds_poll (user->slirp, 1, get_events, user);
  user->quiet = false;
}

/* GLib's own handler looks at files. */
static void
on_log (const gchar *domain, GLogLevelFlags level, const gchar *text, gpointer data)
{
  vmm_log_guest ("net: user: %s", text);
}

static int
open_slirp (struct user *user, const struct options *options)
{
  SlirpConfig config;
  int ret = user_config (options, &config);

  if (ret < 0)
    return ret;
  user->backend.mtu = config.if_mtu ? (unsigned) config.if_mtu : 1500;
  user->polls = g_array_new (FALSE, FALSE, sizeof (struct pollfd));
  g_log_set_handler ("Slirp", G_LOG_LEVEL_MASK | G_LOG_FLAG_FATAL | G_LOG_FLAG_RECURSION, on_log, NULL);
  ret = open_wire (user);
  if (ret == 0)
    {
      user->slirp = slirp_new (&config, &callbacks, user);
      ret = user->slirp ? 0 : -EINVAL;
    }
  if (ret < 0)
    {
      vmm_log ("net: user: %s", strerror (-ret));
      return ret;
    }
  learn_name_server (user, &config);
  user_room_init (&user->room);
  return user_forward (options, user->slirp);
}

int
net_user_new (const struct options *options, struct net_backend **backend)
{
  struct user *user = calloc (1, sizeof *user);
  int ret;

  if (user == NULL)
    return -ENOMEM;
  user->backend = (struct net_backend){ .ops = &user_ops, .kind = "user", .n_pairs = 1,
                                        .threads = SANDBOX_PEER };
  ret = open_slirp (user, options);
  if (ret < 0)
    {
      user_free (&user->backend);
      return ret;
    }
  *backend = &user->backend;
  return 0;
}
#endif
