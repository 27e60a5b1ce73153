/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "power-wait.h"

#include <string.h>

#define TRY_MS 2000
#define PAUSE_US 250000

/* What a guest says is not trusted: a boot id has 36 characters. */
#define BOOT_ID_MAX 64

static const char *const events[] = {
  [PVT_POWER_OFF] = "SHUTDOWN",
  [PVT_POWER_REBOOTED] = "RESET",
  [PVT_POWER_ASLEEP] = "SUSPEND",
};

static void
event_came (const char *name, JsonObject *event G_GNUC_UNUSED, gpointer user_data)
{
  PvtPowerWait *wait = user_data;

  wait->seen = wait->seen || strcmp (name, events[wait->end]) == 0;
}

static char *
ask_boot_id (PvtClient *client)
{
  g_autoptr (PvtUptime) uptime = NULL;

  if (!pvt_client_has_command (client, "pvt-get-uptime", TRY_MS, NULL, NULL))
    return NULL;
  uptime = pvt_client_get_uptime (client, TRY_MS, NULL, NULL);
  return uptime ? g_strndup (uptime->boot_id, BOOT_ID_MAX) : NULL;
}

gboolean
pvt_power_wait_begin (PvtPowerWait *wait, PvtClient *client, PvtPowerEnd end, int timeout_ms,
                      GError **error)
{
  wait->end = end;
  if (client && wait->boot_id == NULL && end == PVT_POWER_REBOOTED)
    wait->boot_id = ask_boot_id (client);
  if (wait->qmp || !g_str_has_prefix (wait->address, "qemu:"))
    return TRUE;
  wait->qmp = pvt_qmp_open (wait->address + strlen ("qemu:"), timeout_ms, NULL, error);
  if (wait->qmp)
    pvt_qmp_set_event_handler (wait->qmp, event_came, wait);
  return wait->qmp != NULL;
}

gboolean
pvt_power_press_button (PvtPowerWait *wait, GError **error)
{
  g_autoptr (JsonNode) done = pvt_qmp_execute (wait->qmp, "system_powerdown", NULL, error);

  return done != NULL;
}

static gboolean
not_yet (const PvtPowerWait *wait, int timeout_ms, GError **error)
{
  static const char *const what[] = { "off", "back", "asleep" };

  g_set_error (error, PVT_CLI_ERROR, PVT_CLI_ERROR_NOT_YET,
               "the order was given, but after %.1f s the guest is not %s", timeout_ms / 1000.0,
               what[wait->end]);
  return FALSE;
}

/* The agent answers, and not that of the boot that ends. */
static gboolean
is_back (PvtPowerWait *wait, gboolean was_gone)
{
  g_autoptr (PvtClient) client = pvt_client_connect (wait->address, TRY_MS, NULL, NULL);
  g_autofree char *boot_id = NULL;

  if (client == NULL || !pvt_client_guest_ping (client, TRY_MS, NULL, NULL))
    return FALSE;
  boot_id = wait->boot_id ? ask_boot_id (client) : NULL;
  return wait->boot_id ? boot_id && strcmp (boot_id, wait->boot_id) != 0 : was_gone;
}

/* The channel is there and the agent answers. @gone: even the channel is not. */
static gboolean
answers (const PvtPowerWait *wait, gboolean *gone)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (PvtClient) client = pvt_client_connect (wait->address, TRY_MS, NULL, &error);

  *gone = g_error_matches (error, PVT_CLIENT_ERROR, PVT_CLIENT_ERROR_NOT_CONNECTED);
  return client && pvt_client_guest_ping (client, TRY_MS, NULL, NULL);
}

static gboolean
is_over (PvtPowerWait *wait, gboolean *was_gone)
{
  gboolean gone = FALSE;

  if (wait->end == PVT_POWER_REBOOTED && is_back (wait, *was_gone))
    return TRUE;
  if (!answers (wait, &gone))
    *was_gone = TRUE;
  return wait->end == PVT_POWER_OFF ? gone : wait->end == PVT_POWER_ASLEEP && *was_gone;
}

static gboolean
wait_by_channel (PvtPowerWait *wait, gint64 deadline, gboolean was_gone)
{
  while (!is_over (wait, &was_gone))
    {
      if (g_get_monotonic_time () >= deadline)
        return FALSE;
      g_usleep (PAUSE_US);
    }
  return TRUE;
}

/* QEMU may also just be gone: then so is the guest. */
static gboolean
wait_by_event (PvtPowerWait *wait, gint64 deadline)
{
  g_autoptr (GError) error = NULL;
  int left = (int) CLAMP ((deadline - g_get_monotonic_time ()) / 1000, 1, G_MAXINT);

  if (wait->seen || pvt_qmp_await_event (wait->qmp, events[wait->end], left, &error))
    return TRUE;
  return wait->end == PVT_POWER_OFF && !g_error_matches (error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT)
         && !g_error_matches (error, PVT_CLIENT_ERROR, PVT_CLIENT_ERROR_PROTOCOL);
}

gboolean
pvt_power_wait (PvtPowerWait *wait, int timeout_ms, GError **error)
{
  gint64 deadline = g_get_monotonic_time () + (gint64) timeout_ms * 1000;

  if (wait->qmp && !wait_by_event (wait, deadline))
    return not_yet (wait, timeout_ms, error);
  if (wait->qmp && wait->end != PVT_POWER_REBOOTED)
    return TRUE;
  /* The monitor is let go: the channel is looked up there. */
  g_clear_pointer (&wait->qmp, pvt_qmp_close);
  return wait_by_channel (wait, deadline, wait->seen) || not_yet (wait, timeout_ms, error);
}

void
pvt_power_wait_clear (PvtPowerWait *wait)
{
  g_clear_pointer (&wait->qmp, pvt_qmp_close);
  g_clear_pointer (&wait->boot_id, g_free);
}
