/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation. While the host does not listen, poll(2) on a
 * virtio-serial port reports a hang-up for ever, and a loop on it would spin.
 * An edge-triggered epoll on the port instead tells only of changes: the
 * driver wakes the port's wait queue when the host opens it. So in that state
 * the main loop watches the epoll descriptor and the port is left alone.
 *
 * A port that does not exist is waited for with inotify on the deepest
 * directory of its path that does. Only a port that somebody else holds open
 * is tried again by timer: nothing tells when it is let go.
 */
#include "port.h"

#include "agent/lifecycle/disruption.h"
#include "channel.h"
#include "log.h"
#include "protocol/transport/transport.h"

#include <errno.h>
#include <glib-unix.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <unistd.h>

#define BUSY_RETRY_SECONDS 5
/* How often the host is looked for when the kernel cannot tell that it is there. */
#define LOOK_SECONDS 1

struct _PvtPort
{
  const PvtChannelConfig *config;
  PvtChannel *channel; /* NULL while the device is not open */
  int epoll_fd;        /* edge-triggered on the port while the host is away */
  int inotify_fd;      /* while the device is not there */
  guint watch;         /* source of one of the two, or the retry timer */
  gboolean host_away;
  char *last_error; /* so that the log says each thing once */
};

static void open_device (PvtPort *port);

static void
stop_watching (PvtPort *port)
{
  g_clear_handle_id (&port->watch, g_source_remove);
  if (port->epoll_fd >= 0)
    close (port->epoll_fd);
  if (port->inotify_fd >= 0)
    close (port->inotify_fd);
  port->epoll_fd = port->inotify_fd = -1;
}

static void
say_once (PvtPort *port, const char *what)
{
  if (g_strcmp0 (port->last_error, what) == 0)
    return;
  g_free (port->last_error);
  port->last_error = g_strdup (what);
  pvt_log (PVT_LOG_WARNING, "%s: %s; waiting", port->config->name, what);
}

static gboolean
host_listens (PvtPort *port)
{
  struct pollfd pfd = { .fd = pvt_channel_fd (port->channel), .events = POLLIN };

  return poll (&pfd, 1, 0) >= 0 && !(pfd.revents & (POLLHUP | POLLERR | POLLNVAL));
}

static gboolean
device_is_dead (PvtPort *port)
{
  char byte;

  /* poll(2) says the same of both: an unplugged port answers ENODEV, one whose
   * host is away reads 0 bytes. */
  return read (pvt_channel_fd (port->channel), &byte, 0) < 0 && errno == ENODEV;
}

static gboolean
look_for_host (gpointer user_data)
{
  PvtPort *port = user_data;

  if (host_listens (port))
    {
      port->watch = 0;
      stop_watching (port);
      port->host_away = FALSE;
      pvt_log (PVT_LOG_DEBUG, "%s: the host listens", port->config->name);
      pvt_channel_resume (port->channel);
      pvt_disruption_glance ();
      return G_SOURCE_REMOVE;
    }
  if (device_is_dead (port))
    {
      port->watch = 0;
      stop_watching (port);
      say_once (port, "the device was unplugged");
      open_device (port);
      return G_SOURCE_REMOVE;
    }
  return G_SOURCE_CONTINUE;
}

static gboolean
port_changed (gint fd, GIOCondition condition G_GNUC_UNUSED, gpointer user_data)
{
  struct epoll_event event;

  epoll_wait (fd, &event, 1, 0); /* takes the edge off */
  return look_for_host (user_data);
}

/* Without an epoll, as when there are no descriptors left, by looking. */
static void
wait_for_host (PvtPort *port)
{
  struct epoll_event event = { .events = EPOLLIN | EPOLLOUT | EPOLLHUP | EPOLLET };

  port->host_away = TRUE;
  port->epoll_fd = epoll_create1 (EPOLL_CLOEXEC);
  if (port->epoll_fd >= 0
      && epoll_ctl (port->epoll_fd, EPOLL_CTL_ADD, pvt_channel_fd (port->channel), &event) == 0)
    {
      port->watch = g_unix_fd_add (port->epoll_fd, G_IO_IN, port_changed, port);
      return;
    }
  pvt_log (PVT_LOG_WARNING, "%s: the host's return cannot be waited for: %s", port->config->name,
           g_strerror (errno));
  stop_watching (port);
  port->watch = g_timeout_add_seconds (LOOK_SECONDS, look_for_host, port);
}

static gboolean
try_again (gpointer user_data)
{
  PvtPort *port = user_data;

  port->watch = 0;
  stop_watching (port);
  open_device (port);
  return G_SOURCE_REMOVE;
}

static gboolean
directory_changed (gint fd G_GNUC_UNUSED, GIOCondition condition G_GNUC_UNUSED, gpointer user_data)
{
  return try_again (user_data);
}

/* Watches the deepest existing directory above the path. FALSE when inotify
 * itself does not work. */
static gboolean
watch_directory (PvtPort *port)
{
  g_autofree char *dir = g_path_get_dirname (port->config->path);

  port->inotify_fd = inotify_init1 (IN_NONBLOCK | IN_CLOEXEC);
  while (port->inotify_fd >= 0)
    {
      g_autofree char *parent = g_path_get_dirname (dir);

      if (inotify_add_watch (port->inotify_fd, dir,
                             IN_CREATE | IN_MOVED_TO | IN_DELETE_SELF | IN_ONLYDIR)
          >= 0)
        return TRUE;
      if (g_strcmp0 (parent, dir) == 0)
        break;
      g_free (dir);
      dir = g_steal_pointer (&parent);
    }
  return FALSE;
}

static void
wait_for_device (PvtPort *port)
{
  if (!watch_directory (port))
    {
      stop_watching (port);
      port->watch = g_timeout_add_seconds (BUSY_RETRY_SECONDS, try_again, port);
      return;
    }
  port->watch = g_unix_fd_add (port->inotify_fd, G_IO_IN, directory_changed, port);
  /* It may have come between the failed open and the watch. */
  if (access (port->config->path, F_OK) == 0)
    {
      g_clear_handle_id (&port->watch, g_source_remove);
      port->watch = g_timeout_add_seconds (BUSY_RETRY_SECONDS, try_again, port);
    }
}

static void
host_gone (PvtChannel *channel G_GNUC_UNUSED, int error_number, gpointer user_data)
{
  PvtPort *port = user_data;

  if (error_number == ENODEV || error_number == EIO)
    {
      say_once (port, "the device was unplugged");
      /* Not from inside the channel's own callback. */
      port->watch = g_idle_add (try_again, port);
      port->host_away = TRUE;
      return;
    }
  pvt_log (PVT_LOG_DEBUG, "%s: the host went away", port->config->name);
  wait_for_host (port);
}

static void
open_device (PvtPort *port)
{
  g_autoptr (GError) error = NULL;
  int fd;

  g_clear_pointer (&port->channel, pvt_channel_free);
  fd = pvt_transport_open_port (port->config->path, &error);
  if (fd >= 0)
    {
      g_clear_pointer (&port->last_error, g_free);
      pvt_log (PVT_LOG_DEBUG, "%s: opened %s", port->config->name, port->config->path);
      port->host_away = FALSE;
      port->channel = pvt_channel_new (fd, port->config->name, port->config->extended, host_gone,
                                       port);
      return;
    }
  say_once (port, error->message);
  if (g_error_matches (error, G_FILE_ERROR, G_FILE_ERROR_NOENT))
    wait_for_device (port);
  else
    port->watch = g_timeout_add_seconds (BUSY_RETRY_SECONDS, try_again, port);
}

PvtPort *
pvt_port_new (const PvtChannelConfig *config)
{
  PvtPort *port = g_new0 (PvtPort, 1);

  port->config = config;
  port->epoll_fd = port->inotify_fd = -1;
  open_device (port);
  return port;
}

void
pvt_port_free (PvtPort *port)
{
  if (port == NULL)
    return;
  stop_watching (port);
  g_clear_pointer (&port->channel, pvt_channel_free);
  g_free (port->last_error);
  g_free (port);
}

gboolean
pvt_port_connected (const PvtPort *port)
{
  return port->channel != NULL && !port->host_away;
}
