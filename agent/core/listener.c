/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "listener.h"

#include "channel.h"
#include "endpoint.h"
#include "log.h"
#include "protocol/transport/transport.h"

#include <errno.h>
#include <glib-unix.h>
#include <sys/socket.h>
#include <unistd.h>

/* How long it rests when nobody can be accepted. */
#define RETRY_MS 500

struct _PvtListener
{
  const PvtChannelConfig *config;
  int fd;
  guint watch; /* 0 while the house is full */
  gboolean refused; /* somebody was, which the log has */
  GPtrArray *clients;
};

static gboolean accept_client (gint fd, GIOCondition condition, gpointer user_data);

static void
watch (PvtListener *listener)
{
  if (listener->watch == 0 && listener->clients->len < PVT_MAX_CLIENTS)
    listener->watch = g_unix_fd_add (listener->fd, G_IO_IN, accept_client, listener);
}

static void
client_gone (PvtChannel *channel, int error_number, gpointer user_data)
{
  PvtListener *listener = user_data;

  pvt_log (PVT_LOG_DEBUG, "%s: client gone%s%s", listener->config->name, error_number ? ": " : "",
           error_number ? g_strerror (error_number) : "");
  g_ptr_array_remove_fast (listener->clients, channel);
  watch (listener);
}

static gboolean
try_again (gpointer user_data)
{
  PvtListener *listener = user_data;

  listener->watch = 0;
  watch (listener);
  return G_SOURCE_REMOVE;
}

static gboolean
accept_client (gint fd, GIOCondition condition G_GNUC_UNUSED, gpointer user_data)
{
  PvtListener *listener = user_data;
  int client = accept4 (fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

  if (client < 0)
    {
      if (errno == EAGAIN || errno == ECONNABORTED || errno == EINTR)
        return G_SOURCE_CONTINUE;
      /* Out of descriptors: the client stays in the backlog, and poll(2) would tell
       * of it without end. */
      pvt_log (PVT_LOG_ERROR, "%s: cannot accept: %s", listener->config->name, g_strerror (errno));
      listener->watch = g_timeout_add (RETRY_MS, try_again, listener);
      return G_SOURCE_REMOVE;
    }
  if (listener->config->method == PVT_METHOD_VSOCK_LISTEN && !pvt_transport_vsock_is_trusted (client))
    {
      pvt_log (listener->refused ? PVT_LOG_DEBUG : PVT_LOG_WARNING,
               "%s: somebody else than the host has connected, and is refused", listener->config->name);
      listener->refused = TRUE;
      close (client);
      return G_SOURCE_CONTINUE;
    }
  g_ptr_array_add (listener->clients,
                   pvt_channel_new (client, listener->config->name, listener->config->extended,
                                    client_gone, listener));
  /* Further clients wait in the backlog until one leaves. */
  if (listener->clients->len < PVT_MAX_CLIENTS)
    return G_SOURCE_CONTINUE;
  listener->watch = 0;
  return G_SOURCE_REMOVE;
}

static int
listen_on (const PvtChannelConfig *config, GError **error)
{
  guint32 cid, port;

  if (config->method == PVT_METHOD_UNIX_LISTEN)
    return pvt_transport_listen_unix (config->path, error);
  if (!pvt_transport_parse_vsock (config->path, &cid, &port, error))
    return -1;
  return pvt_transport_listen_vsock (cid, port, error);
}

PvtListener *
pvt_listener_new (const PvtChannelConfig *config, GError **error)
{
  PvtListener *listener;
  int fd = listen_on (config, error);

  if (fd < 0)
    return NULL;
  listener = g_new0 (PvtListener, 1);
  listener->config = config;
  listener->fd = fd;
  listener->clients = g_ptr_array_new_with_free_func ((GDestroyNotify) pvt_channel_free);
  watch (listener);
  return listener;
}

void
pvt_listener_free (PvtListener *listener)
{
  if (listener == NULL)
    return;
  g_clear_handle_id (&listener->watch, g_source_remove);
  g_ptr_array_unref (listener->clients);
  close (listener->fd);
  if (listener->config->method == PVT_METHOD_UNIX_LISTEN)
    unlink (listener->config->path);
  g_free (listener);
}

guint
pvt_listener_clients (const PvtListener *listener)
{
  return listener->clients->len;
}
