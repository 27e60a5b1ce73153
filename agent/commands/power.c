/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "agent/core/call.h"
#include "agent/core/log.h"
#include "agent/platform/child.h"
#include "agent/telemetry/telemetry.h"

#include <string.h>
#include <unistd.h>

/* How long a program may take to accept the order. */
#define ACCEPT_MS 10000

/* A way to end the guest: with systemd shutdown(8) goes to logind, which asks
 * inhibitors, tells the users and writes the message to the journal. Where
 * there is no shutdown(8), as with busybox, init's own tools do it. */
static const struct
{
  const char *mode;
  const char *option; /* of shutdown(8) */
  const char *plain;  /* the program that does just that */
  PvtShutdownReason reason;
} modes[] = {
  { "powerdown", "-P", "poweroff", PVT_SHUTDOWN_REASON_POWEROFF },
  { "halt", "-H", "halt", PVT_SHUTDOWN_REASON_HALT },
  { "reboot", "-r", "reboot", PVT_SHUTDOWN_REASON_REBOOT },
};

static gboolean
have_program (const char *name)
{
  static const char *const places[] = { "/sbin/", "/usr/sbin/", "/bin/", "/usr/bin/" };

  for (guint i = 0; i < G_N_ELEMENTS (places); i++)
    {
      g_autofree char *path = g_strconcat (places[i], name, NULL);

      if (access (path, X_OK) == 0)
        return TRUE;
    }
  return FALSE;
}

static gboolean
order (PvtCall *call, const char *const *argv, GError **error)
{
  PvtChildSpec spec = { .argv = (char *const *) argv, .env = pvt_child_plain_env (), .directory = "/" };
  g_autofree char *why = NULL;
  PvtChildOutcome outcome;

  if (!pvt_child_run (&spec, NULL, 0, ACCEPT_MS, call->cancelled, &outcome, error))
    return FALSE;
  if (pvt_child_succeeded (&outcome))
    return TRUE;
  why = pvt_child_describe (&outcome, ACCEPT_MS);
  return pvt_call_fail (error, "%s %s", argv[0], why);
}

gboolean
pvt_handle_guest_shutdown (PvtCall *call, const PvtGuestShutdownArgs *args, GError **error)
{
  const char *mode = args->mode ? args->mode : "powerdown";

  for (guint i = 0; i < G_N_ELEMENTS (modes); i++)
    {
      const char *const full[] = { "shutdown", "-h", modes[i].option, "+0",
                                   "hypervisor initiated shutdown", NULL };
      const char *const plain[] = { modes[i].plain, NULL };
      g_autoptr (GError) first = NULL;

      if (strcmp (mode, modes[i].mode) != 0)
        continue;
      pvt_log (PVT_LOG_INFO, "%s: the host asked for %s", call->channel, mode);
      pvt_telemetry_host_asked (modes[i].reason);
      if (have_program ("shutdown") && order (call, full, &first))
        return TRUE;
      if (!have_program (modes[i].plain))
        return pvt_call_fail (error, "%s", first ? first->message
                                                 : "there is neither shutdown nor a program "
                                                   "that does only that in /sbin or /usr/sbin");
      return order (call, plain, error);
    }
  return pvt_call_fail (error, "mode '%s' is unknown: powerdown, halt or reboot was expected", mode);
}
