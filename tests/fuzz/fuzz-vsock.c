/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A guest and programs of the host that do anything on a socket device: packets with any
 * header, mostly of connections there are; greetings, data and ends from the host. */
#include "fuzz.h"
#include "input.h"

#include "tests/support/vsock-guest.h"

#include <sys/socket.h>
#include <sys/un.h>

#define PROGRAMS 8u

static struct vsock_guest guest;
static int listeners[2], programs[PROGRAMS];
static uint32_t last_port; /* the host's end of the last packet for the guest */

/* @good from the next byte, or anything for 0xff. */
static uint32_t
field (struct input *in, uint32_t good, uint32_t byte)
{
  uint32_t wild = 0;

  if (byte != 0xff)
    return good;
  for (unsigned i = 0; i < 4; i++)
    wild = wild << 8 | take (in);
  return wild;
}

static void
listen_for_guest (void)
{
  for (unsigned port = 0; port < 2; port++)
    {
      struct sockaddr_un address = { .sun_family = AF_UNIX };

      snprintf (address.sun_path, sizeof address.sun_path, "%s_%u", guest.path, port);
      listeners[port] = socket (AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
      if (bind (listeners[port], (struct sockaddr *) &address, sizeof address) < 0
          || listen (listeners[port], 16) < 0)
        abort ();
    }
}

static void
leave_nothing (void)
{
  char path[96];

  for (unsigned port = 0; port < 2; port++)
    {
      snprintf (path, sizeof path, "%s_%u", guest.path, port);
      unlink (path);
    }
  unlink (guest.path);
  *strrchr (guest.path, '/') = '\0';
  rmdir (guest.path);
}

static void
packet (struct input *in)
{
  static uint8_t bytes[32768];
  uint8_t op = take (in), ports = take (in), size = take (in), room = take (in);
  uint32_t len = size % 8 == 7 ? size * 128u : size % 8 * 9u;
  struct virtio_vsock_hdr hdr
    = guest_header ((uint16_t) field (in, op % 8, op), ports & 3, ports >> 2 & 1);

  if (ports & 8)
    hdr.dst_port = last_port;
  hdr.src_cid = field (in, GUEST_CID, ports);
  hdr.len = field (in, len, size);
  hdr.buf_alloc = field (in, room * 16u, room);
  hdr.fwd_cnt = field (in, 0, room);
  hdr.flags = size & 3;
  if (room == 0xfe)
    hdr.type = take (in);
  guest_send (&guest, &hdr, bytes, len);
}

static void
greet (struct input *in, unsigned which)
{
  static const char *const lines[] = { "CONNECT 1\n", "CONNECT 2\nabc", "CONNECT ", "3\n" };
  const char *line = lines[take (in) % 4];
  int fds[2];

  if (programs[which] < 0)
    {
      if (socketpair (AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) < 0)
        abort ();
      programs[which] = fds[0];
      vsock_greet (guest.vsock, fds[1]);
    }
  if (send (programs[which], line, strlen (line), MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
    return;
}

/* One of the host's programs does something. */
static void
program (struct input *in)
{
  static char bytes[4096];
  uint8_t what = take (in);
  unsigned which = what % PROGRAMS;
  int *fd = &programs[which];

  switch (what / PROGRAMS % 6)
    {
    case 0:
      greet (in, which);
      break;
    case 1: /* takes what the guest began */
      if (*fd < 0)
        *fd = accept4 (listeners[what >> 7], NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
      break;
    case 2:
      if (*fd >= 0 && send (*fd, bytes, take (in) * 16u, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
        break;
      break;
    case 3:
      if (*fd >= 0 && recv (*fd, bytes, sizeof bytes, MSG_DONTWAIT) < 0)
        break;
      break;
    case 4:
      if (*fd >= 0)
        shutdown (*fd, what & 0x80 ? SHUT_RD : SHUT_WR);
      break;
    default:
      if (*fd >= 0)
        close (*fd);
      *fd = -1;
    }
}

static void
check_bounds (void)
{
  unsigned n = 0;

  for (unsigned i = 0; i < VSOCK_CONNS_MAX; i++)
    if (guest.vsock->conns[i])
      {
        const struct vsock_conn *conn = guest.vsock->conns[i];

        n++;
        if (conn->len > VSOCK_BUFFER || conn->head + conn->len > VSOCK_BUFFER
            || (conn->watch.fd < 0 && conn->state == VSOCK_GREETING))
          abort ();
      }
  if (n != guest.vsock->n_conns || guest.vsock->n_resets > VSOCK_RESETS_MAX)
    abort ();
}

static void
receive (struct input *in)
{
  struct vsock_packet got;

  while (guest_receive (&guest, &got))
    {
      if (got.hdr.dst_cid != GUEST_CID || got.hdr.len > BUFFER - sizeof got.hdr)
        abort ();
      last_port = got.hdr.src_port;
    }
  guest_give (&guest, take (in) % RING);
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  struct input in = { data, size };

  if (guest.dev == NULL)
    {
      if (!guest_make (&guest))
        abort ();
      listen_for_guest ();
      atexit (leave_nothing);
    }
  for (unsigned i = 0; i < PROGRAMS; i++)
    programs[i] = -1;
  last_port = 0;
  if (!guest_start (&guest, NULL))
    abort ();
  for (unsigned turn = 0; in.left > 0 && turn < 200; turn++)
    {
      uint8_t what = take (&in);

      if (what % 4 < 2)
        packet (&in);
      else if (what % 4 == 2)
        program (&in);
      else
        receive (&in);
      check_bounds ();
    }
  vdev_reset (guest.dev);
  if (guest.vsock->n_conns > 0)
    abort ();
  for (unsigned i = 0; i < PROGRAMS; i++)
    if (programs[i] >= 0)
      close (programs[i]);
  for (unsigned i = 0; i < 2; i++)
    for (int fd; (fd = accept4 (listeners[i], NULL, NULL, SOCK_NONBLOCK)) >= 0;)
      close (fd);
  return 0;
}
