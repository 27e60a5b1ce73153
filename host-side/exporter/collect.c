/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "collect.h"

int
pvt_collect_left (const PvtCollect *collect)
{
  gint64 left = (collect->deadline - g_get_monotonic_time ()) / 1000;

  return (int) CLAMP (left, 1, G_MAXINT);
}

/* The agent said no; it is there all the same. */
static gboolean
is_refusal (const GError *error)
{
  return error->domain == PVT_AGENT_ERROR
         || g_error_matches (error, PVT_CLIENT_ERROR, PVT_CLIENT_ERROR_UNSUPPORTED);
}

static gboolean
run_collector (PvtCollect *collect, const PvtCollector *collector, GError **error)
{
  gint64 began = g_get_monotonic_time ();
  GError *failure = NULL;
  gboolean ok;

  if (began >= collect->deadline)
    {
      g_set_error_literal (error, PVT_CLIENT_ERROR, PVT_CLIENT_ERROR_TIMEOUT_BEFORE_SENT,
                           "the guest takes too long for all of its figures");
      return FALSE;
    }
  ok = collector->run (collect, &failure);
  pvt_metrics_add (collect->metrics, PVT_F_SCRAPE_DURATION,
                   (double) (g_get_monotonic_time () - began) / 1e6, "collector", collector->name,
                   NULL);
  pvt_metrics_add (collect->metrics, PVT_F_SCRAPE_SUCCESS, ok, "collector", collector->name, NULL);
  if (ok || is_refusal (failure))
    {
      g_clear_error (&failure);
      return TRUE;
    }
  g_propagate_error (error, failure);
  return FALSE;
}

static gboolean
run_collectors (PvtCollect *collect, const PvtCollector *collectors, guint n, GError **error)
{
  for (guint i = 0; i < n; i++)
    if (!run_collector (collect, &collectors[i], error))
      return FALSE;
  return TRUE;
}

static void
add_status (PvtMetrics *metrics, const PvtAgentStatus *status)
{
  pvt_metrics_add (metrics, PVT_F_AGENT, 1, "kind", "pvtools-agent", "version", status->version,
                   "profile", status->profile, NULL);
  pvt_metrics_add (metrics, PVT_F_FROZEN, status->frozen, NULL);
  pvt_metrics_add (metrics, PVT_F_AGENT_REQUESTS, (double) status->requests, NULL);
  pvt_metrics_add (metrics, PVT_F_AGENT_ERRORS, (double) status->errors, NULL);
  pvt_metrics_add (metrics, PVT_F_AGENT_UPTIME, (double) status->uptime_ms / 1000, NULL);
  for (guint i = 0; status->hung_mounts[i]; i++)
    pvt_metrics_add (metrics, PVT_F_HUNG, 1, "mountpoint", status->hung_mounts[i], NULL);
}

/* pvt-get-status tells which agent it is: guest-info is thirty times as long. */
static gboolean
collect_all (PvtCollect *collect, GError **error)
{
  g_autoptr (PvtAgentStatus) status = NULL;
  g_autoptr (GError) failure = NULL;

  status = pvt_client_get_status (collect->client, pvt_collect_left (collect), NULL, &failure);
  if (status)
    {
      add_status (collect->metrics, status);
      collect->sign->frozen = status->frozen;
    }
  else if (g_error_matches (failure, PVT_CLIENT_ERROR, PVT_CLIENT_ERROR_UNSUPPORTED))
    return run_collectors (collect, pvt_qga_collectors, pvt_n_qga_collectors, error);
  else if (failure->domain != PVT_AGENT_ERROR)
    {
      g_propagate_error (error, g_steal_pointer (&failure));
      return FALSE;
    }
  return run_collectors (collect, pvt_agent_collectors, pvt_n_agent_collectors, error);
}

gboolean
pvt_collect_guest (const char *address, int timeout_ms, PvtMetrics *metrics, PvtSign *sign,
                   GError **error)
{
  PvtCollect collect = { NULL, metrics, g_get_monotonic_time () + (gint64) timeout_ms * 1000,
                         sign };
  gboolean ok;

  collect.client = pvt_client_connect (address, timeout_ms, NULL, error);
  if (collect.client == NULL)
    return FALSE;
  ok = collect_all (&collect, error);
  g_object_unref (collect.client);
  return ok;
}
