/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "agent/core/call.h"
#include "agent/lifecycle/event-hooks.h"
#include "agent/platform/child.h"
#include "agent/platform/sleep-states.h"

/* systemctl returns once the machine is on its way; the kernel's own file
 * returns when the machine is awake again. */
#define ORDER_MS 25000

/* With systemd its hooks and inhibitors count; elsewhere the kernel is asked. */
static gboolean
fall_asleep (PvtCall *call, PvtSleepKind kind, const char *verb, GError **error)
{
  const PvtRoot *root = pvt_call_root (call);
  char *const argv[] = { (char *) "systemctl", (char *) verb, NULL };
  PvtChildSpec spec = { .argv = argv, .env = pvt_child_plain_env (), .directory = "/" };
  g_autofree char *why = NULL;
  PvtChildOutcome outcome;

  if (!pvt_sleep_supported (root, kind, error))
    return FALSE;
  g_ptr_array_unref (pvt_event_hooks_run ("suspend.d", "pre-suspend", NULL, call->cancelled));
  if (!pvt_root_exists (root, "run/systemd/system"))
    return pvt_sleep_enter (root, kind, error);
  if (!pvt_child_run (&spec, NULL, 0, ORDER_MS, call->cancelled, &outcome, error))
    return FALSE;
  if (pvt_child_succeeded (&outcome))
    return TRUE;
  why = pvt_child_describe (&outcome, ORDER_MS);
  return pvt_call_fail (error, "systemctl %s %s", verb, why);
}

gboolean
pvt_handle_guest_suspend_ram (PvtCall *call, GError **error)
{
  return fall_asleep (call, PVT_SLEEP_RAM, "suspend", error);
}

gboolean
pvt_handle_guest_suspend_disk (PvtCall *call, GError **error)
{
  return fall_asleep (call, PVT_SLEEP_DISK, "hibernate", error);
}

gboolean
pvt_handle_guest_suspend_hybrid (PvtCall *call, GError **error)
{
  return fall_asleep (call, PVT_SLEEP_HYBRID, "hybrid-sleep", error);
}
