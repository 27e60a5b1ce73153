/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* virtio-console with named ports (5.3), each a unix socket that one client at a
 * time may use. Everything happens in the device's one worker.
 *
 * Nothing is buffered here: what the client sends stays in its socket until the
 * guest has a buffer for it, and what the guest sends stays in its ring until
 * the client reads. Control messages to the guest are not queued either: each
 * port remembers what the guest has still to be told. */
#include "devices.h"

#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include <virtio/console.h>
#include <virtio/device.h>

#include "host-side/vmm/core/log.h"
#include "host-side/vmm/core/sandbox.h"
#include "host-side/vmm/core/socket.h"

#define PORTS_MAX 15u
#define NAME_MAX_BYTES 64u
#define CHANGE_MS 250u /* from one change that the host is told of to the next */

/* What the guest has to be told of a port, in this order. */
enum
{
  TELL_REMOVE = 1,
  TELL_ADD = 2,
  TELL_NAME = 4,
  TELL_OPEN = 8, /* whether it is, is read when it is told */
};

struct console;

struct port
{
  struct console *console;
  uint32_t id; /* from 1: port 0 is for a console, which we have not */
  char name[NAME_MAX_BYTES];
  char path[108];
  struct watch listener, client; /* fd -1: nobody */
  _Atomic bool connected, guest_open;
  bool added;   /* the guest knows of it */
  bool changed; /* the host is to be told that the guest has opened or closed it */
  unsigned tell;
  uint64_t sent; /* of the request at the head of the transmit queue */
};

struct console
{
  struct vdev dev;
  unsigned n;
  struct port ports[PORTS_MAX];
  struct virtq_chain chain; /* of the one worker */
  void (*changed) (void *data, unsigned index, bool open);
  void *data;
  struct watch quiet; /* a timer: until it ends the host is told of no more changes */
  bool is_quiet;
};

static struct virtq *
ring_of (struct console *console, unsigned q)
{
  return &console->dev.queues[q].ring;
}

/* ---- control messages ---- */

static bool
send_control (struct console *console, const struct port *port, uint16_t event, uint16_t value,
              const char *text)
{
  struct virtio_console_control control = { port->id, event, value };
  struct virtq *ring = ring_of (console, VIRTIO_CONSOLE_QUEUE_CTRL_RX);
  size_t len;
  int ret = virtq_pop (ring, &console->chain);

  if (ret < 0)
    vdev_break (&console->dev);
  if (ret != 1)
    return false;
  len = virtq_write (&console->chain, 0, &control, sizeof control);
  if (text) /* not ended by NUL (5.3.6.2) */
    len += virtq_write (&console->chain, sizeof control, text, strlen (text));
  virtq_push (ring, &console->chain, (uint32_t) len);
  return true;
}

static bool
tell_one (struct console *console, struct port *port)
{
  unsigned what = port->tell & -port->tell;
  bool told;

  if (what == TELL_REMOVE)
    told = send_control (console, port, VIRTIO_CONSOLE_DEVICE_REMOVE, 1, NULL);
  else if (what == TELL_ADD)
    told = send_control (console, port, VIRTIO_CONSOLE_DEVICE_ADD, 1, NULL);
  else if (what == TELL_NAME)
    told = send_control (console, port, VIRTIO_CONSOLE_PORT_NAME, 1, port->name);
  else
    told = send_control (console, port, VIRTIO_CONSOLE_PORT_OPEN, port->client.fd >= 0, NULL);
  if (!told)
    return false;
  port->tell &= ~what;
  if (what & (TELL_REMOVE | TELL_ADD))
    port->added = what == TELL_ADD;
  return true;
}

/* Tells what there is to tell as long as the guest has buffers for it. */
static void
tell_all (struct console *console)
{
  bool more;

  do
    {
      more = true;
      for (unsigned i = 0; i < console->n && more; i++)
        while (console->ports[i].tell && more)
          more = tell_one (console, &console->ports[i]);
    }
  while (!more && virtq_arm (ring_of (console, VIRTIO_CONSOLE_QUEUE_CTRL_RX)));
  vdev_notify (&console->dev, VIRTIO_CONSOLE_QUEUE_CTRL_RX);
}

/* ---- data ---- */

static void
drop_client (struct port *port)
{
  worker_unwatch (port->console->dev.workers[0], &port->client);
  close (port->client.fd);
  port->client.fd = -1;
  port->sent = 0;
  atomic_store (&port->connected, false);
  port->tell |= TELL_OPEN;
  worker_watch (port->console->dev.workers[0], &port->listener, EPOLLIN);
}

/* From the client into the guest's buffers. True when more could be read with
 * more of them: then the guest tells us when there are. */
static bool
pump_in (struct port *port)
{
  struct console *console = port->console;
  unsigned q = VIRTIO_CONSOLE_QUEUE_RX (port->id);
  struct virtq *ring = ring_of (console, q);
  bool starved = false;

  /* At most a ring's worth, then others have their turn. */
  for (unsigned turn = 0; turn < VIRTQ_SIZE_MAX && port->client.fd >= 0; turn++)
    {
      ssize_t n;
      int ret = port->guest_open ? virtq_pop (ring, &console->chain) : 0;

      if (ret < 0)
        vdev_break (&console->dev);
      starved = ret != 1;
      if (starved && port->guest_open && virtq_arm (ring))
        continue;
      if (starved)
        break;
      if (console->chain.n_in == 0) /* nothing read would look like the client's end */
        {
          virtq_push (ring, &console->chain, 0);
          continue;
        }
      do
        n = readv (port->client.fd, console->chain.iov + console->chain.n_out,
                   (int) console->chain.n_in);
      while (n < 0 && errno == EINTR);
      if (n > 0)
        {
          virtq_push (ring, &console->chain, (uint32_t) n);
          continue;
        }
      virtq_unpop (ring, &console->chain);
      if (n == 0 || errno != EAGAIN)
        drop_client (port);
      break;
    }
  vdev_notify (&console->dev, q);
  return starved;
}

/* Sends the rest of a request. False when the client takes no more now. */
static bool
send_out (struct port *port, const struct virtq_chain *chain)
{
  while (port->client.fd >= 0 && port->sent < chain->out_len)
    {
      static _Thread_local struct iovec iov[VIRTQ_IOV_MAX];
      struct msghdr message = { .msg_iov = iov };
      ssize_t n;

      message.msg_iovlen = virtq_slice (chain->iov, chain->n_out, port->sent, chain->out_len, iov);
      n = sendmsg (port->client.fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
      if (n >= 0)
        port->sent += (uint64_t) n;
      else if (errno == EAGAIN)
        return false;
      else if (errno != EINTR)
        drop_client (port);
    }
  port->sent = 0; /* without a client it goes nowhere, as with QEMU */
  return true;
}

/* From the guest to the client. True when the client has to read first. */
static bool
pump_out (struct port *port)
{
  struct console *console = port->console;
  unsigned q = VIRTIO_CONSOLE_QUEUE_TX (port->id);
  struct virtq *ring = ring_of (console, q);
  unsigned budget = 2u * ring->size;
  bool blocked = false;
  int ret = 0;

  do
    while (!blocked && budget > 0 && (ret = virtq_pop (ring, &console->chain)) == 1)
      {
        budget--;
        blocked = !send_out (port, &console->chain);
        if (blocked)
          virtq_unpop (ring, &console->chain);
        else
          virtq_push (ring, &console->chain, 0);
      }
  while (!blocked && ret == 0 && virtq_arm (ring) && budget > 0);
  if (ret < 0)
    vdev_break (&console->dev);
  else if (budget == 0) /* the others have their turn, then we go on */
    vdev_kick_again (&console->dev, q);
  vdev_notify (&console->dev, q);
  return blocked;
}

/* Moves what can be moved and waits for the rest. */
static void
pump (struct port *port)
{
  bool starved = pump_in (port), blocked = pump_out (port);
  uint32_t events = (starved ? 0u : (uint32_t) EPOLLIN) | (blocked ? (uint32_t) EPOLLOUT : 0u);

  if (port->client.fd >= 0)
    worker_watch (port->console->dev.workers[0], &port->client, events);
  tell_all (port->console);
}

static void
on_client (void *data)
{
  struct port *port = data;
  struct pollfd state = { .fd = port->client.fd };

  /* A client that is gone while the guest takes nothing: its words are lost. */
  if (poll (&state, 1, 0) == 1 && state.revents & (POLLHUP | POLLERR)
      && (!port->guest_open || pump_in (port)) && port->client.fd >= 0)
    drop_client (port);
  pump (port);
}

static void
on_listener (void *data)
{
  struct port *port = data;
  int fd = accept4 (port->listener.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

  if (fd < 0)
    return;
  worker_unwatch (port->console->dev.workers[0], &port->listener); /* one at a time */
  port->client = (struct watch){ fd, on_client, port };
  atomic_store (&port->connected, true);
  port->tell |= TELL_OPEN;
  pump (port);
}

/* ---- the guest's side ---- */

/* A guest that opens and closes without end would fill the sockets of those who listen to
 * the machine's events, and who does not read in time is let go. So the first change is
 * told at once, and for a while only how it stands at the end. */
static void
tell_host (struct console *console)
{
  const struct itimerspec time = { .it_value.tv_nsec = CHANGE_MS * 1000000L };
  bool any = false;

  for (unsigned i = 0; i < console->n && !console->is_quiet; i++)
    if (console->ports[i].changed)
      {
        console->ports[i].changed = false;
        if (console->changed)
          console->changed (console->data, i, console->ports[i].guest_open);
        any = true;
      }
  if (any)
    console->is_quiet = timerfd_settime (console->quiet.fd, 0, &time, NULL) == 0;
}

static void
on_quiet_ends (void *data)
{
  struct console *console = data;
  uint64_t count;

  if (read (console->quiet.fd, &count, sizeof count) < 0)
    return;
  console->is_quiet = false;
  tell_host (console);
}

static void
set_guest_open (struct port *port, bool open)
{
  if (port->guest_open == open)
    return;
  atomic_store (&port->guest_open, open);
  port->changed = true;
  tell_host (port->console);
}

static uint32_t
serve_control (struct vdev *dev, unsigned q, struct virtq_chain *chain)
{
  struct console *console = (struct console *) dev;
  struct virtio_console_control control;
  struct port *port;

  if (virtq_read (chain, 0, &control, sizeof control) < sizeof control)
    return 0;
  if (control.event == VIRTIO_CONSOLE_DEVICE_READY)
    {
      for (unsigned i = 0; i < console->n && control.value == 1; i++)
        {
          console->ports[i].tell = TELL_ADD;
          console->ports[i].added = false;
        }
      return 0;
    }
  if (control.id == 0 || control.id > console->n)
    return 0;
  port = &console->ports[control.id - 1];
  if (control.event == VIRTIO_CONSOLE_PORT_READY && control.value == 1)
    {
      set_guest_open (port, false); /* what it said before was of a port that is gone */
      port->tell |= TELL_NAME | TELL_OPEN;
    }
  else if (control.event == VIRTIO_CONSOLE_PORT_OPEN)
    set_guest_open (port, control.value);
  return 0;
}

static uint32_t
serve_nobody (struct vdev *dev, unsigned q, struct virtq_chain *chain)
{
  return 0;
}

static void
kick (struct vdev *dev, unsigned q)
{
  struct console *console = (struct console *) dev;

  if (q == VIRTIO_CONSOLE_QUEUE_CTRL_TX)
    {
      vdev_serve (dev, q, serve_control);
      for (unsigned i = 0; i < console->n; i++)
        pump (&console->ports[i]);
    }
  else if (q >= VIRTIO_CONSOLE_QUEUE_RX (1))
    pump (&console->ports[(q - VIRTIO_CONSOLE_QUEUE_RX (1)) / 2]);
  else if (q < 2) /* port 0, which is not there: what is sent to it is gone */
    vdev_serve (dev, 1, serve_nobody);
  tell_all (console);
}

/* The request that was sent in part went with the queue. */
static void
fresh (struct vdev *dev, unsigned q)
{
  if (q >= VIRTIO_CONSOLE_QUEUE_RX (1) && q % 2 == 1)
    ((struct console *) dev)->ports[(q - VIRTIO_CONSOLE_QUEUE_RX (1)) / 2].sent = 0;
}

static void
reset (struct vdev *dev)
{
  struct console *console = (struct console *) dev;

  for (unsigned i = 0; i < console->n; i++)
    {
      console->ports[i].tell = 0;
      console->ports[i].sent = 0;
      console->ports[i].added = false;
      set_guest_open (&console->ports[i], false);
    }
}

static void
started (struct vdev *dev)
{
  struct console *console = (struct console *) dev;

  for (unsigned i = 0; i < console->n; i++)
    worker_watch (dev->workers[0], &console->ports[i].listener, EPOLLIN);
  worker_watch (dev->workers[0], &console->quiet, EPOLLIN);
}

static void
console_free (struct vdev *dev)
{
  struct console *console = (struct console *) dev;

  for (unsigned i = 0; i < console->n; i++)
    {
      if (console->ports[i].client.fd >= 0)
        close (console->ports[i].client.fd);
      close (console->ports[i].listener.fd);
      unlink (console->ports[i].path);
    }
  if (console->quiet.fd > 0)
    close (console->quiet.fd);
  free (console);
}

static const struct vdev_ops console_ops = {
  .kick = kick,
  .fresh = fresh,
  .started = started,
  .reset = reset,
  .free = console_free,
};

bool
console_port (struct vdev *dev, unsigned index, struct console_port_info *info)
{
  struct console *console = (struct console *) dev;
  struct port *port = &console->ports[index];

  if (index >= console->n)
    return false;
  *info = (struct console_port_info){ port->name, port->path, atomic_load (&port->connected),
                                      atomic_load (&port->guest_open) };
  return true;
}

struct renaming
{
  struct port *port;
  const char *name;
};

/* Linux takes a port's first name and no other, so the port goes and comes again. */
static void
rename_port (void *data)
{
  const struct renaming *renaming = data;
  struct port *port = renaming->port;

  strcpy (port->name, renaming->name);
  if (!port->added)
    return;
  port->tell = TELL_REMOVE | TELL_ADD;
  set_guest_open (port, false);
  tell_all (port->console);
}

int
console_rename (struct vdev *dev, unsigned index, const char *name)
{
  struct console *console = (struct console *) dev;
  struct renaming renaming = { &console->ports[index], name };

  if (index >= console->n)
    return -ENOENT;
  if (name[0] == '\0' || strlen (name) >= NAME_MAX_BYTES)
    return -EINVAL;
  worker_call (dev->workers[0], rename_port, &renaming);
  return 0;
}

void
console_on_change (struct vdev *dev, void (*changed) (void *data, unsigned index, bool open),
                   void *data)
{
  struct console *console = (struct console *) dev;

  console->data = data;
  console->changed = changed;
}

static int
add_port (struct console *console, const char *name, const char *path)
{
  struct port *port = &console->ports[console->n];

  if (console->n == PORTS_MAX || strlen (name) >= sizeof port->name
      || strlen (path) >= sizeof port->path)
    {
      vmm_log ("%s: at most %u ports, names of %u and paths of %zu bytes", name, PORTS_MAX,
               NAME_MAX_BYTES - 1, sizeof port->path - 1);
      return -EINVAL;
    }
  strcpy (port->name, name);
  strcpy (port->path, path);
  port->console = console;
  port->id = console->n + 1;
  port->client.fd = -1;
  port->listener = (struct watch){ socket_listen (path), on_listener, port };
  if (port->listener.fd < 0)
    return port->listener.fd;
  console->n++;
  return 0;
}

int
console_create (const struct options *options, struct vdev **dev)
{
  struct console *console = calloc (1, sizeof *console);
  struct virtio_console_config config = { .max_nr_ports = options->n + 1 };
  int ret = console ? 0 : -ENOMEM;

  if (console)
    console->quiet = (struct watch){ timerfd_create (CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK),
                                     on_quiet_ends, console };
  for (unsigned i = 0; i < options->n && ret == 0; i++)
    ret = add_port (console, options->key[i], options->value[i]);
  if (ret < 0)
    {
      if (console)
        console_free (&console->dev);
      return ret;
    }
  vdev_init (&console->dev, &console_ops, "console", VIRTIO_ID_CONSOLE, 4 + 2 * console->n);
  console->dev.threads = SANDBOX_CONSOLE;
  console->dev.features |= VIRTIO_BIT (VIRTIO_CONSOLE_F_MULTIPORT);
  memcpy (console->dev.config, &config, sizeof config);
  console->dev.config_size = sizeof config;
  *dev = &console->dev;
  return 0;
}
