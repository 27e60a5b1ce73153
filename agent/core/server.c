/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "server.h"

#include "agent/guardian/freezer.h"
#include "agent/lifecycle/disruption.h"
#include "agent/telemetry/page.h"
#include "agent/telemetry/telemetry.h"
#include "log.h"
#include "notify.h"
#include "policy.h"

#include <glib-unix.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>

#define STACK_SIZE (512 * 1024)

static struct
{
  const PvtConfig *config;
  PvtRoot *root;
  GPtrArray *endpoints;
  GMainLoop *loop;
  gint64 started;
} server;

const PvtRoot *
pvt_server_root (void)
{
  return server.root;
}

const PvtConfig *
pvt_server_config (void)
{
  return server.config;
}

GPtrArray *
pvt_server_endpoints (void)
{
  return server.endpoints;
}

gint64
pvt_server_started (void)
{
  return server.started;
}

static gboolean
stop (gpointer data G_GNUC_UNUSED)
{
  g_main_loop_quit (server.loop);
  return G_SOURCE_CONTINUE;
}

static gboolean
open_channels (GError **error)
{
  for (guint i = 0; i < server.config->channels->len; i++)
    {
      PvtEndpoint *endpoint = pvt_endpoint_new (g_ptr_array_index (server.config->channels, i),
                                                error);

      if (endpoint == NULL)
        return FALSE;
      g_ptr_array_add (server.endpoints, endpoint);
    }
  return TRUE;
}

static gboolean
set_policy (GError **error)
{
  const PvtConfig *config = server.config;
  g_autofree char *unknown = NULL;

  if (!pvt_policy_init (config->profile, config->allow, config->block, &unknown, error))
    return FALSE;
  if (unknown)
    pvt_log (PVT_LOG_WARNING, "allow or block list: no such command: %s", unknown);
  return TRUE;
}

/* A freed buffer of megabytes must go back to the system, and a thread must
 * not bring an arena of its own along: the agent is a guest in the guest. */
static void
tune_malloc (void)
{
  mallopt (M_ARENA_MAX, 1);
  mallopt (M_MMAP_THRESHOLD, 256 * 1024);
  mallopt (M_TRIM_THRESHOLD, 256 * 1024);
}

/* All of a stack counts against the limit of memory that the agent's unit has, touched
 * or not, and eight megabytes are the C library's default: 64 threads would be all. */
static void
tune_stacks (void)
{
  pthread_attr_t attr;

  if (pthread_attr_init (&attr) != 0)
    return;
  if (pthread_attr_setstacksize (&attr, STACK_SIZE) == 0)
    pthread_setattr_default_np (&attr);
  pthread_attr_destroy (&attr);
}

gboolean
pvt_server_open_root (const PvtConfig *config, GError **error)
{
  server.config = config;
  server.root = pvt_root_open (config->root, error);
  return server.root != NULL;
}

void
pvt_server_close_root (void)
{
  g_clear_pointer (&server.root, pvt_root_free);
}

gboolean
pvt_server_run (const PvtConfig *config, GError **error)
{
  gboolean ok;

  tune_malloc ();
  tune_stacks ();
  server.started = g_get_monotonic_time ();
  if (!pvt_server_open_root (config, error))
    return FALSE;
  server.endpoints = g_ptr_array_new_with_free_func ((GDestroyNotify) pvt_endpoint_free);
  server.loop = g_main_loop_new (NULL, FALSE);
  signal (SIGPIPE, SIG_IGN);
  g_unix_signal_add (SIGTERM, stop, NULL);
  g_unix_signal_add (SIGINT, stop, NULL);
  pvt_freezer_init (config, server.root);
  ok = set_policy (error) && open_channels (error);
  if (ok)
    {
      pvt_log (PVT_LOG_INFO, "pvtools-agent " PVT_VERSION " started");
      pvt_notify ("READY=1");
      pvt_notify_start_watchdog ();
      pvt_disruption_start (config, server.root);
      pvt_shared_figures_start (config, server.root);
      g_main_loop_run (server.loop);
      pvt_notify ("STOPPING=1");
      pvt_telemetry_stop ();
      pvt_shared_figures_stop ();
    }
  pvt_freezer_finish ();
  pvt_disruption_stop ();
  g_ptr_array_unref (server.endpoints);
  g_main_loop_unref (server.loop);
  pvt_server_close_root ();
  return ok;
}
