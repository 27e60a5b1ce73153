/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "event-hooks.h"

#include "agent/core/gate.h"
#include "agent/core/server.h"

GPtrArray *
pvt_event_hooks_run (const char *name, const char *event, char *const *env, const gint *cancelled)
{
  const PvtConfig *config = pvt_server_config ();
  g_autofree char *directory = g_build_filename (config->events_dir, name, NULL);
  g_autofree char *variable = g_strconcat ("PVT_EVENT=", event, NULL);
  g_autoptr (GPtrArray) all = g_ptr_array_new ();

  g_ptr_array_add (all, variable);
  for (guint i = 0; env && env[i]; i++)
    g_ptr_array_add (all, env[i]);
  g_ptr_array_add (all, NULL);
  pvt_gate_wait ();
  return pvt_hooks_run (directory, event, (char *const *) all->pdata, config->hook_timeout * 1000,
                        cancelled);
}
