/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* shutdown, reboot and suspend: the order, and waiting for its end. */
#include "output.h"
#include "power-wait.h"

#include <stdio.h>
#include <string.h>

/* How long an end is waited for when --timeout does not say. */
#define WAIT_MS 120000

typedef struct
{
  const char *name;
  const char *saying; /* "... is %s" */
  const char *ended;
  PvtPowerEnd end;
  gboolean (*order) (PvtClient *client, GError **error);
} Order;

static gboolean
order_shutdown (PvtClient *client, GError **error)
{
  PvtGuestShutdownArgs args = { .mode = (char *) "powerdown" };

  return pvt_client_guest_shutdown (client, &args, -1, NULL, error);
}

static gboolean
order_reboot (PvtClient *client, GError **error)
{
  PvtGuestShutdownArgs args = { .mode = (char *) "reboot" };

  return pvt_client_guest_shutdown (client, &args, -1, NULL, error);
}

static gboolean
order_suspend (PvtClient *client, GError **error)
{
  return pvt_client_guest_suspend_ram (client, -1, NULL, error);
}

static gboolean
order_hibernate (PvtClient *client, GError **error)
{
  return pvt_client_guest_suspend_disk (client, -1, NULL, error);
}

static gboolean
order_hybrid_sleep (PvtClient *client, GError **error)
{
  return pvt_client_guest_suspend_hybrid (client, -1, NULL, error);
}

static const Order shutdown_order
    = { "shutdown", "shutting down", "is off", PVT_POWER_OFF, order_shutdown };
static const Order reboot_order
    = { "reboot", "rebooting", "is back", PVT_POWER_REBOOTED, order_reboot };
static const Order suspend_order
    = { "suspend", "going to sleep", "is asleep", PVT_POWER_ASLEEP, order_suspend };
/* Its memory is on its disk, and the machine is off. */
static const Order hibernate_order
    = { "suspend", "going to sleep", "is hibernated", PVT_POWER_OFF, order_hibernate };
static const Order hybrid_order
    = { "suspend", "going to sleep", "is asleep", PVT_POWER_ASLEEP, order_hybrid_sleep };

typedef struct
{
  gboolean wait;
  gboolean acpi; /* when the agent does not answer */
  gboolean disk, hybrid;
} Options;

/* Only suspend has kinds. */
static const Order *
choose_kind (const Order *what, const Options *options, GError **error)
{
  if (!options->disk && !options->hybrid)
    return what;
  if (what == &suspend_order && !(options->disk && options->hybrid))
    return options->disk ? &hibernate_order : &hybrid_order;
  g_set_error (error, PVT_CLI_ERROR, PVT_CLI_ERROR_USAGE,
               what == &suspend_order ? "%s takes one of --disk and --hybrid, not both"
                                      : "%s takes neither --disk nor --hybrid",
               what->name);
  return NULL;
}

static gboolean
check_fallback (const Order *what, const PvtCli *cli, const char *fallback, GError **error)
{
  if (strcmp (fallback, "acpi") != 0)
    g_set_error (error, PVT_CLI_ERROR, PVT_CLI_ERROR_USAGE, "unknown fallback '%s': acpi was expected",
                 fallback);
  else if (what != &shutdown_order)
    g_set_error (error, PVT_CLI_ERROR, PVT_CLI_ERROR_USAGE,
                 "ACPI has a power button and no other: %s has no fallback", what->name);
  else if (!g_str_has_prefix (cli->address, "qemu:"))
    g_set_error_literal (error, PVT_CLI_ERROR, PVT_CLI_ERROR_USAGE,
                         "the power button is QEMU's: --fallback acpi takes a qemu: address");
  else
    return TRUE;
  return FALSE;
}

/* The order that is meant. */
static const Order *
parse (const Order *what, PvtCli *cli, Options *options, int argc, char **argv, GError **error)
{
  g_autofree char *fallback = NULL;
  const GOptionEntry entries[] = {
    { "wait", 0, 0, G_OPTION_ARG_NONE, &options->wait, NULL, NULL },
    { "fallback", 0, 0, G_OPTION_ARG_STRING, &fallback, NULL, NULL },
    { "disk", 0, 0, G_OPTION_ARG_NONE, &options->disk, NULL, NULL },
    { "hybrid", 0, 0, G_OPTION_ARG_NONE, &options->hybrid, NULL, NULL },
    { NULL, 0, 0, 0, NULL, NULL, NULL },
  };
  g_auto (GStrv) words = pvt_cli_words (entries, argc, argv, error);

  if (words == NULL || !pvt_cli_take_guest (cli, words, error)
      || !pvt_cli_no_words ((int) g_strv_length (words), words, error))
    return NULL;
  options->acpi = fallback != NULL;
  if (fallback && !check_fallback (what, cli, fallback, error))
    return NULL;
  return choose_kind (what, options, error);
}

/* Nobody is there, or who is there does not answer: nothing was done. */
static gboolean
is_silent (const GError *error)
{
  return g_error_matches (error, PVT_CLIENT_ERROR, PVT_CLIENT_ERROR_NOT_CONNECTED)
         || g_error_matches (error, PVT_CLIENT_ERROR, PVT_CLIENT_ERROR_DISCONNECTED)
         || g_error_matches (error, PVT_CLIENT_ERROR, PVT_CLIENT_ERROR_TIMEOUT_BEFORE_SENT)
         || g_error_matches (error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT);
}

static void
say (const PvtCli *cli, const Order *what, const Options *options, gboolean by_acpi)
{
  if (cli->json)
    printf ("{\"accepted\": true, \"by\": \"%s\", \"ended\": %s}\n", by_acpi ? "acpi" : "agent",
            options->wait ? "true" : "false");
  else if (options->wait)
    printf ("%s %s\n", cli->address, what->ended);
  else
    printf ("%s is %s\n", cli->address, what->saying);
}

/* TRUE when the agent took the order, or the button was pressed for it. */
static gboolean
give_order (PvtCli *cli, const Order *what, const Options *options, PvtPowerWait *wait,
            gboolean *by_acpi, GError **error)
{
  GError *failure = NULL;
  g_autoptr (PvtClient) client = pvt_client_connect (cli->address, cli->timeout_ms, NULL, &failure);

  if (client)
    pvt_client_set_timeout (client, cli->timeout_ms);
  /* QEMU's monitor serves one at a time: the client is done with it by now. */
  if (client && options->wait
      && !pvt_power_wait_begin (wait, client, what->end, cli->timeout_ms, error))
    return FALSE;
  if (client && what->order (client, &failure))
    return TRUE;
  if (!options->acpi || !is_silent (failure))
    {
      g_propagate_error (error, failure);
      return FALSE;
    }
  *by_acpi = TRUE;
  if (!cli->json)
    fprintf (stderr, "pvtools: the agent does not answer (%s): pressing the power button\n",
             failure->message);
  g_error_free (failure);
  return pvt_power_wait_begin (wait, NULL, what->end, cli->timeout_ms, error)
         && pvt_power_press_button (wait, error);
}

static gboolean
run (PvtCli *cli, const Order *what, int argc, char **argv, GError **error)
{
  Options options = { FALSE, FALSE, FALSE, FALSE };
  PvtPowerWait wait = { 0 };
  gboolean by_acpi = FALSE, ok;
  int wait_ms = pvt_cli_patience (cli, WAIT_MS);

  what = parse (what, cli, &options, argc, argv, error);
  if (what == NULL)
    return FALSE;
  wait.address = cli->address;
  cli->timeout_ms = MIN (cli->timeout_ms, PVT_CLIENT_DEFAULT_TIMEOUT_MS);
  ok = give_order (cli, what, &options, &wait, &by_acpi, error)
       && (!options.wait || pvt_power_wait (&wait, wait_ms, error));
  pvt_power_wait_clear (&wait);
  if (ok)
    say (cli, what, &options, by_acpi);
  return ok;
}

static gboolean
run_shutdown (PvtCli *cli, int argc, char **argv, GError **error)
{
  return run (cli, &shutdown_order, argc, argv, error);
}

static gboolean
run_reboot (PvtCli *cli, int argc, char **argv, GError **error)
{
  return run (cli, &reboot_order, argc, argv, error);
}

static gboolean
run_suspend (PvtCli *cli, int argc, char **argv, GError **error)
{
  return run (cli, &suspend_order, argc, argv, error);
}

const PvtVerb pvt_verb_shutdown = { "shutdown", "[--wait] [--fallback acpi]",
                                    "shut the guest down in order", TRUE, run_shutdown };
const PvtVerb pvt_verb_reboot = { "reboot", "[--wait]", "reboot the guest in order", TRUE, run_reboot };
const PvtVerb pvt_verb_suspend = { "suspend", "[--disk|--hybrid] [--wait]",
                                   "suspend it to its RAM, its disk or both", TRUE, run_suspend };
