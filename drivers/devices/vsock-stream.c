/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Streams as their users see them (5.10.6.2 to 5.10.6.6). */
#include "vsock.h"

#define SHUT_BOTH (VIRTIO_VSOCK_SHUTDOWN_RECEIVE | VIRTIO_VSOCK_SHUTDOWN_SEND)

/* ---- slots ---- */

struct virtio_vsock_connection *
virtio_vsock_free_slot (struct virtio_vsock *vsock)
{
  for (unsigned i = 0; i < VIRTIO_VSOCK_CONNECTIONS; i++)
    if (vsock->connections[i].state == VIRTIO_VSOCK_FREE && vsock->connections[i].owed == 0)
      return &vsock->connections[i];
  return NULL;
}

void
virtio_vsock_open (struct virtio_vsock_connection *connection, const struct virtio_vsock_ends *ends,
                   enum virtio_vsock_state state)
{
  *connection = (struct virtio_vsock_connection) { .ends = *ends, .state = state,
                                                   .window = connection->window };
}

void
virtio_vsock_cut (struct virtio_vsock_connection *connection)
{
  connection->owed = OWED (RST);
  connection->state =
    connection->state == VIRTIO_VSOCK_CLOSING ? VIRTIO_VSOCK_FREE : VIRTIO_VSOCK_CUT;
}

void
virtio_vsock_finish (struct virtio_vsock_connection *connection)
{
  if (connection->peer_shut == SHUT_BOTH
      && (connection->state == VIRTIO_VSOCK_CLOSING || connection->received == connection->read))
    virtio_vsock_cut (connection);
}

static struct virtio_vsock_connection *
connection_of (struct virtio_vsock *vsock, unsigned number)
{
  struct virtio_vsock_connection *connection;

  if (number >= VIRTIO_VSOCK_CONNECTIONS)
    return NULL;
  connection = &vsock->connections[number];
  if (connection->state == VIRTIO_VSOCK_FREE || connection->state == VIRTIO_VSOCK_CLOSING
      || !connection->accepted)
    return NULL;
  return connection;
}

/* ---- what is owed ---- */

/* In the order they must go out. */
static const uint16_t order[] = { VIRTIO_VSOCK_OP_REQUEST, VIRTIO_VSOCK_OP_RESPONSE,
                                  VIRTIO_VSOCK_OP_CREDIT_REQUEST, VIRTIO_VSOCK_OP_CREDIT_UPDATE,
                                  VIRTIO_VSOCK_OP_SHUTDOWN, VIRTIO_VSOCK_OP_RST };

static int
pay (struct virtio_vsock *vsock, struct virtio_vsock_connection *connection)
{
  for (unsigned i = 0; i < sizeof order / sizeof *order; i++)
    {
      uint32_t bit = 1u << order[i];
      int error;

      if (!(connection->owed & bit) || !vsock->tx_free)
        continue;
      error = virtio_vsock_put (vsock, connection, order[i],
                                order[i] == VIRTIO_VSOCK_OP_SHUTDOWN ? connection->shut : 0, NULL, 0);
      if (error)
        return error;
      connection->owed &= ~bit;
    }
  return 0;
}

static int
pay_resets (struct virtio_vsock *vsock)
{
  unsigned n = 0;
  int error = 0;

  while (n < vsock->n_resets && vsock->tx_free && !error)
    {
      error = virtio_vsock_put_reset (vsock, &vsock->resets[n]);
      n += !error;
    }
  vsock->n_resets -= n;
  memmove (vsock->resets, vsock->resets + n, vsock->n_resets * sizeof *vsock->resets);
  return error;
}

/* 5.10.6.5: who does not agree that it is over is reset after a time. */
static void
expire (const struct virtio_vsock *vsock, struct virtio_vsock_connection *connection)
{
  if (connection->state == VIRTIO_VSOCK_CLOSING
      && virtio_hal_now (vsock->dev.hal) >= connection->deadline_us)
    virtio_vsock_cut (connection);
}

int
virtio_vsock_flush (struct virtio_vsock *vsock)
{
  int error = virtio_vsock_reclaim (vsock);

  if (!error)
    error = pay_resets (vsock);
  for (unsigned i = 0; i < VIRTIO_VSOCK_CONNECTIONS && !error; i++)
    {
      expire (vsock, &vsock->connections[i]);
      error = pay (vsock, &vsock->connections[i]);
    }
  virtio_queue_kick (&vsock->tx);
  return error;
}

/* ---- beginning ---- */

static int
listener (const struct virtio_vsock *vsock, uint32_t port)
{
  for (unsigned i = 0; i < VIRTIO_VSOCK_LISTENERS; i++)
    if (vsock->listening[i] && vsock->listeners[i] == port)
      return (int) i;
  return -VIRTIO_EINVAL;
}

int
virtio_vsock_listen (struct virtio_vsock *vsock, uint32_t port)
{
  if (listener (vsock, port) >= 0)
    return -VIRTIO_EINVAL;
  for (unsigned i = 0; i < VIRTIO_VSOCK_LISTENERS; i++)
    if (!vsock->listening[i])
      {
        vsock->listeners[i] = port;
        vsock->listening[i] = true;
        return 0;
      }
  return -VIRTIO_EAGAIN;
}

int
virtio_vsock_ignore (struct virtio_vsock *vsock, uint32_t port)
{
  int i = listener (vsock, port);

  if (i < 0)
    return i;
  vsock->listening[i] = false;
  for (unsigned c = 0; c < VIRTIO_VSOCK_CONNECTIONS; c++) /* which nobody will accept */
    if (vsock->connections[c].state != VIRTIO_VSOCK_FREE && !vsock->connections[c].accepted
        && vsock->connections[c].ends.port == port)
      {
        if (vsock->connections[c].state != VIRTIO_VSOCK_CUT)
          virtio_vsock_cut (&vsock->connections[c]);
        vsock->connections[c].state = VIRTIO_VSOCK_FREE;
      }
  return virtio_vsock_flush (vsock);
}

int
virtio_vsock_accept (struct virtio_vsock *vsock, uint32_t port)
{
  for (unsigned i = 0; i < VIRTIO_VSOCK_CONNECTIONS; i++)
    {
      struct virtio_vsock_connection *connection = &vsock->connections[i];

      if (connection->state != VIRTIO_VSOCK_FREE && !connection->accepted
          && connection->ends.port == port)
        {
          connection->accepted = true;
          return (int) i;
        }
    }
  return -VIRTIO_EAGAIN;
}

static bool
is_used (const struct virtio_vsock *vsock, uint32_t port)
{
  for (unsigned i = 0; i < VIRTIO_VSOCK_CONNECTIONS; i++)
    if (vsock->connections[i].state != VIRTIO_VSOCK_FREE && vsock->connections[i].ends.port == port)
      return true;
  return listener (vsock, port) >= 0;
}

/* Ends at the latest when all connections and listeners have been passed. */
static uint32_t
own_port (struct virtio_vsock *vsock)
{
  do
    if (++vsock->next_port < 1024 || vsock->next_port == UINT32_MAX)
      vsock->next_port = 1024;
  while (is_used (vsock, vsock->next_port));
  return vsock->next_port;
}

static int
wait_open (struct virtio_vsock *vsock, struct virtio_vsock_connection *connection)
{
  struct virtio_wait wait;
  int error = virtio_vsock_flush (vsock);

  virtio_wait_begin (&wait, &vsock->dev);
  while (!error && connection->state == VIRTIO_VSOCK_CONNECTING)
    {
      error = virtio_vsock_poll (vsock);
      if (error == 0 && connection->state == VIRTIO_VSOCK_CONNECTING)
        error = virtio_wait_more (&wait);
      else if (error > 0) /* packets of others do not stop the clock */
        error = virtio_hal_now (vsock->dev.hal) >= wait.end ? -VIRTIO_ETIMEDOUT : 0;
    }
  if (connection->state == VIRTIO_VSOCK_CUT)
    error = -VIRTIO_ECONNREFUSED;
  return connection->state == VIRTIO_VSOCK_OPEN ? 0 : error;
}

int
virtio_vsock_connect (struct virtio_vsock *vsock, uint64_t cid, uint32_t port)
{
  struct virtio_vsock_connection *connection = virtio_vsock_free_slot (vsock);
  struct virtio_vsock_ends ends = { cid, port, 0 };
  int error;

  if (!connection)
    return -VIRTIO_EAGAIN;
  ends.port = own_port (vsock);
  virtio_vsock_open (connection, &ends, VIRTIO_VSOCK_CONNECTING);
  connection->accepted = true;
  connection->owed = OWED (REQUEST);
  error = wait_open (vsock, connection);
  if (!error)
    return (int) (connection - vsock->connections);
  if (connection->state == VIRTIO_VSOCK_CONNECTING)
    virtio_vsock_cut (connection);
  connection->state = VIRTIO_VSOCK_FREE;
  return error;
}

/* ---- data ---- */

/* 5.10.6.3; a peer may take credit back that it gave. */
static uint32_t
credit (const struct virtio_vsock_connection *connection)
{
  uint32_t unread = connection->sent - connection->peer_fwd;

  return unread < connection->peer_alloc ? connection->peer_alloc - unread : 0;
}

static uint32_t
least (size_t a, uint32_t b, uint32_t c)
{
  uint32_t n = b < c ? b : c;

  return a < n ? (uint32_t) a : n;
}

int
virtio_vsock_send (struct virtio_vsock *vsock, unsigned number, const void *from, size_t bytes)
{
  struct virtio_vsock_connection *connection = connection_of (vsock, number);
  size_t done = 0;
  int error = connection ? virtio_vsock_flush (vsock) : -VIRTIO_EINVAL;

  if (error)
    return error;
  if (connection->state != VIRTIO_VSOCK_OPEN || (connection->shut & VIRTIO_VSOCK_SHUTDOWN_SEND)
      || (connection->peer_shut & VIRTIO_VSOCK_SHUTDOWN_RECEIVE))
    return -VIRTIO_ECONNRESET;
  while (done < bytes && vsock->tx_free && credit (connection))
    {
      uint32_t n = least (bytes - done, VIRTIO_VSOCK_PAYLOAD, credit (connection));

      error = virtio_vsock_put (vsock, connection, VIRTIO_VSOCK_OP_RW, 0,
                                (const uint8_t *) from + done, n);
      if (error)
        return error;
      connection->sent += n;
      done += n;
    }
  if (done < bytes && !credit (connection) && !connection->credit_asked)
    {
      connection->owed |= OWED (CREDIT_REQUEST);
      connection->credit_asked = true;
    }
  error = virtio_vsock_flush (vsock);
  return error ? error : (int) done;
}

int
virtio_vsock_receive (struct virtio_vsock *vsock, unsigned number, void *to, size_t bytes)
{
  struct virtio_vsock_connection *connection = connection_of (vsock, number);
  uint32_t at, n, first;
  int error;

  if (!connection)
    return -VIRTIO_EINVAL;
  n = least (bytes, connection->received - connection->read, VIRTIO_VSOCK_WINDOW);
  if (n == 0 && connection->received == connection->read)
    {
      if (connection->peer_shut & VIRTIO_VSOCK_SHUTDOWN_SEND)
        return -VIRTIO_ENODATA;
      return connection->state == VIRTIO_VSOCK_CUT ? -VIRTIO_ECONNRESET : 0;
    }
  at = connection->read % VIRTIO_VSOCK_WINDOW;
  first = n < VIRTIO_VSOCK_WINDOW - at ? n : VIRTIO_VSOCK_WINDOW - at;
  memcpy (to, connection->window + at, first);
  memcpy ((uint8_t *) to + first, connection->window, n - first);
  connection->read += n;
  if (connection->state != VIRTIO_VSOCK_OPEN)
    return (int) n;
  if (connection->read - connection->told >= VIRTIO_VSOCK_WINDOW / 2)
    connection->owed |= OWED (CREDIT_UPDATE);
  virtio_vsock_finish (connection);
  error = virtio_vsock_flush (vsock);
  return error ? error : (int) n;
}

/* ---- end ---- */

static int
shut (struct virtio_vsock *vsock, struct virtio_vsock_connection *connection, uint8_t how)
{
  connection->shut |= how;
  connection->owed |= OWED (SHUTDOWN);
  return virtio_vsock_flush (vsock);
}

int
virtio_vsock_end (struct virtio_vsock *vsock, unsigned number)
{
  struct virtio_vsock_connection *connection = connection_of (vsock, number);

  if (!connection)
    return -VIRTIO_EINVAL;
  if (connection->state != VIRTIO_VSOCK_OPEN)
    return -VIRTIO_ECONNRESET;
  return shut (vsock, connection, VIRTIO_VSOCK_SHUTDOWN_SEND);
}

int
virtio_vsock_close (struct virtio_vsock *vsock, unsigned number)
{
  struct virtio_vsock_connection *connection = connection_of (vsock, number);

  if (!connection)
    return -VIRTIO_EINVAL;
  if (connection->state == VIRTIO_VSOCK_CUT)
    {
      connection->state = VIRTIO_VSOCK_FREE; /* the reset that may be owed still goes out */
      return virtio_vsock_flush (vsock);
    }
  connection->state = VIRTIO_VSOCK_CLOSING;
  connection->deadline_us =
    virtio_hal_now (vsock->dev.hal) + (uint64_t) VIRTIO_VSOCK_CLOSE_MS * 1000;
  if (connection->peer_shut == SHUT_BOTH)
    {
      virtio_vsock_cut (connection); /* it waits for that */
      return virtio_vsock_flush (vsock);
    }
  return shut (vsock, connection, SHUT_BOTH);
}
