/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Asks one guest everything, on one connection that is closed again: whoever
 * else wants the channel gets it in between.
 */
#pragma once

#include "metrics.h"

#include "host-side/health/health.h"

#include <pvtools.h>

/* What an answer says of the guest's health. */
typedef struct
{
  gboolean frozen;
  char boot_id[PVT_HEALTH_BOOT_ID_MAX + 1]; /* "": not known */
} PvtSign;

typedef struct
{
  PvtClient *client;
  PvtMetrics *metrics;
  gint64 deadline; /* g_get_monotonic_time() */
  PvtSign *sign;
} PvtCollect;

/* A group of figures. FALSE: the group is not there; the reason in @error. */
typedef struct
{
  const char *name; /* as node_exporter calls its collector, where it has one */
  gboolean (*run) (PvtCollect *collect, GError **error);
} PvtCollector;

extern const PvtCollector pvt_agent_collectors[], pvt_qga_collectors[];
extern const guint pvt_n_agent_collectors, pvt_n_qga_collectors;

/* Milliseconds left, at least 1: what a call may take. */
int pvt_collect_left (const PvtCollect *collect);

/* Groups that both agents answer alike. */
gboolean pvt_collect_os (PvtCollect *collect, GError **error);
gboolean pvt_collect_cpustats (PvtCollect *collect, GError **error);
gboolean pvt_collect_load (PvtCollect *collect, GError **error);
gboolean pvt_collect_diskstats (PvtCollect *collect, GError **error);
gboolean pvt_collect_network (PvtCollect *collect, GError **error);

/*
 * Adds what the guest tells within @timeout_ms. FALSE with @error when it did
 * not answer; what came before that stays. An error of a single command is not
 * an error of the guest: that group's figures are absent.
 */
gboolean pvt_collect_guest (const char *address, int timeout_ms, PvtMetrics *metrics,
                            PvtSign *sign, GError **error);
