/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* At most BYTES_MAX bytes are read ahead of the guest: what it does not take stays where it
 * comes from. */
#include "terminal.h"

#include <asm/ioctls.h>
#include <asm/termbits.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "host-side/vmm/core/log.h"
#include "host-side/vmm/core/sandbox.h"
#include "host-side/vmm/core/worker.h"

#define BYTES_MAX 256u
#define ESCAPE 0x01 /* Ctrl-A */

struct terminal
{
  struct vm *vm;
  struct uart *uart;
  struct worker *worker;
  struct watch input; /* fd -1: it has ended */
  struct watch room;  /* an eventfd: the guest has read all that it had */
  uint8_t bytes[BYTES_MAX];
  unsigned at, n; /* of them, what the guest has not got */
  bool is_terminal, escaped;
  int fd;
  struct termios before;
};

/* Takes the escapes out; what is left. */
static unsigned
take_escapes (struct terminal *terminal, unsigned n)
{
  unsigned left = 0;

  for (unsigned i = 0; i < n; i++)
    {
      uint8_t byte = terminal->bytes[i];

      if (!terminal->escaped && byte == ESCAPE)
        terminal->escaped = true;
      else if (terminal->escaped && (byte == 'x' || byte == 'X'))
        vm_finish (terminal->vm, VM_SHUTDOWN);
      else if (!terminal->escaped || byte == ESCAPE)
        {
          terminal->bytes[left++] = byte;
          terminal->escaped = false;
        }
      else /* an escape that nobody knows */
        terminal->escaped = false;
    }
  return left;
}

static bool
feed (struct terminal *terminal)
{
  terminal->at += uart_feed (terminal->uart, terminal->bytes + terminal->at,
                             terminal->n - terminal->at);
  return terminal->at == terminal->n;
}

/* Reads once. False when nothing is to be read before the guest has made room. */
static bool
take (struct terminal *terminal)
{
  ssize_t n = read (terminal->fd, terminal->bytes, sizeof terminal->bytes);

  if (n < 0 && (errno == EINTR || errno == EAGAIN))
    return true;
  if (n <= 0)
    {
      worker_unwatch (terminal->worker, &terminal->input);
      terminal->input.fd = -1;
      return false;
    }
  terminal->at = 0;
  terminal->n = terminal->is_terminal ? take_escapes (terminal, (unsigned) n) : (unsigned) n;
  return feed (terminal);
}

/* Of a file there is always more, so it cannot be watched: epoll_ctl(2), EPERM. */
static void
listen_on (struct terminal *terminal)
{
  while (terminal->input.fd >= 0
         && worker_watch (terminal->worker, &terminal->input, EPOLLIN) == -EPERM && take (terminal))
    continue;
}

static void
on_input (void *data)
{
  struct terminal *terminal = data;

  if (!take (terminal) && terminal->input.fd >= 0)
    worker_unwatch (terminal->worker, &terminal->input);
}

static void
on_room (void *data)
{
  struct terminal *terminal = data;
  eventfd_t count;

  if (eventfd_read (terminal->room.fd, &count) == 0 && feed (terminal))
    listen_on (terminal);
}

static void
begin (void *data)
{
  struct terminal *terminal = data;

  worker_watch (terminal->worker, &terminal->room, EPOLLIN);
  listen_on (terminal);
}

/* As tcsetattr(3) would do it; the sandbox knows this one call, and not what a C library
 * makes of it. Output is left as it is: others write to the terminal, too. */
static void
make_raw (struct terminal *terminal)
{
  struct termios raw;

  terminal->is_terminal = ioctl (terminal->fd, TCGETS, &terminal->before) == 0;
  if (!terminal->is_terminal)
    return;
  raw = terminal->before;
  raw.c_iflag &= ~(tcflag_t) (IGNBRK | BRKINT | PARMRK | ISTRIP | INLCR | IGNCR | ICRNL | IXON);
  raw.c_lflag &= ~(tcflag_t) (ECHO | ECHONL | ICANON | IEXTEN | ISIG);
  raw.c_cc[VMIN] = 1;
  raw.c_cc[VTIME] = 0;
  signal (SIGTTIN, SIG_IGN); /* in the background there is nothing to read any more */
  signal (SIGTTOU, SIG_IGN);
  ioctl (terminal->fd, TCSETS, &raw);
  vmm_log ("this terminal is the guest's serial port: Ctrl-A x ends the machine");
}

int
terminal_new (struct terminal **result, struct vm *vm, struct uart *uart, int fd)
{
  struct terminal *terminal = calloc (1, sizeof *terminal);
  int ret;

  if (terminal == NULL)
    return -ENOMEM;
  terminal->vm = vm;
  terminal->uart = uart;
  terminal->fd = fd;
  terminal->input = (struct watch){ fd, on_input, terminal };
  terminal->room = (struct watch){ eventfd (0, EFD_CLOEXEC | EFD_NONBLOCK), on_room, terminal };
  ret = terminal->room.fd < 0 ? -errno : worker_new (&terminal->worker, "serial", SANDBOX_SERIAL);
  if (ret < 0)
    {
      if (terminal->room.fd >= 0)
        close (terminal->room.fd);
      free (terminal);
      return ret;
    }
  make_raw (terminal);
  uart_tell_room (uart, terminal->room.fd);
  worker_call (terminal->worker, begin, terminal);
  *result = terminal;
  return 0;
}

void
terminal_free (struct terminal *terminal)
{
  if (terminal == NULL)
    return;
  uart_tell_room (terminal->uart, -1);
  worker_free (terminal->worker);
  if (terminal->is_terminal)
    ioctl (terminal->fd, TCSETS, &terminal->before);
  close (terminal->room.fd);
  free (terminal);
}

bool
terminal_is_ours (int fd)
{
  pid_t group;

  return ioctl (fd, TIOCGPGRP, &group) == 0 && group == getpgrp ();
}
