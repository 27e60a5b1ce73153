/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "socket-io.h"

#include "pvt-error.h"

#define RECEIVE_SIZE (64 * 1024)
#define RECEIVE_MAX (1024 * 1024)

GSocket *
pvt_socket_open (int fd, GError **error)
{
  GSocket *socket;

  if (fd < 0)
    {
      if (error && *error)
        {
          (*error)->domain = PVT_CLIENT_ERROR;
          (*error)->code = PVT_CLIENT_ERROR_NOT_CONNECTED;
        }
      return NULL;
    }
  socket = g_socket_new_from_fd (fd, error);
  if (socket)
    g_socket_set_blocking (socket, FALSE);
  return socket;
}

gboolean
pvt_socket_wait (GSocket *socket, GIOCondition condition, gint64 deadline,
                 GCancellable *cancellable, GError **error)
{
  gint64 left = deadline - g_get_monotonic_time ();

  if (left <= 0)
    {
      g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT, "timed out");
      return FALSE;
    }
  return g_socket_condition_timed_wait (socket, condition, left, cancellable, error);
}

/* Nothing now is no error. */
static gssize
later (GError *failure, GError **error)
{
  if (g_error_matches (failure, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK))
    {
      g_error_free (failure);
      return 0;
    }
  if (g_error_matches (failure, G_IO_ERROR, G_IO_ERROR_BROKEN_PIPE)
      || g_error_matches (failure, G_IO_ERROR, G_IO_ERROR_CONNECTION_CLOSED))
    g_set_error_literal (error, PVT_CLIENT_ERROR, PVT_CLIENT_ERROR_DISCONNECTED,
                         "the other side hung up");
  else
    g_set_error_literal (error, PVT_CLIENT_ERROR, PVT_CLIENT_ERROR_NOT_CONNECTED,
                         failure->message);
  g_error_free (failure);
  return -1;
}

gssize
pvt_socket_send_some (GSocket *socket, const char *data, gsize len, GError **error)
{
  GError *failure = NULL;
  gssize n = g_socket_send (socket, data, len, NULL, &failure);

  return n < 0 ? later (failure, error) : n;
}

gssize
pvt_socket_receive_some (GSocket *socket, PvtFramer *framer, GError **error)
{
  gsize size = CLAMP (framer->buf.len / 4, RECEIVE_SIZE, RECEIVE_MAX);
  GError *failure = NULL;
  gssize n = g_socket_receive (socket, pvt_framer_reserve (framer, size), size, NULL, &failure);

  if (n < 0)
    return later (failure, error);
  if (n == 0)
    {
      g_set_error_literal (error, PVT_CLIENT_ERROR, PVT_CLIENT_ERROR_DISCONNECTED,
                           "the other side hung up");
      return -1;
    }
  pvt_framer_commit (framer, (gsize) n);
  return n;
}

gboolean
pvt_socket_send (GSocket *socket, const char *data, gsize len, gint64 deadline,
                 GCancellable *cancellable, GError **error)
{
  while (len > 0)
    {
      gssize n;

      if (!pvt_socket_wait (socket, G_IO_OUT, deadline, cancellable, error))
        return FALSE;
      n = pvt_socket_send_some (socket, data, len, error);
      if (n < 0)
        return FALSE;
      data += n;
      len -= (gsize) n;
    }
  return TRUE;
}

gboolean
pvt_socket_receive (GSocket *socket, PvtFramer *framer, gint64 deadline, GCancellable *cancellable,
                    GError **error)
{
  gssize n = 0;

  while (n == 0)
    {
      if (!pvt_socket_wait (socket, G_IO_IN, deadline, cancellable, error))
        return FALSE;
      n = pvt_socket_receive_some (socket, framer, error);
    }
  return n > 0;
}
