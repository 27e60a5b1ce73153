/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The host's side of the socket device: "CONNECT <port>\n" and "OK <port>\n", and the
 * sockets the guest connects to. */
#include "vsock.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* Ports of the host's end begin where programs of the host have none by convention. */
#define PORT_FIRST (UINT32_C (1) << 30)

static uint32_t
free_port (struct vsock *vsock, uint32_t guest_port)
{
  do
    vsock->next_port = vsock->next_port < PORT_FIRST ? PORT_FIRST : vsock->next_port + 1;
  while (vsock->next_port == VIRTIO_VSOCK_CID_ANY || vsock->next_port < PORT_FIRST
         || vsock_conn_find (vsock, guest_port, vsock->next_port));
  return vsock->next_port;
}

static bool
parse_line (const char *line, uint32_t *port)
{
  const char *digits = line + strlen ("CONNECT ");
  unsigned long long value;
  char *end;

  if (strncmp (line, "CONNECT ", strlen ("CONNECT ")) != 0 || *digits < '0' || *digits > '9')
    return false;
  errno = 0;
  value = strtoull (digits, &end, 10);
  *port = (uint32_t) value;
  return errno == 0 && *end == '\0' && value < UINT32_MAX;
}

/* Byte by byte: what is behind the line is the guest's. */
bool
vsock_read_greeting (struct vsock_conn *conn)
{
  while (conn->line_len < sizeof conn->line)
    {
      char *next = &conn->line[conn->line_len];
      ssize_t n = recv (conn->watch.fd, next, 1, MSG_DONTWAIT);

      if (n < 0 && errno == EINTR)
        continue;
      if (n < 0 && errno == EAGAIN)
        return false;
      if (n != 1)
        break;
      conn->line_len++;
      if (*next != '\n')
        continue;
      *next = '\0';
      if (!parse_line (conn->line, &conn->guest_port))
        break;
      conn->host_port = free_port (conn->vsock, conn->guest_port);
      conn->state = VSOCK_ASKING;
      conn->tell = VSOCK_TELL_REQUEST;
      return true;
    }
  vsock_conn_free (conn);
  return false;
}

void
vsock_tell_accepted (struct vsock_conn *conn)
{
  char line[32];
  int len = snprintf (line, sizeof line, "OK %" PRIu32 "\n", conn->host_port);

  /* A fresh socket has room for a line; when not, nobody is there any more. */
  if (send (conn->watch.fd, line, (size_t) len, MSG_NOSIGNAL | MSG_DONTWAIT) != len)
    vsock_conn_reset (conn);
}

/* Without a driver there is nobody to ask: the program sees its connection end. */
void
vsock_greet (struct vsock *vsock, int fd)
{
  struct vsock_conn *conn;

  if (!vsock->dev.queues[VIRTIO_VSOCK_QUEUE_RX].ring.ready)
    {
      close (fd);
      return;
    }
  conn = vsock_conn_new (vsock, fd);
  if (conn)
    vsock_conn_pump (conn);
}

static void
on_listener (void *data)
{
  struct vsock *vsock = data;
  int fd;

  if (vsock->n_conns == VSOCK_CONNS_MAX) /* the next that ends listens again */
    {
      worker_unwatch (vsock->dev.workers[0], &vsock->listener);
      vsock->listening = false;
      return;
    }
  fd = accept4 (vsock->listener.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
  if (fd >= 0)
    vsock_greet (vsock, fd);
  vdev_notify (&vsock->dev, VIRTIO_VSOCK_QUEUE_RX);
}

void
vsock_listen (struct vsock *vsock)
{
  if (vsock->listening || vsock->dev.workers[0] == NULL)
    return;
  vsock->listener.ready = on_listener;
  vsock->listener.data = vsock;
  vsock->listening = worker_watch (vsock->dev.workers[0], &vsock->listener, EPOLLIN) == 0;
}

int
vsock_connect (const struct vsock *vsock, uint32_t port)
{
  struct sockaddr_un address = { .sun_family = AF_UNIX };
  int fd;

  snprintf (address.sun_path, sizeof address.sun_path, "%.*s_%" PRIu32, (int) VSOCK_PATH_MAX,
            vsock->path, port);
  fd = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd >= 0 && connect (fd, (const struct sockaddr *) &address, sizeof address) == 0)
    return fd;
  if (fd >= 0)
    close (fd);
  return -1;
}
